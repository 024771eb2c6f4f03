"""Batches and micro-batches of sentences of similar length: indices only."""

from bisect import bisect_left

import numpy as np

BATCHES_PER_POOL = 64
"""Batches whose sentences are sorted by length together: enough for similar lengths, few enough to stay random."""

MAX_TOKENS = 65_536
"""Tokens of a micro-batch of a student, padding included: 200 MB for each state of 768 numbers in fp32."""


def epoch_batches(lengths: np.ndarray, batch_size: int, batching: str, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each batch of an epoch: a permutation of all rows, the same for the same seed and epoch.

    bucketed: rows are shuffled, sorted by length within pools of `POOL` batches, and the batches shuffled again, so
    that a batch holds sentences of similar length and needs little padding. shuffled: plain random batches.
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

    With `max_tokens` a batch has no more tokens than that, padding included, unless it is a single sentence.
    """
    rows = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(rows):
        size = batch_size if max_tokens is None else min(batch_size, max(1, max_tokens // int(lengths[rows[start]])))
        batches.append(rows[start : start + size])
        start += size
    return batches


def micro_batches(lengths: np.ndarray, rows: np.ndarray, max_tokens: int | None) -> list[np.ndarray]:
    """Split a batch into micro-batches of at most about `max_tokens` tokens; None: no split.

    A micro-batch holds sentences of similar length, the longest first. Their number is 1, 2, 4, 8, ... or less, so that
    2, 4 or 8 cores have the same to do, and the largest is as small as possible, padding included. A batch of less than
    half of `max_tokens` is not split.
    """
    if max_tokens is None:
        return [rows]
    tokens = int(lengths[rows].sum())
    count = max(2 if 2 * tokens > max_tokens else 1, _next_power_of_two(-(-tokens // max_tokens)))
    return [rows[some] for some in sorted_batches(lengths[rows], len(rows), _smallest_capacity(lengths[rows], count))]


def _next_power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _smallest_capacity(lengths: np.ndarray, count: int) -> int:
    """The fewest padded tokens of a micro-batch with which `count` of them hold all sentences."""
    capacities = range(int(lengths.max()) * len(lengths) + 1)
    return bisect_left(capacities, True, key=lambda size: len(sorted_batches(lengths, len(lengths), size)) <= count)


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
