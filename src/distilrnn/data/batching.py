"""Batches and micro-batches of sentences of similar length: indices only."""

from bisect import bisect_left

import numpy as np

BATCHES_PER_POOL = 64
"""Batches that are sorted by length together: enough for batches of like length, few enough to stay random."""


def epoch_batches(lengths: np.ndarray, batch_size: int, batching: str, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each batch of an epoch: a permutation of all rows, the same for the same seed and epoch.

    bucketed: rows are shuffled, sorted by length within pools of `POOL` batches, and the batches shuffled again, so
    that a batch holds sentences of like length and padding costs next to nothing. shuffled: plain random batches.
    """
    generator = np.random.RandomState([seed, epoch])
    rows = generator.permutation(len(lengths))
    if batching == "shuffled":
        return _cut(rows, batch_size)
    pools = _cut(rows, batch_size * BATCHES_PER_POOL)
    batches = [b for pool in pools for b in _cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def sorted_batches(lengths: np.ndarray, batch_size: int, max_tokens: int | None = None) -> list[np.ndarray]:
    """The rows of each batch for inference: all rows once, the longest first (memory shows its peak at once).

    With `most_tokens` a batch has no more tokens than that, padding included, unless it is a single sentence.
    """
    rows = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(rows):
        size = batch_size if max_tokens is None else min(batch_size, max(1, max_tokens // int(lengths[rows[start]])))
        batches.append(rows[start : start + size])
        start += size
    return batches


def micro_batches(lengths: np.ndarray, rows: np.ndarray, max_tokens: int | None) -> list[np.ndarray]:
    """The rows of a batch in parts of about so many tokens or fewer; None leaves the batch as it is.

    A part holds sentences of like length, the longest first. There are 2, 4, 8, ... parts or fewer, the largest as
    small as can be, padding included: as many cores as that have the same to do. Half of `most_tokens` is not cut.
    """
    if max_tokens is None:
        return [rows]
    tokens = int(lengths[rows].sum())
    count = max(1 + (2 * tokens > max_tokens), 1 << (-(-tokens // max_tokens) - 1).bit_length())
    enough = range(int(lengths[rows].max()) * len(rows) + 1)
    size = bisect_left(enough, True, key=lambda size: len(sorted_batches(lengths[rows], len(rows), size)) <= count)
    return [rows[some] for some in sorted_batches(lengths[rows], len(rows), size)]


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
