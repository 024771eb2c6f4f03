"""How a training run went, and the error that ends one whose numbers are no longer finite."""

from dataclasses import dataclass, field

from distilrnn.errors import RunError


class NonFiniteError(RunError):
    """Loss, gradients or weights are no longer finite."""


@dataclass
class History:
    """How a training run went; the model itself holds the best epoch's weights."""

    curves: list[dict[str, float]] = field(default_factory=list)
    """Per point of validation: epoch (passes over the sentences to learn from, a fraction within one), step (from 1),
    train_loss and train_accuracy since the point before, validation_loss, validation_accuracy (0 to 1), and where
    sentences are classified validation_mcc and validation_macro_f1."""
    best_row: int = -1
    """Which point is the best, from 0; -1 before the first."""
    seconds: float = 0.0
    """Wall time of training, over all the runs that it took."""

    @property
    def best(self) -> dict[str, float] | None:
        """The best point."""
        return self.curves[self.best_row] if self.best_row >= 0 else None

    @property
    def best_epoch(self) -> float:
        """Passes over the sentences until the best point; 0 before the first."""
        return 0 if self.best is None else self.best["epoch"]
