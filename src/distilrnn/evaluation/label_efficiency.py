"""What labels are worth: how good each system is by the number of labelled sentences behind it."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

from distilrnn.artifacts.layout import System
from distilrnn.evaluation.records import LabelCurve, LabelledPoint
from distilrnn.evaluation.system_metrics import SystemMetrics

Measure = Literal["accuracy", "mcc"]


def label_curves(
    chosen: Mapping[int, Sequence[System]], details: Mapping[str, SystemMetrics], splits: Sequence[str]
) -> list[LabelCurve]:
    """The curve of every system on every split.

    Args:
        chosen: the compared systems by the number of labelled sentences, rising; the last: all.
        details: metrics by label of the system.
        splits: the evaluation splits.
    """
    curves = []
    names = dict.fromkeys(system.name for systems in chosen.values() for system in systems)
    for name in names:
        by_labels = {n: system for n, systems in chosen.items() for system in systems if system.name == name}
        if len(by_labels) < len(chosen):  # an ensemble's
            continue
        for split in splits:
            points = [_point(number, details[system.label], split) for number, system in by_labels.items()]
            curves.append(LabelCurve(system=name, split=split, points=points))
    return curves


def _point(number: int, detail: SystemMetrics, split: str) -> LabelledPoint:
    return LabelledPoint(
        labels=number,
        accuracy=detail.score("accuracy", split),
        accuracy_interval=detail.accuracy_interval[split],
        mcc=detail.score("mcc", split),
        mcc_interval=detail.mcc_interval[split],
    )


def needed_labels(curve: LabelCurve, measure: Measure, value: float) -> float | None:
    """The labelled sentences with which a curve first reaches a value; None where it never does.

    Between two points it is interpolated on the logarithm of their numbers. What the first point has already is given
    its number, though fewer may do.
    """
    points = [(point.labels, getattr(point, measure)) for point in curve.points]
    if value <= points[0][1]:
        return points[0][0]
    for (few, low), (many, high) in pairwise(points):
        if high >= value:
            share = (value - low) / (high - low)
            return math.exp((1 - share) * math.log(few) + share * math.log(many))
    return None
