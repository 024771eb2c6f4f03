"""The transfer section of params.yaml: sentences without labels, which a teacher scores for its students."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from distilrnn.errors import InputError
from distilrnn.params.common import LARGEST_SEED, Name, Section
from distilrnn.params.corpus import COMMIT, HUB_ID

TRAIN_SENTENCES = "train"
"""In `of`: the training sentences that nothing is held out of."""


class SourceSection(Section):
    """What every source has."""

    scored: bool = Field(
        True, description="Whether teachers score it; false: text for encoders alone, which pretraining.transfer names."
    )

    def recipe(self) -> dict[str, Any]:
        """What the sentences are made by, for JSON: they stay the same whether teachers score them or not."""
        return self.model_dump(mode="json", exclude={"scored"})


class TextSource(SourceSection):
    """One's own unlabelled text."""

    kind: Literal["text"]
    files: tuple[str, ...] = Field(
        min_length=1,
        description="Files, or shell patterns such as texts/*.txt: .txt with one sentence per line, CSV, TSV, "
        "JSON Lines, Parquet.",
    )
    text_column: str = Field("text", min_length=1, description="Column of the sentence, in tables.")

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_many(cls, files: object) -> object:
        return (files,) if isinstance(files, str) else files


class DatasetSource(SourceSection):
    """A split of a Hugging Face dataset."""

    kind: Literal["dataset"]
    path: str = Field(min_length=1, description="Hub id, or a folder of save_to_disk.")
    revision: str | None = Field(None, description="Commit of a hub id; required for one.")
    subset: str | None = Field(None, description="Name of the hub dataset's configuration.")
    split: str = Field("train", min_length=1, description="Name of its split.")
    text_column: str = Field("text", min_length=1, description="Column of the sentence.")

    @model_validator(mode="after")
    def _is_pinned(self) -> "DatasetSource":
        if self.revision is not None and not (HUB_ID.fullmatch(self.path) and COMMIT.fullmatch(self.revision)):
            raise ValueError(
                f"revision {self.revision!r} of {self.path!r} pins nothing: give the 40 hexadecimal digits of a commit "
                "of a hub id such as owner/name, and none for a folder"
            )
        return self


class AugmentSource(SourceSection):
    """Changed copies of sentences, by the rules of Tang et al. 2019 (arXiv 1903.12136, section 4.3)."""

    kind: Literal["augment"]
    of: tuple[Name, ...] = Field(
        (TRAIN_SENTENCES,), min_length=1, description="What is changed: train, or names of other sources."
    )
    copies: int = Field(20, ge=1, le=50, description="Copies of each sentence, before duplicates are removed.")
    mask: float = Field(0.1, ge=0, le=1, description="Probability of replacing a word by mask_token.")
    mask_token: str = Field("[MASK]", min_length=1, description="The replacement of a masked word.")
    replace: float = Field(
        0.1, ge=0, le=1, description="Probability of replacing a word by one of similar part of speech and frequency."
    )
    drop: float = Field(0.0, ge=0, le=1, description="Probability of dropping a word.")
    swap: float = Field(0.0, ge=0, le=1, description="Probability of swapping a word with the next one.")
    ngram: float = Field(0.25, ge=0, le=1, description="Probability of cutting a copy to an n-gram of 1 to 5 words.")

    @field_validator("of", mode="before")
    @classmethod
    def _one_or_many(cls, of: object) -> object:
        return (of,) if isinstance(of, str) else of

    @model_validator(mode="after")
    def _changes_something(self) -> "AugmentSource":
        if not (self.mask or self.replace or self.drop or self.swap or self.ngram):
            raise ValueError("mask, replace, drop, swap and ngram are all 0: raise one, or there is nothing new")
        if self.mask + self.replace + self.drop + self.swap > 1:
            raise ValueError("mask, replace, drop and swap add up to more than 1: lower them")
        return self


class SampleSource(SourceSection):
    """Sentences drawn from a causal language model."""

    kind: Literal["sample"]
    base: Name = Field(description="Name of a causal entry of bases.")
    sentences: int = Field(10_000, ge=1, description="Sentences to draw, before duplicates are removed.")
    temperature: float = Field(1.0, gt=0, description="Sampling temperature.")
    top_p: float = Field(0.95, gt=0, le=1, description="Nucleus sampling: probability mass of the tokens to draw from.")
    first_words: int = Field(0, ge=0, le=20, description="Number of words of a random training sentence to begin with.")
    longest: int = Field(64, ge=2, description="Maximum tokens of a sentence; longer ones are dropped.")
    batch_size: int = Field(64, ge=1, description="Sentences drawn at once.")


class CorpusSource(SourceSection):
    """More sentences of the generated corpus's training grammar, of both classes; the classes are thrown away."""

    kind: Literal["corpus"]
    sentences: int = Field(16_000, ge=20, description="Sentences to generate.")


Source = Annotated[
    TextSource | DatasetSource | AugmentSource | SampleSource | CorpusSource, Field(discriminator="kind")
]


Balance = Literal["train", "weights"] | None


class TransferParams(Section):
    """Sentences without labels that a teacher scores and its students learn from (Tang et al. 2019, section 3)."""

    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of what is drawn: augmentation, sampling, bounds.")
    max_sentences: int | None = Field(
        None, ge=1, description="Maximum sentences of each source, drawn at random; null: all."
    )
    shards: int = Field(1, ge=1, le=1000, description="Parts of each source that teachers score as jobs of their own.")
    balance: Balance = Field(
        None,
        description="train: leave out sentences of a source until its classes, as the teacher sees them, have train's "
        "shares; weights: weigh them instead; none: take them as they are.",
    )
    sources: dict[Name, Source] = Field({}, description="Where sentences come from, by a name that students use.")

    @model_validator(mode="after")
    def _augmented_sources_exist(self) -> "TransferParams":
        for name, source in self.sources.items():
            if name == TRAIN_SENTENCES:
                raise ValueError(f"sources.{name} has the name of the training sentences: choose another")
            if not isinstance(source, AugmentSource):
                continue
            for other in source.of:
                if other != TRAIN_SENTENCES and other not in self.sources:
                    known = ", ".join([TRAIN_SENTENCES, *(one for one in self.sources if one != name)])
                    raise ValueError(f"sources.{name}.of names {other!r}, which is not a source: choose one of {known}")
                if isinstance(self.sources.get(other), AugmentSource):
                    raise ValueError(
                        f"sources.{name}.of names {other!r}, which is augmented itself: name what that one is made of"
                    )
        return self


def read_source(text: str) -> Source:
    """A source from JSON; raises InputError."""
    try:
        return TypeAdapter(Source).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"--source-json: {key}: {first['msg'].removeprefix('Value error, ')}") from None
