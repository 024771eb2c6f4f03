"""Tokenised splits: what the rule tokenize writes, read back without `datasets`, and cut into batches."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from distilrnn.checkpoint import read_json
from distilrnn.errors import BadInput
from distilrnn.splits import require_splits

POOL = 64
"""Batches that are sorted by length together: enough for batches of like length, few enough to stay random."""


COLUMNS = pa.schema(
    [pa.field("label", pa.int64(), nullable=False), pa.field("ids", pa.list_(pa.int32()), nullable=False)]
)


@dataclass(frozen=True)
class Tokens:
    """The sentences of a split, one after the other."""

    ids: np.ndarray
    """int32 or int64 [tokens]: token ids of all sentences, without padding."""
    offsets: np.ndarray
    """int64 [sentences + 1]: where each sentence begins and the last one ends."""
    labels: np.ndarray
    """int64 [sentences]."""

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def lengths(self) -> np.ndarray:
        """int64 [sentences]: tokens of each sentence."""
        return np.diff(self.offsets)

    def select(self, rows: np.ndarray) -> "Tokens":
        """The sentences of these rows, in their order."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        starts = np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return Tokens(self.ids[starts + np.arange(offsets[-1])], offsets, self.labels[rows])

    def padded(self, rows: np.ndarray, pad_id: int, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Ids, int64 [rows, width], padded on the right, and lengths [rows]; `width` is by default the longest's."""
        lengths = self.lengths[rows]
        steps = np.arange(int(lengths.max()) if width is None else width)
        real = steps < lengths[:, None]
        positions = np.where(real, self.offsets[rows, None] + steps, 0)
        return np.where(real, self.ids[positions], pad_id).astype(np.int64, copy=False), lengths


def read_tokens(folder: Path, split: str) -> Tokens:
    """A tokenised split, memory-mapped; raises BadInput."""
    path = folder / f"{split}.arrow"
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_stream(source).read_all().select(COLUMNS.names).combine_chunks().cast(COLUMNS)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file: run the rule tokenize") from None
    except (pa.ArrowException, KeyError, OSError, ValueError):
        table = COLUMNS.empty_table()
    if not table.num_rows:
        raise BadInput(f"{path}: not a tokenised split, or damaged: run the rule tokenize again")
    ids = table.column("ids").combine_chunks()
    return Tokens(ids.values.to_numpy(), ids.offsets.to_numpy().astype(np.int64), table.column("label").to_numpy())


def read_summary(folder: Path) -> dict:
    """tokens.json: corpus and tokenizer hashes, vocabulary, pad id, classes, lengths; raises BadInput."""
    keys = ("corpus_hash", "classes", "tokenizer_hash", "vocabulary", "pad_id", "max_length", "splits")
    summary = read_json(folder / "tokens.json", *keys)
    require_splits(summary["splits"], folder / "tokens.json")
    return summary


def longest_sentence(summary: dict) -> int:
    """Tokens of the longest sentence of a tokenised corpus, as far as it was kept."""
    longest = max(split["longest"] for split in summary["splits"].values())
    return longest if summary["max_length"] is None else min(longest, summary["max_length"])


def types_that_occur(folder: Path, splits: Iterable[str]) -> np.ndarray:
    """Sorted int64 token types of these splits."""
    types = [np.unique(read_tokens(folder, split).ids) for split in splits]
    return np.unique(np.concatenate(types)).astype(np.int64)


def epoch_batches(lengths: np.ndarray, batch_size: int, batching: str, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each batch of an epoch: a permutation of all rows, the same for the same seed and epoch.

    bucketed: rows are shuffled, sorted by length within pools of `POOL` batches, and the batches shuffled again, so
    that a batch holds sentences of like length and padding costs next to nothing. shuffled: plain random batches.
    """
    generator = np.random.RandomState([seed, epoch])
    rows = generator.permutation(len(lengths))
    if batching == "shuffled":
        return _cut(rows, batch_size)
    pools = _cut(rows, batch_size * POOL)
    batches = [b for pool in pools for b in _cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def sorted_batches(lengths: np.ndarray, batch_size: int, most_tokens: int | None = None) -> list[np.ndarray]:
    """The rows of each batch for inference: all rows once, the longest first (memory shows its peak at once).

    With `most_tokens` a batch has no more tokens than that, padding included, unless it is a single sentence.
    """
    rows = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(rows):
        size = batch_size if most_tokens is None else min(batch_size, max(1, most_tokens // int(lengths[rows[start]])))
        batches.append(rows[start : start + size])
        start += size
    return batches


def parts(lengths: np.ndarray, rows: np.ndarray, most_tokens: int | None) -> list[np.ndarray]:
    """The rows of a batch in parts of about so many tokens or fewer; None leaves the batch as it is.

    A part holds sentences of like length, the longest first. There are 2, 4, 8, ... parts or fewer, the largest as
    small as can be, padding included: as many cores as that have the same to do. Half of `most_tokens` is not cut.
    """
    if most_tokens is None:
        return [rows]
    tokens = int(lengths[rows].sum())
    count = max(1 + (2 * tokens > most_tokens), 1 << (-(-tokens // most_tokens) - 1).bit_length())
    enough = range(int(lengths[rows].max()) * len(rows) + 1)
    size = bisect_left(enough, True, key=lambda size: len(sorted_batches(lengths[rows], len(rows), size)) <= count)
    return [rows[some] for some in sorted_batches(lengths[rows], len(rows), size)]


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
