"""The one training loop: it knows neither teacher nor student, only a model, sentences and an objective."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distilrnn.data.batching import MAX_TOKENS, EpochBatches, epoch_batches, micro_batches
from distilrnn.errors import RunError
from distilrnn.models.kernels.dropout import seeded
from distilrnn.models.parameters import trainable
from distilrnn.params.common import TrainingParams
from distilrnn.runtime.device import Device, gc_frozen, single_threaded
from distilrnn.training.batch import Batch, Dataset, Objective, Step, weight_of
from distilrnn.training.history import History, NonFiniteError
from distilrnn.training.predict import evaluate
from distilrnn.training.progress import TrainingProgress
from distilrnn.training.resume import ResumeFile, State


def decay_groups(model: nn.Module) -> list[dict[str, Any]]:
    """The trainable parameters for AdamW: embeddings never decay.

    Rows of types that do not occur so stay as they began, and a compact vocabulary trains as the full one.
    """
    embeddings = {p for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    decaying = [p for p in trainable(model).values() if p not in embeddings]
    embedding = [p for p in trainable(model).values() if p in embeddings]
    groups: list[dict[str, Any]] = [{"params": decaying}, {"params": embedding, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


METRICS: dict[str, Callable[[dict[str, float]], float]] = {
    "accuracy": lambda row: row["validation_accuracy"],
    "mcc": lambda row: row["validation_mcc"],
    "macro_f1": lambda row: row["validation_macro_f1"],
    "loss": lambda row: -row["validation_loss"],
}
"""How good a point of validation is, more is better, by the name in selection.metric."""


@dataclass(frozen=True)
class TrainingRun:
    """What a training is run with, beside the model, what it reads and what it is trained towards."""

    params: TrainingParams
    seed: int
    device: Device
    progress: TrainingProgress
    metric: str = "accuracy"
    """By which the best point is chosen: a name of METRICS."""
    resume: ResumeFile | None = None
    max_tokens: int | None = None
    """Gradients are accumulated over micro-batches of about that many tokens, which the device computes side by side:
    the same step in less memory, for an objective that is a mean over sentences."""


@gc_frozen()
def fit(model: nn.Module, train: Dataset, validation: Dataset, objective: Objective, run: TrainingRun) -> History:
    """Train, and leave the model with the weights of the best point of validation (the first of equals).

    Points lie after every `validate_every` steps and at the end, or after each epoch; with `patience`, training ends
    after that many validation points without improvement. The order of the sentences and every random number depend on
    (seed, epoch, step) alone, so a run that goes on from its state ends with the same bytes as one that was never
    interrupted.

    Raises:
        NonFiniteError: loss or gradients are not finite; the message names epoch, step and learning rate, and the
            state after the last good point is kept.
        RunError: one sentence alone does not fit into the device's memory.
    """
    return _Training(model, train, validation, objective, run).fit()


class _Training:
    """One run of `fit`."""

    def __init__(
        self, model: nn.Module, train: Dataset, validation: Dataset, objective: Objective, run: TrainingRun
    ) -> None:
        self.model, self.train, self.validation, self.objective, self.run = model, train, validation, objective, run
        params, device = run.params, run.device
        self.weights = trainable(model)
        self.adam = torch.optim.AdamW(
            decay_groups(model),
            lr=params.learning_rate,
            weight_decay=params.weight_decay,
            fused=device.name in ("cpu", "cuda"),
        )
        # Side by side, each part has gradients of its own until they are summed: too much for a whole model.
        small = sum(w.numel() for w in self.weights.values()) < sum(p.numel() for p in model.parameters()) / 4
        self.epoch_steps = -(-len(train) // params.batch_size)
        self.steps = params.epochs * self.epoch_steps
        side_by_side = run.max_tokens is not None and small
        self.trainer = _Trainer(model, objective, params, run.seed, device, self.adam, side_by_side)
        self.state = State(History(), torch.zeros(2, dtype=torch.float64, device=device.name))

    def fit(self) -> History:
        """Train from the beginning, or from the state that is there."""
        run, state = self.run, self.state
        if run.resume is not None and (saved := run.resume.load()):
            saved.restore(self.weights, self.adam, state)
            epoch, step = divmod(state.step, self.epoch_steps)
            run.progress.say(f"going on from epoch {epoch + 1}, step {step + 1}")
            run.progress.resumed(epoch * len(self.train) + step * run.params.batch_size)
        self.started = time.monotonic() - state.history.seconds
        batches: EpochBatches | None = None
        while state.step < self.steps and not self._is_patience_spent():
            epoch, step = divmod(state.step, self.epoch_steps)
            if batches is None or step == 0:
                batches = epoch_batches(
                    self.train.lengths, run.params.batch_size, run.params.batching, run.seed, epoch + 1
                )
            self._step(batches[step], epoch + 1, step)
            if self._is_point():
                self._validate()
            # On a GPU bad numbers are seen some steps later: what they have spoilt must not replace a good state.
            elif run.resume is not None and run.resume.is_due() and _finite(self.weights):
                self._save(run.resume)
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(state.best[name])
        return state.history

    def _step(self, rows: np.ndarray, epoch: int, step: int) -> None:
        """One optimizer step on these rows."""
        run, state = self.run, self.state
        parts = micro_batches(self.train.lengths, rows, run.max_tokens or MAX_TOKENS)
        pieces = [self.train.batch(part, run.device.name) for part in parts]
        self.model.train()
        done = self.trainer.step(pieces, epoch, step, self.steps, run.progress)
        state.sums += torch.stack([done.loss.double() * done.count, done.correct.double()])
        state.counted += done.count
        state.step += 1
        if run.progress.wants_figures:
            run.progress.step(len(rows), float(state.sums[0]) / state.counted, float(state.sums[1]) / state.counted)
        else:
            run.progress.step(len(rows))

    def _is_point(self) -> bool:
        """Whether the model is validated after the step that was last."""
        every = self.run.params.validate_every or self.epoch_steps
        return self.state.step % every == 0 or self.state.step == self.steps

    def _validate(self) -> None:
        """Add a row to the curves, and keep the weights where they are the best."""
        run, state = self.run, self.state
        whole, rest = divmod(state.step, self.epoch_steps)
        epoch = round(state.step / self.epoch_steps, 6) if rest else whole
        train_loss, train_accuracy = (state.sums / state.counted).tolist()
        found = evaluate(self.model, self.validation, self.objective, run.params.batch_size, run.device, run.max_tokens)
        if not math.isfinite(found["loss"]):
            raise NonFiniteError(
                f"the validation loss is {found['loss']} after epoch {epoch:g}, learning rate "
                f"{run.params.learning_rate:g}: lower the learning rate, or set clip_norm"
            )
        row = {"epoch": epoch, "step": state.step, "train_loss": train_loss, "train_accuracy": train_accuracy}
        row |= {f"validation_{name}": value for name, value in found.items()}
        how_good, best = METRICS[run.metric], state.history.best
        if best is None or how_good(row) > how_good(best):
            state.history.best_row = len(state.history.curves)
            state.best = {name: weight.detach().cpu().clone() for name, weight in self.weights.items()}
        state.history.curves.append(row)
        state.history.seconds = time.monotonic() - self.started
        state.counted = 0
        state.sums.zero_()
        if run.resume is not None and state.step < self.steps:
            self._save(run.resume)
        run.progress.epoch(row)  # after all else: a point that was reported is never computed again

    def _is_patience_spent(self) -> bool:
        """Whether early stopping is due."""
        history, patience = self.state.history, self.run.params.patience
        return patience is not None and len(history.curves) - 1 - history.best_row >= patience and bool(history.curves)

    def _save(self, resume: ResumeFile) -> None:
        self.state.history.seconds = time.monotonic() - self.started
        resume.save(self.weights, self.adam, self.state)


def _finite(weights: dict[str, nn.Parameter]) -> bool:
    return all(bool(weight.isfinite().all()) for weight in weights.values())


class _Trainer:
    """One optimizer step, in as many parts as the memory asks for, computed side by side if asked for."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        params: TrainingParams,
        seed: int,
        device: Device,
        adam: torch.optim.Adam,
        side_by_side: bool,
    ) -> None:
        self.model, self.objective, self.params, self.seed = model, objective, params, seed
        self.device, self.adam, self.side_by_side, self.parts = device, adam, side_by_side, 1
        self.weights = list(trainable(model).values())

    def step(self, pieces: list[Batch], epoch: int, step: int, steps: int, progress: TrainingProgress) -> Step:
        """Train on one batch, given in pieces; `steps` is the length of the whole run."""
        steps_an_epoch = steps // self.params.epochs
        number = (epoch - 1) * steps_an_epoch + step
        rate = self.params.learning_rate
        if self.params.schedule == "linear":
            rate *= 1 - number / steps
        for group in self.adam.param_groups:
            group["lr"] = rate
        while True:
            self.adam.zero_grad(set_to_none=True)
            try:
                done = self._gradients(pieces, number)
                break
            except torch.OutOfMemoryError:
                if self.parts >= max(len(piece.labels) for piece in pieces):
                    longest = max(piece.ids.shape[1] for piece in pieces)
                    raise RunError(
                        f"one sentence of {longest} tokens does not fit into the GPU's memory: "
                        "set tokenize.max_length lower, or use a smaller base"
                    ) from None
                torch.cuda.empty_cache()
                self.parts *= 2
                progress.say(f"out of memory: going on with {self.parts} parts a batch, the same batch size in effect")
        norm = None
        if self.params.clip_norm is not None:
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.params.clip_norm)
        # On a GPU reading the loss makes the device wait, so it is looked at every so often only.
        looked_at = self.device.name == "cpu" or step % 50 == 0 or step + 1 == steps_an_epoch
        if looked_at and not (torch.isfinite(done.loss) and (norm is None or torch.isfinite(norm))):
            raise NonFiniteError(
                f"the loss is {float(done.loss)} at epoch {epoch}, step {step + 1}, learning rate {rate:g}: "
                "lower the learning rate, or set clip_norm"
            )
        with single_threaded() if self.side_by_side else nullcontext():
            self.adam.step()
        return done

    def _gradients(self, pieces: list[Batch], number: int) -> Step:
        """Set the gradients of step `number`: the sum of those of the pieces, in their order."""
        pieces = [part for whole in pieces for part in whole.cut(self.parts)]
        size = sum(weight_of(self.objective, piece) for piece in pieces)
        # Seeded at each step, dropout needs no saved generator to go on from any step.
        torch.manual_seed(int(np.random.SeedSequence([self.seed, number]).generate_state(1, np.uint64)[0] >> 1))

        def work(numbered: tuple[int, Batch]) -> tuple[Step, float, tuple[Tensor | None, ...]]:
            part, piece = numbered
            with seeded(self.seed, number, part), self.device.autocast():
                done = self.objective(self.model, piece)
            share = weight_of(self.objective, piece) / size
            gradients: tuple[Tensor | None, ...] = ()
            if self.side_by_side:  # added below in the order of the pieces, whichever is ready first
                gradients = torch.autograd.grad(done.loss * share, self.weights, allow_unused=True)
            else:
                (done.loss * share).backward()
            return Step(done.loss.detach(), done.correct, done.count), share, gradients

        loss = torch.zeros((), device=self.device.name)
        correct, count = loss.long(), 0
        run = self.device.side_by_side if self.side_by_side else map
        for done, share, gradients in run(work, enumerate(pieces)):
            loss, correct, count = loss + done.loss * share, correct + done.correct, count + done.count
            for weight, gradient in zip(self.weights, gradients, strict=False):
                if gradient is None:
                    continue
                if weight.grad is None:
                    # Laid out as the weight is: torch's fused AdamW on a CPU takes for granted that it is.
                    weight.grad = torch.empty_like(weight).copy_(gradient)
                else:
                    weight.grad.add_(gradient)
        return Step(loss, correct, count)
