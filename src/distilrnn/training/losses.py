"""Losses with the gold labels."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distilrnn.data.encoded import NO_LABEL
from distilrnn.training.batch import Batch, Objective, Step


def label_objective(weights: Tensor | None = None) -> Objective:
    """Cross-entropy with the labels, each class weighted by `weights` [classes] where given."""

    def objective(model: nn.Module, batch: Batch) -> Step:
        logits = model(batch.ids, batch.lengths).float()
        return _step(logits, batch, _cross_entropy(logits, batch, weights))

    return objective


def _cross_entropy(logits: Tensor, batch: Batch, weights: Tensor | None) -> Tensor:
    return _cross_entropies(logits, batch, weights).mean()


def _cross_entropies(logits: Tensor, batch: Batch, weights: Tensor | None) -> Tensor:
    """Of each sentence, [sentences]; 0 where it has no label."""
    losses = F.cross_entropy(logits, batch.labels, reduction="none", ignore_index=NO_LABEL)
    return losses if weights is None else losses * weights.to(losses.device)[batch.labels.clamp(min=0)]


def _step(logits: Tensor, batch: Batch, loss: Tensor) -> Step:
    """The step of a batch; where sentences may have no label, the teacher's class is what is right for those."""
    predictions, labels = logits.argmax(-1), batch.labels
    if batch.weights is not None and batch.teacher_logits is not None:
        labels = torch.where(labels == NO_LABEL, batch.teacher_logits.argmax(-1), labels)
    return Step(loss, (predictions == labels).sum(), len(labels), predictions)


def class_weights(labels: np.ndarray, classes: int) -> Tensor:
    """Weights [classes] inverse to the classes' frequencies, mean 1 over the sentences (scikit-learn's 'balanced')."""
    counts = np.bincount(labels, minlength=classes)
    return torch.tensor(len(labels) / (classes * np.maximum(counts, 1)), dtype=torch.float32)
