"""What a person sees while a model trains or scores: a bar on a terminal, a line now and then elsewhere."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from distilrnn.artifacts.progress_line import ScoringLine, TrainingLine

SECONDS_BETWEEN_LINES = 10
"""Within an epoch, or while sentences are scored, where there is no terminal."""


class TrainingProgress:
    """Loss, accuracy, sentences per second and time left."""

    def __init__(self, title: str, epochs: int, sentences: int, console: Console | None = None) -> None:
        """`sentences` is the number of training sentences in an epoch."""
        self.console = console or Console(highlight=False)
        self.title, self.epochs, self.sentences = title, epochs, sentences
        self.seen, self.before = 0, 0
        self.started = self.said = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )
        self.task = self.bar.add_task(title, total=epochs * sentences, figures="")

    def __enter__(self) -> "TrainingProgress":
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def say(self, text: str) -> None:
        """A line of its own, above the bar."""
        self.bar.console.print(text, soft_wrap=True)
        self.said = time.monotonic()

    def resumed(self, sentences: int) -> None:
        """Count sentences that an earlier run has trained on."""
        self.before += sentences
        self.bar.advance(self.task, sentences)

    @property
    def wants_figures(self) -> bool:
        """Whether a step's figures are shown (reading them from a GPU makes it wait)."""
        return not self.bar.disable or time.monotonic() - self.said > SECONDS_BETWEEN_LINES

    def step(self, sentences: int, loss: float | None = None, accuracy: float | None = None) -> None:
        """After each optimizer step: the bar moves on; without a terminal, a line now and then."""
        self.seen += sentences
        if loss is None or accuracy is None:
            return
        if self.bar.disable:
            self.say(str(self._line((self.before + self.seen) / self.sentences, loss, accuracy)))
            return
        figures = f"loss {loss:.3f} acc {accuracy:5.1%} {self._rate():,.0f} sent/s"
        self.bar.update(self.task, completed=self.before + self.seen, figures=figures)

    def epoch(self, row: Mapping[str, float]) -> None:
        """After each point of validation: one line, also where there is no terminal."""
        line = self._line(row["epoch"], row["train_loss"], row["train_accuracy"])
        loss, accuracy = row["validation_loss"], row["validation_accuracy"]
        self.say(str(replace(line, validation_loss=loss, validation_accuracy=accuracy)))

    def _rate(self) -> float:
        return self.seen / max(time.monotonic() - self.started, 1e-9)

    def _line(self, epochs_done: float, loss: float, accuracy: float) -> TrainingLine:
        epoch = min(max(1, math.ceil(epochs_done)), self.epochs)
        left = max(0.0, self.epochs - epochs_done) * self.sentences / max(self._rate(), 1e-9)
        share = min(1.0, epochs_done - epoch + 1)
        return TrainingLine(self.title, epoch, self.epochs, share, loss, accuracy, self._rate(), left)


class ScoringProgress:
    """Sentences scored, a second, and time left: a line now and then."""

    def __init__(self, sentences: int) -> None:
        """`sentences` is the number of sentences to score."""
        self.sentences, self.scored = sentences, 0
        self.started = self.said = time.monotonic()

    def step(self, sentences: int) -> None:
        """That many more sentences are scored."""
        self.scored += sentences
        now = time.monotonic()
        if now - self.said > SECONDS_BETWEEN_LINES and self.scored < self.sentences:
            self.said = now
            print(ScoringLine(self.scored, self.sentences, self.scored / (now - self.started)), flush=True)
