"""A cascade: a student answers where it is sure, and hands the rest on to its teacher (Wang et al. 2018, UAI).

Thresholds come from the held-out part of train, so the share that is handed on from a reported split is a result, not a
setting. All is computed from logits that were saved: no model runs.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from distilrnn.evaluation.confidence import confidence_quantiles, confidences, threshold
from distilrnn.evaluation.metrics import accuracy, confusion, mcc, mean_and_std
from distilrnn.evaluation.records import Cascade, CascadePoint
from distilrnn.params.splits import HELD_OUT

SHARES = tuple(percent / 100 for percent in range(0, 101, 5))
"""Shares of the held-out sentences that are handed on."""

Pair = tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]
"""Logits [n, K] of a student and of its teacher, by split; HELD_OUT is among the splits."""


def cascades(student: str, teacher: str, pairs: Sequence[Pair], labels: Mapping[str, np.ndarray]) -> list[Cascade]:
    """The cascade of two systems on every split: means over the pairs of seeds.

    Args:
        student: name of the system that answers first.
        teacher: name of the system that it hands on to.
        pairs: one for each seed of the student.
        labels: int [n] by split, HELD_OUT among them.
    """
    quantiles = [confidence_quantiles(confidences(of_student[HELD_OUT])) for of_student, _ in pairs]
    held_out = [_points(pair, labels[HELD_OUT], HELD_OUT, q) for pair, q in zip(pairs, quantiles, strict=True)]
    found = []
    for split in (split for split in labels if split != HELD_OUT):
        by_seed = [_points(pair, labels[split], split, q) for pair, q in zip(pairs, quantiles, strict=True)]
        points = []
        for place, share in enumerate(SHARES):
            shares, accuracies, mccs = zip(*(of_seed[place] for of_seed in by_seed), strict=True)
            points.append(
                CascadePoint(
                    share=share,
                    handed_on=float(np.mean(shares)),
                    accuracy=float(np.mean(accuracies)),
                    accuracy_std=mean_and_std(accuracies)[1],
                    mcc=float(np.mean(mccs)),
                    mcc_std=mean_and_std(mccs)[1],
                    held_out_accuracy=float(np.mean([of_seed[place][1] for of_seed in held_out])),
                )
            )
        found.append(Cascade(student=student, teacher=teacher, split=split, points=points))
    return found


def _points(pair: Pair, labels: np.ndarray, split: str, quantiles: Sequence[float]) -> list[tuple[float, float, float]]:
    """Share handed on, accuracy and MCC of one pair of seeds on one split, for each of SHARES."""
    of_student, of_teacher = (logits[split] for logits in pair)
    sure = confidences(of_student)
    own, better, classes = of_student.argmax(axis=1), of_teacher.argmax(axis=1), of_student.shape[1]
    points = []
    for share in SHARES:
        handed_on = sure <= threshold(quantiles, share)
        counts = confusion(labels, np.where(handed_on, better, own), classes)
        points.append((float(handed_on.mean()), float(accuracy(counts)), float(mcc(counts))))
    return points
