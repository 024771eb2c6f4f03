"""The part of train that is held out to choose the best epoch."""

from collections.abc import Sequence

import numpy as np

from distilrnn.errors import InputError
from distilrnn.params.common import SelectionParams


def split_holdout(labels: np.ndarray, selection: SelectionParams) -> tuple[np.ndarray, np.ndarray]:
    """Rows of train to learn from, and rows held out to choose the epoch by; stratified by label, both ascending.

    Every class keeps at least one row to learn from. With `validation: dev` nothing is held out.
    """
    if selection.validation == "dev":
        return np.arange(len(labels)), np.arange(0)
    train, validation = stratified_parts(labels, [selection.holdout_fraction], selection.holdout_seed)
    if not len(validation):
        raise InputError(
            f"selection.holdout_fraction {selection.holdout_fraction} of {len(labels)} training sentences is none: "
            "raise it, or set selection.validation to dev"
        )
    return train, validation


def stratified_parts(labels: np.ndarray, fractions: Sequence[float], seed: int) -> list[np.ndarray]:
    """The rows of `labels` [n] in parts, ascending in each: the rest, then a part for each fraction.

    Every label gives its share to each part, rounded, and keeps at least one row in the rest.
    """
    # RandomState's streams are frozen for ever, so the split is the same on every machine and version.
    generator = np.random.RandomState(seed)
    parts: list[list[np.ndarray]] = [[] for _ in range(len(fractions) + 1)]
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        start = 0
        for part, fraction in zip(parts[1:], fractions, strict=True):
            size = min(round(len(rows) * fraction), len(rows) - 1 - start)
            part.append(rows[start : start + size])
            start += size
        parts[0].append(rows[start:])
    return [np.sort(np.concatenate(part)) for part in parts]
