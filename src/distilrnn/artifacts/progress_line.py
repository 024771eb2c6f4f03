"""The lines that a job writes to its log while it trains or scores, and that the live view reads there."""

import re
from dataclasses import dataclass

TRAINING = re.compile(
    r"^(?P<title>.+) epoch (?P<epoch>\d+)/(?P<epochs>\d+)(?: (?P<share>\d+)%)?"
    r": loss (?P<loss>\S+) acc (?P<accuracy>[\d.]+)%"
    r"(?:, validation loss (?P<validation_loss>\S+) acc (?P<validation_accuracy>[\d.]+)%)?"
    r", (?P<rate>[\d,]+) sentences/s, (?P<left>[\d,]+) s left$"
)
SCORING = re.compile(
    r"^scored (?P<scored>[\d,]+) of (?P<sentences>[\d,]+) sentences"
    r", (?P<rate>[\d,]+) sentences/s, (?P<left>[\d,]+) s left$"
)


@dataclass(frozen=True)
class TrainingLine:
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


@dataclass(frozen=True)
class ScoringLine:
    """How far a teacher's scoring is."""

    scored: int
    """Sentences so far."""
    sentences: int
    """Sentences in all."""
    rate: float
    """Sentences per second."""

    def __str__(self) -> str:
        return (
            f"scored {self.scored:,} of {self.sentences:,} sentences, {self.rate:,.0f} sentences/s, "
            f"{self.left:,.0f} s left"
        )

    @property
    def done(self) -> float:
        """Of all sentences, 0 to 1."""
        return self.scored / self.sentences

    @property
    def left(self) -> float:
        """Seconds until all are scored."""
        return (self.sentences - self.scored) / max(self.rate, 1e-9)


ProgressLine = TrainingLine | ScoringLine


def parse_progress(line: str) -> ProgressLine | None:
    """The progress that a line of a log tells; None for any other line."""
    if match := TRAINING.match(line.strip()):
        return _training(match.groupdict())
    if match := SCORING.match(line.strip()):
        scored, sentences, rate = (float(match[name].replace(",", "")) for name in ("scored", "sentences", "rate"))
        return ScoringLine(int(scored), int(sentences), rate)
    return None


def _training(found: dict[str, str | None]) -> TrainingLine:
    def number(name: str, scale: float = 1.0) -> float | None:
        value = found[name]
        return None if value is None else float(value.replace(",", "")) * scale

    share = number("share", 0.01)
    return TrainingLine(
        str(found["title"]),
        int(number("epoch") or 0),
        int(number("epochs") or 0),
        1.0 if share is None else share,
        number("loss") or 0.0,
        number("accuracy", 0.01) or 0.0,
        number("rate") or 0.0,
        number("left") or 0.0,
        number("validation_loss"),
        number("validation_accuracy", 0.01),
    )
