"""What a person sees while a model trains: a bar on a terminal, a line an epoch elsewhere."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class TrainingProgress:
    """Loss, accuracy, sentences per second and time left."""

    def __init__(self, title: str, epochs: int, sentences: int, console: Console | None = None) -> None:
        """`sentences` is the number of training sentences in an epoch."""
        self.console = console or Console(highlight=False)
        self.title, self.epochs, self.sentences = title, epochs, sentences
        self.seen, self.started = 0, time.monotonic()
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

    def resumed(self, sentences: int) -> None:
        """Count sentences that an earlier run has trained on."""
        self.bar.advance(self.task, sentences)

    @property
    def wants_figures(self) -> bool:
        """Whether a step's figures are shown (reading them from a GPU makes it wait)."""
        return not self.bar.disable

    def step(self, sentences: int, loss: float | None = None, accuracy: float | None = None) -> None:
        """After each optimizer step."""
        self.seen += sentences
        if loss is None or accuracy is None:
            return
        rate = self.seen / max(time.monotonic() - self.started, 1e-9)
        figures = f"loss {loss:.3f} acc {accuracy:5.1%} {rate:,.0f} sent/s"
        self.bar.update(self.task, advance=sentences, figures=figures)

    def epoch(self, row: dict[str, float]) -> None:
        """After each epoch: one line, also where there is no terminal."""
        rate = self.seen / max(time.monotonic() - self.started, 1e-9)
        left = (self.epochs - row["epoch"]) * self.sentences / max(rate, 1e-9)
        self.say(
            f"{self.title} epoch {row['epoch']}/{self.epochs}: "
            f"train loss {row['train_loss']:.4f} acc {row['train_accuracy']:.2%}, "
            f"validation loss {row['validation_loss']:.4f} acc {row['validation_accuracy']:.2%}, "
            f"{rate:,.0f} sentences/s, {left:,.0f} s left"
        )
