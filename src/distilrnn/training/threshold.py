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
    """The metric with the logits as they are."""
    after: float
    """The metric with the biases; the loss with logits that are scaled as well."""
    metric: str

    def record(self) -> dict[str, Any]:
        """For run.json."""
        biases = [round(float(bias), 6) for bias in self.biases]
        return {"metric": self.metric, "biases": biases, "before": self.before, "after": self.after}


def tune_biases(logits: np.ndarray, labels: np.ndarray, metric: str) -> TunedBiases:
    """The biases of the classes that make a metric highest, or the loss lowest; of equal ones, those nearest to 0.

    Two classes have one threshold, of which all are tried (of many sentences, quantiles). More classes are taken one
    after the other, the others left as they are, until none gains any more: a local optimum (coordinate ascent).

    Args:
        logits: float [sentences, classes].
        labels: int64 [sentences].
        metric: accuracy, mcc, macro_f1 or loss.
    """
    if metric == "loss":
        return _calibrated_biases(logits, labels)
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


def _calibrated_biases(logits: np.ndarray, labels: np.ndarray) -> TunedBiases:
    """The biases of bias-corrected temperature scaling (Alexandari et al. 2020, ICML; for two classes Platt 1999).

    One scale for all logits and a bias for each class make the cross-entropy lowest, so that the most probable class is
    the best guess. All sentences have their say, where the highest accuracy hangs on the few near the threshold.
    """
    # Here, since it takes half a second that every student would wait for.
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    logits, rows = logits.astype(np.float64), np.arange(len(labels))

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean cross-entropy in nats, and its gradient, by the scale and the biases of all classes but the first."""
        scores = log_softmax(values[0] * logits + np.concatenate([[0.0], values[1:]]), axis=1)
        errors = np.exp(scores)
        errors[rows, labels] -= 1
        gradient = np.concatenate([[(errors * logits).sum()], errors[:, 1:].sum(0)])
        return -float(scores[rows, labels].mean()), gradient / len(labels)

    start = np.concatenate([[1.0], np.zeros(logits.shape[1] - 1)])
    bounds = [(1e-6, None), *[(None, None)] * (len(start) - 1)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    biases = np.concatenate([[0.0], found.x[1:] / found.x[0]])
    return TunedBiases(biases.astype(np.float32), loss(start)[0], float(found.fun), "loss")


def _candidates(margins: np.ndarray) -> np.ndarray:
    """Biases between the points at which a sentence's class changes, the nearest to 0 first."""
    points = np.unique(margins)
    between = (points[1:] + points[:-1]) / 2
    if len(between) > CANDIDATES:
        between = np.quantile(between, np.linspace(0, 1, CANDIDATES))
    return between[np.argsort(np.abs(between), kind="stable")]
