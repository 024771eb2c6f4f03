"""The line that a training job writes to its log, and that the live view reads there."""

import re
from dataclasses import dataclass

PATTERN = re.compile(
    r"^(?P<title>.+) epoch (?P<epoch>\d+)/(?P<epochs>\d+)(?: (?P<share>\d+)%)?"
    r": loss (?P<loss>\S+) acc (?P<accuracy>[\d.]+)%"
    r"(?:, validation loss (?P<validation_loss>\S+) acc (?P<validation_accuracy>[\d.]+)%)?"
    r", (?P<rate>[\d,]+) sentences/s, (?P<left>[\d,]+) s left$"
)


@dataclass(frozen=True)
class ProgressLine:
    """How far a training is."""

    title: str
    epoch: int
    """From 1."""
    epochs: int
    share: float
    """Of this epoch, 0 to 1."""
    loss: float
    accuracy: float
    """On the training sentences of the epoch so far, 0 to 1."""
    rate: float
    """Sentences per second."""
    left: float
    """Seconds until the last epoch's end."""
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    def __str__(self) -> str:
        share = f" {self.share:.0%}" if self.share < 1 else ""
        validation = ""
        if self.validation_loss is not None and self.validation_accuracy is not None:
            validation = f", validation loss {self.validation_loss:.4f} acc {self.validation_accuracy:.2%}"
        return (
            f"{self.title} epoch {self.epoch}/{self.epochs}{share}: loss {self.loss:.4f} acc {self.accuracy:.2%}"
            f"{validation}, {self.rate:,.0f} sentences/s, {self.left:,.0f} s left"
        )

    @property
    def done(self) -> float:
        """Of the whole training, 0 to 1."""
        return (self.epoch - 1 + self.share) / self.epochs


def parse_progress(line: str) -> ProgressLine | None:
    """The progress that a line of a log tells; None for any other line."""
    match = PATTERN.match(line.strip())
    if match is None:
        return None
    found = match.groupdict()

    def number(name: str, scale: float = 1.0) -> float | None:
        return None if found[name] is None else float(found[name].replace(",", "")) * scale

    share = number("share", 0.01)
    return ProgressLine(
        found["title"],
        int(found["epoch"]),
        int(found["epochs"]),
        1.0 if share is None else share,
        number("loss") or 0.0,
        number("accuracy", 0.01) or 0.0,
        number("rate") or 0.0,
        number("left") or 0.0,
        number("validation_loss"),
        number("validation_accuracy", 0.01),
    )
