"""Texts that are longer than what a model reads: refused, cut, or read in windows (Sun et al. 2019, "How to Fine-Tune
BERT for Text Classification?", section 5.3.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from distilrnn.params.common import Policy

if TYPE_CHECKING:
    from tokenizers import Tokenizer

HEAD_SHARE = 0.25
"""Of a text that is cut by head_tail, the first quarter of what is kept is its head: 128 of 510 tokens in the paper."""
OVERLAP = 0.25
"""Share of a window that it has in common with the next one."""


@dataclass(frozen=True)
class TextLimit:
    """What is read of a long text; the tokens that the tokenizer puts around a text ([CLS], [SEP]) stay around it."""

    policy: Policy = "head"
    max_length: int | None = None
    """Tokens that a model reads at once; None: as many as there are."""
    longest_text: int | None = None
    """windows: tokens that are kept of a text."""
    prefix: int = 0
    """Tokens that the tokenizer puts before a text."""
    suffix: int = 0
    """Tokens that the tokenizer puts behind a text."""

    @property
    def limit(self) -> int | None:
        """Tokens that are kept of a text; None: all, also where long texts are refused."""
        if self.policy == "error":
            return None
        return self.longest_text if self.policy == "windows" else self.max_length

    @property
    def head(self) -> int | None:
        """Of a text that is cut, the tokens that are kept from its beginning; the others are kept from its end."""
        if self.limit is None:
            return None
        if self.policy == "tail":
            return self.prefix
        if self.policy == "head_tail":
            return self.prefix + round(HEAD_SHARE * (self.limit - self.prefix - self.suffix))
        return self.limit - self.suffix

    def is_long(self, length: int) -> bool:
        """Whether a text of this many tokens is longer than the model reads at once."""
        return self.max_length is not None and length > self.max_length

    def cut(self, ids: Sequence[int]) -> Sequence[int]:
        """What is kept of a text."""
        if self.limit is None or self.head is None or len(ids) <= self.limit:
            return ids
        return [*ids[: self.head], *ids[len(ids) - (self.limit - self.head) :]]


def recorded_limit(long_texts: TextLimit | None, max_length: int | None) -> TextLimit:
    """The limit in tokens.json or in a checkpoint's header; those of older versions cut at max_length."""
    return TextLimit(max_length=max_length) if long_texts is None else long_texts


def affixes(tokenizer: "Tokenizer") -> tuple[int, int]:
    """How many tokens a tokenizer puts before and behind a text."""
    special = tokenizer.encode("a").special_tokens_mask
    content = [place for place, value in enumerate(special) if not value]
    return (content[0], len(special) - 1 - content[-1]) if content else (0, 0)


@dataclass(frozen=True)
class Windows:
    """Overlapping windows of some texts, the windows of a text one after the other."""

    texts: np.ndarray
    """int64 [windows]: the text of each."""
    positions: np.ndarray
    """int64 [windows, tokens]: which of its text's tokens a window holds; 0 behind its end."""
    lengths: np.ndarray
    """int64 [windows]."""


def windows(lengths: np.ndarray, limit: TextLimit) -> Windows:
    """Windows of at most `max_length` tokens of texts with these lengths, int64 [texts].

    Neighbours overlap by a quarter or more of their content, and the last one ends with the text: none is a mere rest.
    Each has the tokens that the tokenizer puts around a text. A text that is short enough is its own window.
    """
    size = limit.max_length
    if size is None:
        size = int(lengths.max())
    around = limit.prefix + limit.suffix
    content = size - around
    stride = content - int(content * OVERLAP)
    rest = np.maximum(lengths - size, 0)
    counts = 1 + -(-rest // stride)
    texts = np.repeat(np.arange(len(lengths)), counts)
    number = np.arange(len(texts)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = number * rest[texts] // np.maximum(counts[texts] - 1, 1)
    steps = np.arange(min(size, int(lengths.max())))
    shift = np.where(steps >= size - limit.suffix, rest[texts][:, None], starts[:, None])
    positions = steps + np.where(steps < limit.prefix, 0, shift)
    found = np.minimum(lengths[texts], size)
    return Windows(texts, np.where(steps < found[:, None], positions, 0), found)
