"""The part of train that is held out to choose the best epoch."""

from collections.abc import Sequence

import numpy as np

from distilrnn.errors import InputError
from distilrnn.params.common import HoldoutParams
from distilrnn.params.labels import ALL_LABELS, LabelBudget


def split_holdout(
    labels: np.ndarray, selection: HoldoutParams, budget: LabelBudget = ALL_LABELS
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of train to learn from, and rows held out to choose the epoch by; stratified by label, both ascending.

    Every class keeps at least one row to learn from. With `validation: dev` nothing is held out. A budget takes its
    part of the rows to learn from, and none of what is held out.
    """
    train, validation = _holdout(labels, selection)
    if budget.labels is not None:
        train = train[first_rows(labels[train], budget.labels, budget.labels_seed)]
    return train, validation


def first_rows(labels: np.ndarray, number: int, seed: int) -> np.ndarray:
    """A number of rows of `labels` [n], ascending: stratified, and all of them among those of any larger number.

    Every class has at least one.

    Raises:
        InputError: there are fewer classes or rows than that allows.
    """
    classes = np.unique(labels)
    if not len(classes) <= number < len(labels):
        raise InputError(
            f"labels.sentences has {number}, but {len(labels)} labelled sentences of {len(classes)} classes are there "
            f"to learn from: give numbers from {len(classes)} to {len(labels) - 1}"
        )
    generator = np.random.RandomState(seed)
    order = np.empty(len(labels))
    for label in classes:
        rows = generator.permutation(np.flatnonzero(labels == label))
        # Each class fills up at the same pace, and its first row comes before all.
        order[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        order[rows[0]] = 0
    return np.sort(np.argsort(order, kind="stable")[:number])


def _holdout(labels: np.ndarray, selection: HoldoutParams) -> tuple[np.ndarray, np.ndarray]:
    """All rows to learn from, and those held out."""
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
