"""Metrics of one system on one split, from its logits and the labels: the same code scores every system.

Shapes: n sentences, K classes. Labels are int [n] in 0..K-1, logits are float [n, K]; probabilities are their softmax,
the prediction is the class of the largest logit (the first, where several are equal).
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import log_softmax, logsumexp
from scipy.stats import binomtest
from sklearn.metrics import f1_score, roc_auc_score

from distilrnn.evaluation.confusion import accuracy, confusion, mcc
from distilrnn.evaluation.system_metrics import Fidelity, ReliabilityBin, SourceScores, SplitMetrics

SCALARS = ("accuracy", "mcc", "balanced_accuracy", "roc_auc", "ece", "brier", "log_loss")
"""The metrics that are one number for a split."""

FIDELITY = ("agreement", "kl")
"""The same for what a distilled student has in common with its teacher."""


def evaluate(
    logits: np.ndarray,
    labels: np.ndarray,
    sources: Sequence[str],
    classes: Sequence[str],
    *,
    confidence: float = 0.95,
    calibration_bins: int = 10,
) -> SplitMetrics:
    """Every metric of one system on one split.

    Args:
        logits: [n, K].
        labels: [n].
        sources: the sentence's source code (in CoLA a publication, in the generated corpus a phenomenon), [n].
        classes: the K names.
        confidence: coverage of the accuracy's interval (Wilson 1927).
        calibration_bins: equal-width bins of the reliability diagram.
    """
    predictions = logits.argmax(axis=1)
    counts = confusion(labels, predictions, len(classes))
    log_probabilities = log_softmax(logits.astype(np.float64), axis=1)
    probabilities = np.exp(log_probabilities)
    truth = np.eye(len(classes))[labels]
    bins = reliability(probabilities, labels, calibration_bins)
    f1 = f1_score(labels, predictions, labels=range(len(classes)), average=None, zero_division=0)
    interval = binomtest(int(counts.trace()), len(labels)).proportion_ci(confidence, method="wilson")
    low, high = (float(bound) for bound in interval)
    return SplitMetrics(
        n=len(labels),
        accuracy=float(accuracy(counts)),
        accuracy_interval=(low, high),
        mcc=float(mcc(counts)),
        balanced_accuracy=balanced_accuracy(counts),
        f1={name: float(score) for name, score in zip(classes, f1, strict=True)},
        roc_auc=roc_auc(logits, labels),
        ece=expected_calibration_error(bins),
        brier=float(((probabilities - truth) ** 2).sum(axis=1).mean() / 2),
        log_loss=float(-log_probabilities[np.arange(len(labels)), labels].mean()),
        confusion=counts.tolist(),
        by_source=by_source(labels, predictions, sources, len(classes)),
        reliability=bins,
    )


def balanced_accuracy(counts: np.ndarray) -> float:
    """Mean recall over the classes that occur, from a confusion [K, K]."""
    true = counts.sum(axis=1)
    return float((counts.diagonal()[true > 0] / true[true > 0]).mean())


def roc_auc(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """Area under the ROC curve, mean over the classes of each against the rest; None where a class has no sentence.

    The score of a class is its log-odds, so that a saturated softmax makes no ties. With two classes both areas agree.
    """
    classes = logits.shape[1]
    if len(np.unique(labels)) < classes:
        return None
    logits = logits.astype(np.float64)
    log_odds = [logits[:, c] - logsumexp(np.delete(logits, c, axis=1), axis=1) for c in range(classes)]
    return float(np.mean([roc_auc_score(labels == c, log_odds[c]) for c in range(classes)]))


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> list[ReliabilityBin]:
    """The reliability diagram: sentences by the probability of their predicted class, in equal bins (lower, upper].

    `confidence` and `accuracy` are means over the bin's n sentences, None where n is 0 (Guo et al. 2017, ICML).
    """
    confidences = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    members = np.digitize(confidences, edges[1:-1], right=True)
    return [
        ReliabilityBin(
            lower=float(edges[b]),
            upper=float(edges[b + 1]),
            n=int((members == b).sum()),
            confidence=float(confidences[members == b].mean()) if (members == b).any() else None,
            accuracy=float(right[members == b].mean()) if (members == b).any() else None,
        )
        for b in range(bins)
    ]


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean distance of confidence and accuracy over the bins of a reliability diagram, each weighed by its n.

    Guo et al. 2017 (ICML), eq. 3.
    """
    filled = [(b.n, b.confidence, b.accuracy) for b in bins if b.confidence is not None and b.accuracy is not None]
    return sum(n * abs(confidence - right) for n, confidence, right in filled) / sum(n for n, _, _ in filled)


def by_source(
    labels: np.ndarray, predictions: np.ndarray, sources: Sequence[str], classes: int
) -> dict[str, SourceScores]:
    """n, accuracy and MCC of the sentences of each source."""
    every_source = np.asarray(sources)
    result = {}
    for source in sorted(set(sources)):
        chosen = every_source == source
        counts = confusion(labels[chosen], predictions[chosen], classes)
        result[source] = SourceScores(n=int(chosen.sum()), accuracy=float(accuracy(counts)), mcc=float(mcc(counts)))
    return result


def fidelity(student: np.ndarray, teacher: np.ndarray) -> Fidelity:
    """How closely a student follows its teacher, from the logits [n, K] of both for the same sentences.

    The share of equal predictions is that of Stanton et al. 2021 (NeurIPS), eq. 1; KL is at temperature 1.
    """
    of_teacher = log_softmax(teacher.astype(np.float64), axis=1)
    of_student = log_softmax(student.astype(np.float64), axis=1)
    divergence = (np.exp(of_teacher) * (of_teacher - of_student)).sum(axis=1)
    return Fidelity(
        agreement=float((student.argmax(axis=1) == teacher.argmax(axis=1)).mean()),
        kl=float(divergence.mean()),
    )


def prior_logits(class_counts: Sequence[int], sentences: int) -> np.ndarray:
    """The majority system's logits [n, K]: the log frequency of each class in train, whatever the sentence.

    It predicts the most frequent class, and its calibration figures are those of knowing the class balance alone.
    """
    frequencies = np.asarray(class_counts) / np.sum(class_counts)
    return np.tile(np.log(frequencies), (sentences, 1))


def mean_and_std(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation (ddof 1) over seeds; None where undefined (a missing value; one seed)."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None, None
    return float(np.mean(known)), float(np.std(known, ddof=1)) if len(known) > 1 else None
