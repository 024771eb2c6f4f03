"""Confusion matrices and what they say, without the libraries that all the other metrics need."""

import numpy as np


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Counts [K, K]: rows true, columns predicted."""
    return np.bincount(labels * classes + predictions, minlength=classes**2).reshape(classes, classes)


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Share of right predictions, [...], from confusions [..., K, K]."""
    return np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))


def mcc(counts: np.ndarray) -> np.ndarray:
    """Matthews correlation coefficient, [...], from confusions [..., K, K].

    Gorodkin 2004 (Comput. Biol. Chem. 28, 367), eq. 8, for any number of classes; 0 where only one class is true or
    only one is predicted, as in scikit-learn.
    """
    counts = counts.astype(np.float64)
    true, predicted, total = counts.sum(axis=-1), counts.sum(axis=-2), counts.sum(axis=(-2, -1))
    right = np.trace(counts, axis1=-2, axis2=-1)
    covariance = right * total - (true * predicted).sum(axis=-1)
    spread = (total**2 - (true**2).sum(axis=-1)) * (total**2 - (predicted**2).sum(axis=-1))
    return np.divide(covariance, np.sqrt(spread), out=np.zeros_like(covariance), where=spread > 0)


def macro_f1(counts: np.ndarray) -> float:
    """Mean F1 over the classes that are true or predicted somewhere, from a confusion [K, K]."""
    true, predicted = counts.sum(axis=1), counts.sum(axis=0)
    there = true + predicted > 0
    return float((2 * counts.diagonal()[there] / (true + predicted)[there]).mean())
