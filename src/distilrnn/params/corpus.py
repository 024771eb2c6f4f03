"""The corpus section of params.yaml."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from distilrnn.params.common import LARGEST_SEED, Section

LONGEST_CLASS = 64


class CorpusParams(Section):
    """Where the labelled sentences come from."""

    source: Literal["generated", "cola", "path"] = Field(
        "generated", description="generated: the embedded grammar; cola: CoLA's site (pinned sha256); path: a folder."
    )
    path: str | None = Field(None, description="Folder of the three TSV splits (source: path).")
    classes: tuple[str, ...] = Field(
        ("unacceptable", "acceptable"), min_length=2, description="Names of the labels 0, 1, …"
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of the generated corpus.")
    train_size: int = Field(1000, ge=20, description="Generated training sentences.")
    dev_size: int = Field(500, ge=20, description="Generated sentences in each dev set.")
    unlabelled_size: int = Field(20000, ge=0, description="Generated unlabelled sentences, for pre-training.")

    @field_validator("classes")
    @classmethod
    def _classes_differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes) or not all(classes):
            raise ValueError(f"classes {list(classes)} repeat or are empty: name each class once")
        if not all(name.isprintable() and name == name.strip() and len(name) <= LONGEST_CLASS for name in classes):
            raise ValueError(
                f"classes {list(classes)} hold a name with an unprintable character, a space at an end, or more than "
                f"{LONGEST_CLASS} characters: give short plain names"
            )
        return classes

    @model_validator(mode="after")
    def _path_with_source(self) -> "CorpusParams":
        if self.source == "path" and not self.path:
            raise ValueError("source is 'path' but no path is set: set corpus.path to a folder of TSV splits")
        return self
