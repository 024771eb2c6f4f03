"""Objectives: what a teacher or student is trained towards."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from distilrnn.params.student import DistilParams
from distilrnn.training.batch import Batch, Objective, Step
from distilrnn.training.losses import _cross_entropy, _step


def distillation_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), mean over the batch (Hinton et al. 2015, section 2).

    Logits [sentences, classes] to a scalar. The factor T^2 keeps the gradient's size independent of T.
    """
    log_teacher = F.log_softmax(teacher / temperature, dim=-1)
    log_student = F.log_softmax(student / temperature, dim=-1)
    return temperature**2 * F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def logit_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the logits (Tang et al. 2019, equation 3), mean over batch and classes."""
    return F.mse_loss(student, teacher)


def distil_objective(params: DistilParams, weights: Tensor | None = None) -> Objective:
    """(1 - label_weight) times the distillation loss, plus label_weight times the cross-entropy with the labels."""

    def objective(model: nn.Module, batch: Batch) -> Step:
        logits = model(batch.ids, batch.lengths).float()
        loss = LOSSES[params.loss](logits, batch.teacher_logits, params)
        if params.label_weight:
            loss = (1 - params.label_weight) * loss + params.label_weight * _cross_entropy(logits, batch, weights)
        return _step(logits, batch, loss)

    return objective


LOSSES: dict[str, Any] = {
    "kl": lambda student, teacher, params: distillation_kl(student, teacher, params.temperature),
    "mse": lambda student, teacher, params: logit_mse(student, teacher),
}
