"""The state from which a killed training run goes on: one file outside the rule's outputs, removed on success.

Snakemake deletes a job's outputs before it starts the job again, so the state cannot lie among them.
"""

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distilrnn.artifacts.files import remove_half_written
from distilrnn.artifacts.records import FileRecord
from distilrnn.artifacts.tensors import load_tensors, save_tensors
from distilrnn.errors import InputError, RunError
from distilrnn.models.parameters import trainable
from distilrnn.training.history import History, NonFiniteError

FOLDER = Path(".resume")
MINUTES = 10
"""Minutes between saves within an epoch."""


@dataclass
class State:
    """How far a training has come, beside its weights and its optimizer."""

    history: History
    sums: Tensor
    """float64 [2]: loss times count, and right predictions, since the last point of validation."""
    counted: int = 0
    """Predictions since then."""
    step: int = 0
    """Optimizer steps that are done."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """The best point's weights, on the CPU."""


class StateHeader(FileRecord):
    """What a state file says of itself."""

    key: str
    """Of everything that the result depends on."""
    curves: list[dict[str, int | float]]
    best_row: int
    seconds: float
    step: int
    counted: int

    @property
    def best_epoch(self) -> float | None:
        """Passes over the sentences until the best point; None before the first."""
        return self.curves[self.best_row]["epoch"] if self.best_row >= 0 else None


@dataclass
class ResumeState:
    """What a state file held."""

    tensors: dict[str, Tensor]
    header: StateHeader

    def restore(self, weights: dict[str, nn.Parameter], adam: torch.optim.Optimizer, state: State) -> None:
        """Fill weights, optimizer and state."""
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(self.tensors[f"now/{name}"])
                if f"exp_avg/{name}" in self.tensors:
                    adam.state[weight] = {
                        "step": self.tensors[f"step/{name}"].to(weight.device),
                        "exp_avg": self.tensors[f"exp_avg/{name}"].to(weight.device),
                        "exp_avg_sq": self.tensors[f"exp_avg_sq/{name}"].to(weight.device),
                    }
                if f"best/{name}" in self.tensors:
                    state.best[name] = self.tensors[f"best/{name}"]
        state.sums.copy_(self.tensors["sums"])
        curves: list[dict[str, float]] = [{**row} for row in self.header.curves]
        state.history = History(curves, self.header.best_row, self.header.seconds)
        state.step, state.counted = self.header.step, self.header.counted


class ResumeFile:
    """The state file of one output folder; `inputs` is everything that the result depends on, the code version too."""

    def __init__(self, output: Path, inputs: dict[str, Any], folder: Path = FOLDER) -> None:
        text = json.dumps({**inputs, "torch": torch.__version__}, sort_keys=True, default=str)
        self.key = hashlib.sha256(text.encode()).hexdigest()
        slug = "".join(c if c.isalnum() or c in "._-" else "-" for c in str(output))
        # Cut to what file systems allow; the hash keeps outputs apart whose slugs are equal.
        name = f"{slug[-150:]}-{hashlib.sha256(str(output).encode()).hexdigest()[:8]}"
        self.path = folder / f"{name}.safetensors"
        self.best = folder / f"{name}.best.safetensors"
        """The best epoch's checkpoint, where bad numbers ended the training."""
        self.saved = time.monotonic()

    def load(self) -> ResumeState | None:
        """The saved state; None if there is none of these inputs and this code: any other is set aside, and named."""
        if not self.path.exists():
            return None
        header = None
        try:
            tensors, values = load_tensors(self.path, "state")
            header = StateHeader.parse(values, self.path)
        except InputError:
            pass
        if header is None or header.key != self.key:
            aside = self._set_aside()
            print(f"{self.path} is damaged, or of other parameters, inputs or code: kept as {aside.name}", flush=True)
            return None
        return ResumeState(tensors, header)

    def _set_aside(self) -> Path:
        """Give the state a name that nothing has yet, and return it."""
        numbers = itertools.chain([""], (f".{number}" for number in itertools.count(2)))
        names = (self.path.with_name(f"{self.path.stem}{number}.stale") for number in numbers)
        return self.path.rename(next(path for path in names if not path.exists()))

    def is_due(self) -> bool:
        """Whether so long has gone by since the last save that a part of an epoch is worth saving."""
        return time.monotonic() - self.saved > MINUTES * 60

    def save(self, weights: dict[str, nn.Parameter], adam: torch.optim.Optimizer, state: State) -> None:
        """Write the state from which training goes on."""
        tensors = {"sums": state.sums}
        for name, weight in weights.items():
            tensors[f"now/{name}"] = weight
            moments = adam.state.get(weight, {})
            kept = (key for key in ("step", "exp_avg", "exp_avg_sq") if key in moments)
            tensors.update({f"{key}/{name}": moments[key] for key in kept})
            if name in state.best:
                tensors[f"best/{name}"] = state.best[name]
        header = StateHeader(
            key=self.key,
            curves=[{**row} for row in state.history.curves],
            best_row=state.history.best_row,
            seconds=state.history.seconds,
            step=state.step,
            counted=state.counted,
        )
        save_tensors(self.path, "state", tensors, header.to_json())
        self.saved = time.monotonic()

    def remove(self) -> None:
        """Remove everything that was kept, half-written copies too: the outputs are written."""
        for path in (self.path, self.best):
            path.unlink(missing_ok=True)
            remove_half_written(path)


@contextmanager
def save_best_on_divergence(
    model: nn.Module, resume: ResumeFile, save: Callable[[Path, float], None]
) -> Iterator[None]:
    """Where bad numbers end a training, `save` the model of the best epoch before them; the message says where.

    `save` takes a file and the epoch. Raises RunError.
    """
    try:
        yield
    except NonFiniteError as failure:
        state = resume.load()
        epoch = None if state is None else state.header.best_epoch
        if state is None or epoch is None:
            raise
        with torch.no_grad():
            for name, weight in trainable(model).items():
                weight.copy_(state.tensors[f"best/{name}"])
        save(resume.best, epoch)
        raise RunError(
            f"{failure}; the best epoch before it, {epoch}, is kept in {resume.best}, which `distilrnn predict` reads"
        ) from None
