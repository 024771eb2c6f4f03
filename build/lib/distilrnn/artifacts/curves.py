"""Training curves: a CSV row per epoch."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from distilrnn.errors import InputError

CURVE_COLUMNS = ("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")

Curve = dict[str, np.ndarray]
"""One run: an array [epochs] for each of CURVE_COLUMNS; accuracies from 0 to 1, epochs from 1."""


def read_curve(path: Path) -> Curve:
    """The curves of one run; raises InputError."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        curve = {column: np.array([float(row[column]) for row in rows]) for column in CURVE_COLUMNS}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: run the step that makes it") from None
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: not a table of {', '.join(CURVE_COLUMNS)}: train this system again") from None
    if not rows:
        raise InputError(f"{path}: has no rows: train this system again")
    return curve


def to_csv(rows: Sequence[Mapping[str, float]]) -> str:
    """Curves as CSV, unrounded."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CURVE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
