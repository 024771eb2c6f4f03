"""The corpus section of params.yaml."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from distilrnn.params.common import LARGEST_SEED, Section
from distilrnn.params.splits import DEV, EVERY_SPLIT, OUT_OF_DOMAIN, SPLITS, TEST, TRAIN

LONGEST_CLASS = 64
ACCEPTABILITY = ("unacceptable", "acceptable")
OWN_SOURCES = ("files", "dataset")
COMMIT = re.compile(r"[0-9a-f]{40}")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def check_classes(classes: Sequence[str]) -> None:
    """Refuse names of classes that repeat, or that would not fit a table; raises ValueError."""
    if len(set(classes)) != len(classes) or not all(classes):
        raise ValueError(f"classes {list(classes)} repeat or are empty: name each class once")
    if not all(name.isprintable() and name == name.strip() and len(name) <= LONGEST_CLASS for name in classes):
        raise ValueError(
            f"classes {list(classes)} hold a name with an unprintable character, a space at an end, or more than "
            f"{LONGEST_CLASS} characters: give short plain names"
        )


class CorpusParams(Section):
    """Where the labelled sentences come from."""

    source: Literal["generated", "cola", "path", "files", "dataset"] = Field(
        "generated",
        description="generated: the embedded grammar; cola: CoLA's site (pinned sha256); path: a folder in CoLA's "
        "format; files: CSV, TSV, JSON, Parquet or Arrow, or a folder with a sub-folder per class; dataset: a Hugging "
        "Face dataset.",
    )
    path: str | None = Field(
        None, description="Folder of the TSV splits (path); hub id, or folder of save_to_disk (dataset)."
    )
    revision: str | None = Field(None, description="Commit of a hub id; required for one (dataset).")
    subset: str | None = Field(None, description="Name of the hub dataset's configuration (dataset).")
    train: str | None = Field(None, description="Sentences to learn from: a file, or the name of the dataset's split.")
    dev: str | None = Field(None, description="The same for the in-domain dev set (files, dataset).")
    test: str | None = Field(None, description="The same for the in-domain test set (files, dataset).")
    out_of_domain: str | None = Field(None, description="The same for an out-of-domain set (files, dataset).")
    dev_fraction: float | None = Field(
        None, gt=0, lt=1, description="Share of train split off as dev, stratified by label (files, dataset)."
    )
    test_fraction: float | None = Field(
        None, gt=0, lt=1, description="Share of train split off as test, stratified by label (files, dataset)."
    )
    text_column: str = Field("text", min_length=1, description="Column of the sentence (files, dataset).")
    label_column: str = Field("label", min_length=1, description="Column of the class (files, dataset).")
    source_column: str | None = Field(
        None, min_length=1, description="Column of a short code by which metrics are given too (files, dataset)."
    )
    on_bad_row: Literal["error", "skip"] = Field(
        "error",
        description="error: stop at a row without text or label, or that cannot be read; skip: count and list such "
        "rows in corpus.json (files, dataset).",
    )
    classes: tuple[str, ...] = Field(
        (),
        min_length=2,
        description="Names of the labels 0, 1, … [default: unacceptable, acceptable; files, dataset: train's, sorted]",
    )
    seed: int = Field(
        0, ge=0, le=LARGEST_SEED, description="Seed of the generated corpus, or of what is split off train."
    )
    train_size: int = Field(1000, ge=20, description="Generated training sentences.")
    dev_size: int = Field(500, ge=20, description="Generated sentences in each dev set.")
    unlabelled_size: int = Field(20000, ge=0, description="Generated unlabelled sentences, for pre-training.")

    @property
    def is_own(self) -> bool:
        """Whether it is a table of one's own, with named columns and splits."""
        return self.source in OWN_SOURCES

    @property
    def places(self) -> dict[str, str]:
        """The files, or the dataset's splits, of one's own data, by our name of the split."""
        named = {TRAIN: self.train, DEV: self.dev, TEST: self.test, OUT_OF_DOMAIN: self.out_of_domain}
        return {split: place for split, place in named.items() if place is not None}

    @property
    def fractions(self) -> dict[str, float]:
        """The shares of train that are split off, by split; test comes first, so that it does not depend on dev."""
        named = {TEST: self.test_fraction, DEV: self.dev_fraction}
        return {split: fraction for split, fraction in named.items() if fraction is not None}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that this corpus has, in their order."""
        if not self.is_own:
            return SPLITS
        return tuple(split for split in EVERY_SPLIT if split in self.places or split in self.fractions)

    @property
    def origin(self) -> str:
        """Where it comes from, in one word for the report."""
        if self.source == "files":
            return str(self.train)
        return f"{self.path}@{self.revision}" if self.revision else self.path or self.source

    @model_validator(mode="before")
    @classmethod
    def _default_classes(cls, values: Any) -> Any:  # noqa: ANN401 - not checked yet
        if not isinstance(values, dict) or values.get("classes", ()) not in ((), []):
            return values
        given = {name: value for name, value in values.items() if name != "classes"}
        return given if given.get("source") in OWN_SOURCES else given | {"classes": ACCEPTABILITY}

    @field_validator("classes")
    @classmethod
    def _classes_fit(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        check_classes(classes)
        return classes

    @model_validator(mode="after")
    def _path_with_source(self) -> "CorpusParams":
        if self.source == "path" and not self.path:
            raise ValueError("source is 'path' but no path is set: set corpus.path to a folder of TSV splits")
        if self.source == "dataset":
            self._check_dataset()
        if self.is_own:
            self._check_own_splits()
            return self
        for name in ("train", "dev", "test", "out_of_domain", "dev_fraction", "test_fraction", "revision", "subset"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} is set, but source is {self.source!r}: set source to files or dataset")
        return self

    def _check_dataset(self) -> None:
        if not self.path:
            raise ValueError("source is 'dataset' but no path is set: set corpus.path to a hub id or a folder")
        if self.revision is not None and not (HUB_ID.fullmatch(self.path) and COMMIT.fullmatch(self.revision)):
            raise ValueError(
                f"revision {self.revision!r} of {self.path!r} must be a full commit hash (40 hexadecimal digits), "
                "and be set only for a hub id such as owner/name"
            )

    def _check_own_splits(self) -> None:
        if self.source == "files" and self.path is not None:
            raise ValueError("path is set, but source is 'files': name the files in corpus.train, corpus.dev, …")
        braced = [place for place in self.places.values() if "{" in place or "}" in place]
        if self.source == "files" and braced:
            raise ValueError(f"{braced[0]!r} has a brace, which Snakemake takes for a wildcard: rename the file")
        if not self.train:
            raise ValueError(f"source is {self.source!r} but no train is set: set corpus.train")
        for name in ("dev", "test"):
            if getattr(self, name) is not None and getattr(self, f"{name}_fraction") is not None:
                raise ValueError(f"{name} and {name}_fraction are both set: set one of them")
        if len(self.splits) == 1:
            raise ValueError("there is nothing to report on: set corpus.dev or test, or dev_fraction or test_fraction")
        if sum(self.fractions.values()) >= 1:
            raise ValueError("dev_fraction and test_fraction leave nothing of train: lower them")
        columns = [self.text_column, self.label_column, self.source_column]
        if len(set(columns)) < len(columns):
            raise ValueError(f"one column is named twice ({', '.join(map(str, columns))}): give each its own")
