"""Class biases chosen on the validation sentences: where the decision between classes lies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from distilrnn.evaluation.confusion import accuracy, confusion, macro_f1, mcc

CANDIDATES = 512
"""Decision points that are tried for a class: all of them for few sentences, that many quantiles for more."""

METRICS: dict[str, Callable[[np.ndarray], np.ndarray | float]] = {
    "accuracy": accuracy,
    "mcc": mcc,
    "macro_f1": macro_f1,
}


@dataclass(frozen=True)
class TunedBiases:
    """What is added to the logits, and what it gains on the sentences that it was chosen on."""

    biases: np.ndarray
    """float32 [classes]; the first is 0."""
    before: float
    """The metric with the classes of the highest logits."""
    after: float
    """The metric with those of the highest logits and biases."""
    metric: str

    def record(self) -> dict[str, Any]:
        """For run.json."""
        biases = [round(float(bias), 6) for bias in self.biases]
        return {"metric": self.metric, "biases": biases, "before": self.before, "after": self.after}


def tune_biases(logits: np.ndarray, labels: np.ndarray, metric: str) -> TunedBiases:
    """The biases of the classes that make a metric highest; of equal ones, those nearest to 0.

    Two classes have one threshold, of which all are tried (of many sentences, quantiles). More classes are taken one
    after the other, the others left as they are, until none gains any more: a local optimum (coordinate ascent).

    Args:
        logits: float [sentences, classes].
        labels: int64 [sentences].
        metric: accuracy, mcc or macro_f1.
    """
    logits, classes = logits.astype(np.float64), logits.shape[1]

    def score(biases: np.ndarray) -> float:
        return float(METRICS[metric](confusion(labels, (logits + biases).argmax(1), classes)))

    biases = np.zeros(classes)
    before = best = score(biases)
    gained = True
    while gained:
        gained = False
        for number in range(1, classes):
            others = logits + biases
            others[:, number] = -np.inf
            for bias in _candidates(others.max(1) - logits[:, number]):
                tried = biases.copy()
                tried[number] = bias
                found = score(tried)
                if found > best + 1e-12:
                    best, chosen, gained = found, tried, True
            if gained:
                biases = chosen
    return TunedBiases(biases.astype(np.float32), before, best, metric)


def _candidates(margins: np.ndarray) -> np.ndarray:
    """Biases between the points at which a sentence's class changes, the nearest to 0 first."""
    points = np.unique(margins)
    between = (points[1:] + points[:-1]) / 2
    if len(between) > CANDIDATES:
        between = np.quantile(between, np.linspace(0, 1, CANDIDATES))
    return between[np.argsort(np.abs(between), kind="stable")]
