"""The linear section of params.yaml: the classifier that a user would take instead of a language model."""

from pydantic import Field, field_validator, model_validator

from distilrnn.params.common import Name, Section


class LinearParams(Section):
    """TF-IDF of word and character n-grams with logistic regression."""

    word_ngrams: tuple[int, ...] = Field(
        (1, 2), min_length=2, max_length=2, description="Shortest and longest n-gram of words; 0 0: none."
    )
    character_ngrams: tuple[int, ...] = Field(
        (2, 5),
        min_length=2,
        max_length=2,
        description="Shortest and longest n-gram of characters, within words; 0 0: none.",
    )
    max_features: int = Field(
        200_000, ge=1, description="Most frequent n-grams that are kept, of words and of characters."
    )
    c: tuple[float, ...] = Field(
        (0.1, 1.0, 10.0, 100.0),
        min_length=1,
        description="Inverse strengths of the L2 penalty; the best on validation is chosen.",
    )

    transfer: tuple[Name, ...] | None = Field(
        None,
        description="Sources of unlabelled sentences whose teacher's probabilities it is trained on too, beside those "
        "of the labelled ones; none: all that teachers score.",
    )

    @field_validator("word_ngrams", "character_ngrams")
    @classmethod
    def _range(cls, ngrams: tuple[int, ...]) -> tuple[int, ...]:
        shortest, longest = ngrams
        if not (1 <= shortest <= longest <= 10 or shortest == longest == 0):
            raise ValueError(f"n-grams {shortest} to {longest}: give a range between 1 and 10, or 0 and 0 for none")
        return ngrams

    @field_validator("c")
    @classmethod
    def _positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) < len(values) or min(values) <= 0:
            raise ValueError(f"c {list(values)} repeat, or are not above 0: give positive numbers, each once")
        return values

    @model_validator(mode="after")
    def _has_features(self) -> "LinearParams":
        if self.word_ngrams == self.character_ngrams == (0, 0):
            raise ValueError("word_ngrams and character_ngrams are both 0 0: give at least one range")
        return self
