"""The tokenize section of params.yaml."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from distilrnn.params.common import Name, Policy, Section

SMALLEST_BPE = 260


class LearnedTokenizerParams(Section):
    """A tokenizer learned from the training sentences, and from transfer sources: a student's own."""

    learn: Literal["bpe", "word"] = Field(
        description="bpe: byte-level byte-pair encoding; word: words, clitics and punctuation, the rest is [UNK]."
    )
    vocabulary: int = Field(8000, ge=4, description="Most entries of its vocabulary, special tokens included.")
    min_frequency: int = Field(2, ge=1, description="How often a word, or a pair of byte-pair encoding, must occur.")
    lowercase: bool = Field(False, description="Read all text in lower case.")
    transfer: tuple[Name, ...] = Field((), description="Transfer sources to learn from too, beside train.")

    @model_validator(mode="after")
    def _bytes_fit(self) -> "LearnedTokenizerParams":
        if self.learn == "bpe" and self.vocabulary < SMALLEST_BPE:
            raise ValueError(
                f"vocabulary is {self.vocabulary}, and bpe has an entry for each of 256 bytes: set it to "
                f"{SMALLEST_BPE} or more"
            )
        return self


TokenizerParams = Annotated[
    Annotated[str, Tag("[path]")] | Annotated[LearnedTokenizerParams, Tag("[learned]")],
    Discriminator(lambda value: "[path]" if isinstance(value, str) else "[learned]"),
]
"""A path, or what to learn a tokenizer from; tags in brackets are left out of messages."""


class TokenizeParams(Section):
    """How sentences become token ids."""

    max_length: int | None = Field(
        None, ge=1, description="Tokens that are read of a text, or in a window of it; what is longer is counted."
    )
    long_texts: Policy = Field(
        "head",
        description="Texts of more than max_length tokens. error: refuse; head, tail: keep the first or last tokens; "
        "head_tail: the first quarter and the last three; windows: teachers average the logits of overlapping windows, "
        "students read on.",
    )
    longest_text: int = Field(
        4096, ge=1, description="windows: tokens that are kept of a text, and that a student reads."
    )
    tokenizers: dict[Name, TokenizerParams] = Field(
        {},
        description="Tokenizers beside the bases' own, by name: a folder, a tokenizer.json, or what to learn one from.",
    )

    @property
    def learned(self) -> dict[str, LearnedTokenizerParams]:
        """The tokenizers that are learned, by name."""
        return {n: t for n, t in self.tokenizers.items() if isinstance(t, LearnedTokenizerParams)}

    @model_validator(mode="after")
    def _a_limit_where_one_is_needed(self) -> "TokenizeParams":
        if self.max_length is None and self.long_texts != "head":
            raise ValueError(
                f"long_texts is {self.long_texts}, but without max_length no text is long: set it, for a teacher to "
                "what its base reads"
            )
        if self.long_texts == "windows" and self.max_length is not None and self.longest_text < self.max_length:
            raise ValueError(
                f"longest_text {self.longest_text} is less than max_length {self.max_length}: set it to that or more"
            )
        return self
