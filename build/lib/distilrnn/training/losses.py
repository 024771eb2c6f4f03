"""Losses with the gold labels."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distilrnn.training.batch import Batch, Objective, Step


def label_objective(weights: Tensor | None = None) -> Objective:
    """Cross-entropy with the labels, each class weighted by `weights` [classes] where given."""

    def objective(model: nn.Module, batch: Batch) -> Step:
        logits = model(batch.ids, batch.lengths).float()
        return _step(logits, batch, _cross_entropy(logits, batch, weights))

    return objective


def _cross_entropy(logits: Tensor, batch: Batch, weights: Tensor | None) -> Tensor:
    losses = F.cross_entropy(logits, batch.labels, reduction="none")
    return losses.mean() if weights is None else (losses * weights.to(losses.device)[batch.labels]).mean()


def _step(logits: Tensor, batch: Batch, loss: Tensor) -> Step:
    return Step(loss, (logits.argmax(-1) == batch.labels).sum(), len(batch.labels))


def class_weights(labels: np.ndarray, classes: int) -> Tensor:
    """Weights [classes] inverse to the classes' frequencies, mean 1 over the sentences (scikit-learn's 'balanced')."""
    counts = np.bincount(labels, minlength=classes)
    return torch.tensor(len(labels) / (classes * np.maximum(counts, 1)), dtype=torch.float32)
