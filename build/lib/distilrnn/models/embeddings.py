"""The vectors that tokens begin with."""

from collections.abc import Iterable

import numpy as np


def initial_embeddings(seed: int, token_ids: Iterable[int], width: int) -> np.ndarray:
    """Initial embeddings, float32 [token_ids, width], each standard normal and a function of (seed, token id) alone.

    An embedding of only the ids that occur therefore starts like the full one, and an id that training never saw has
    the same vector in both. RandomState's streams are frozen for ever: these rows need not be stored.
    """
    token_ids = np.asarray(list(token_ids), dtype=np.int64)
    rows = np.empty((len(token_ids), width), dtype=np.float32)
    generator = np.random.RandomState(0)
    for row, token_id in zip(rows, token_ids.tolist(), strict=True):
        generator.seed([seed, token_id])  # a new generator would cost six times as much
        row[:] = generator.standard_normal(width)
    return rows
