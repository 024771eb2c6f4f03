"""How a training run went, and the error that ends one whose numbers are no longer finite."""

from dataclasses import dataclass, field

from distilrnn.errors import RunError


class NonFiniteError(RunError):
    """Loss, gradients or weights are no longer finite."""


@dataclass
class History:
    """How a training run went; the model itself holds the best epoch's weights."""

    curves: list[dict[str, float]] = field(default_factory=list)
    """Per epoch: epoch (from 1), train_loss, train_accuracy, validation_loss, validation_accuracy (0 to 1)."""
    best_epoch: int = 0
    seconds: float = 0.0
    """Wall time of training, over all the runs that it took."""
