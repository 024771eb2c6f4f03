"""Objectives: what a teacher or student is trained towards."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from distilrnn.data.encoded import NO_LABEL
from distilrnn.params.student import DistilParams
from distilrnn.training.batch import Batch, Objective, Step
from distilrnn.training.losses import _cross_entropies, _cross_entropy, _step


def distillation_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), mean over the batch (Hinton et al. 2015, section 2).

    Logits [sentences, classes] to a scalar. The factor T^2 keeps the gradient's size independent of T.
    """
    return temperature**2 * F.kl_div(
        *_log_softmaxes(student, teacher, temperature), reduction="batchmean", log_target=True
    )


def _log_softmaxes(student: Tensor, teacher: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    return F.log_softmax(student / temperature, dim=-1), F.log_softmax(teacher / temperature, dim=-1)


def logit_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the logits (Tang et al. 2019, equation 3), mean over batch and classes."""
    return F.mse_loss(student, teacher)


def distil_objective(params: DistilParams, weights: Tensor | None = None) -> Objective:
    """(1 - label_weight) times the distillation loss, plus label_weight times the cross-entropy with the labels.

    For sentences without a label, the distillation loss alone.
    """

    def objective(model: nn.Module, batch: Batch) -> Step:
        logits = model(batch.ids, batch.lengths).float()
        if batch.weights is not None:
            return _step(logits, batch, _mixed_loss(logits, batch, params, weights))
        loss = LOSSES[params.loss](logits, _teacher_logits(batch), params)
        if params.label_weight:
            loss = (1 - params.label_weight) * loss + params.label_weight * _cross_entropy(logits, batch, weights)
        return _step(logits, batch, loss)

    return objective


def _mixed_loss(logits: Tensor, batch: Batch, params: DistilParams, weights: Tensor | None) -> Tensor:
    """The same where some sentences have no label, and each has a weight."""
    losses = LOSSES_OF_EACH[params.loss](logits, _teacher_logits(batch), params)
    if params.label_weight:
        share = params.label_weight * (batch.labels != NO_LABEL)
        losses = (1 - share) * losses + share * _cross_entropies(logits, batch, weights)
    return (losses if batch.weights is None else losses * batch.weights).mean()


def _teacher_logits(batch: Batch) -> Tensor:
    if batch.teacher_logits is None:
        raise ValueError("a student is distilled from a batch with its teacher's logits alone")
    return batch.teacher_logits


Loss = Callable[[Tensor, Tensor, DistilParams], Tensor]
"""Logits of student and teacher, [sentences, classes] each, and the parameters, to a loss."""

LOSSES_OF_EACH: dict[str, Loss] = {
    "kl": lambda student, teacher, params: (
        params.temperature**2
        * F.kl_div(*_log_softmaxes(student, teacher, params.temperature), reduction="none", log_target=True).sum(-1)
    ),
    "mse": lambda student, teacher, _: F.mse_loss(student, teacher, reduction="none").mean(-1),
}
"""The losses of each sentence, [sentences]."""

LOSSES: dict[str, Loss] = {
    "kl": lambda student, teacher, params: distillation_kl(student, teacher, params.temperature),
    "mse": lambda student, teacher, _: logit_mse(student, teacher),
}
