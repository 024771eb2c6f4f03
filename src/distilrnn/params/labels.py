"""The labels section of params.yaml: the same systems again with fewer labelled sentences."""

from pydantic import Field, field_validator

from distilrnn.params.common import LARGEST_SEED, Section


class LabelsParams(Section):
    """How many labelled sentences every system is trained with, beside all of them."""

    sentences: tuple[int, ...] = Field(
        (), description="Numbers of labelled training sentences: every system is trained with each, and with all."
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of the order in which labelled sentences are drawn.")

    @field_validator("sentences")
    @classmethod
    def _each_once(cls, sentences: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(sentences)) < len(sentences) or any(number < 2 for number in sentences):
            raise ValueError(f"sentences {list(sentences)} repeat, or are below 2: give numbers from 2 on, each once")
        return sentences


class LabelBudget(Section):
    """How many labelled sentences one system learns from."""

    labels: int | None = Field(
        None, ge=2, description="Labelled sentences of train to learn from, drawn at random; none: all."
    )
    labels_seed: int = Field(
        0, ge=0, le=LARGEST_SEED, description="Seed of the order in which labelled sentences are drawn."
    )


ALL_LABELS = LabelBudget()
"""Every labelled sentence that nothing is held out of."""
