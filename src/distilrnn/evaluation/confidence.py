"""How sure a classifier is, and from where on a sentence is handed on to a better one.

Confidence is the probability of the most probable class; the least confident sentences are handed on (selective
classification: Geifman & El-Yaniv 2017, NeurIPS). The threshold for a share of them is a quantile of the confidences on
the held-out part of train. A student's file keeps those quantiles, so that prediction hands on as evaluation does.

Shapes: n sentences, K classes. Numpy alone is imported here, since prediction needs it.
"""

from collections.abc import Sequence

import numpy as np

QUANTILES = 101
"""One for each percent from 0 to 100."""


def confidences(logits: np.ndarray) -> np.ndarray:
    """Probability of the most probable class, float64 [n], from logits or log-probabilities [n, K]."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return 1 / np.exp(shifted).sum(axis=1)


def confidence_quantiles(values: np.ndarray) -> list[float]:
    """The confidence that i percent of the sentences do not exceed, for i from 0 to 100, from confidences [n].

    At 0 it is 0, which no confidence is, and at 100 it is 1: nothing and everything, whatever the sentences.
    """
    ranked = np.concatenate([[0.0], np.sort(values)])
    counts = np.round(np.linspace(0, len(values), QUANTILES)).astype(int)
    return [0.0, *(float(value) for value in ranked[counts[1:-1]]), 1.0]


def threshold(quantiles: Sequence[float], share: float) -> float:
    """The confidence up to which a sentence is handed on, so that about this share (0 to 1) of them is."""
    return float(np.interp(100 * share, np.arange(QUANTILES), quantiles))
