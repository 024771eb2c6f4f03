"""The one training loop: it knows neither teacher nor student, only a model, sentences and an objective."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distilrnn.device import Device, one_core, resting_collector
from distilrnn.dropout import seeded
from distilrnn.errors import Failure
from distilrnn.params.common import TrainingParams
from distilrnn.progress import TrainingProgress
from distilrnn.resume import ResumeFile
from distilrnn.tokens import Tokens, epoch_batches, parts, sorted_batches

TOGETHER = 64
"""Batches whose logits are written together: a GPU is not made to wait after each."""


class BadNumbers(Failure):
    """Loss, gradients or weights are no longer finite."""


@dataclass(frozen=True)
class Batch:
    """Some sentences on the model's device."""

    ids: Tensor
    """int64 [sentences, tokens], padded on the right."""
    lengths: Tensor
    """int64 [sentences]."""
    labels: Tensor
    """int64 [sentences]."""
    teacher_logits: Tensor | None
    """float32 [sentences, classes]."""

    def cut(self, parts: int) -> "list[Batch]":
        """The same sentences in as many batches of like size."""
        size = -(-len(self.labels) // parts)
        teacher = [None] * parts if self.teacher_logits is None else self.teacher_logits.split(size)
        return [
            Batch(*tensors)
            for tensors in zip(
                self.ids.split(size), self.lengths.split(size), self.labels.split(size), teacher, strict=False
            )
        ]


@dataclass(frozen=True)
class Sentences:
    """Tokenised sentences, and what a teacher says of them."""

    tokens: Tokens
    pad_id: int
    width: int | None = None
    """Tokens to which every batch is padded; None: to its longest sentence."""
    teacher_logits: np.ndarray | None = None
    """float32 [sentences, classes]."""

    def batch(self, rows: np.ndarray, device: str) -> Batch:
        """These rows, on the device."""

        def move(values: np.ndarray) -> Tensor:
            tensor = torch.from_numpy(np.ascontiguousarray(values))
            return tensor.pin_memory().to(device, non_blocking=True) if device == "cuda" else tensor

        ids, lengths = self.tokens.padded(rows, self.pad_id, self.width)
        teacher = None if self.teacher_logits is None else move(self.teacher_logits[rows])
        return Batch(move(ids), move(lengths), move(self.tokens.labels[rows]), teacher)


@dataclass(frozen=True)
class Step:
    """What an objective says of a batch: its mean loss, and how many of `count` predictions are right."""

    loss: Tensor
    correct: Tensor
    count: int


Objective = Callable[[nn.Module, Batch], Step]


@dataclass
class Fitted:
    """How a training run went; the model itself holds the best epoch's weights."""

    curves: list[dict[str, float]] = field(default_factory=list)
    """Per epoch: epoch (from 1), train_loss, train_accuracy, validation_loss, validation_accuracy (0 to 1)."""
    best_epoch: int = 0
    seconds: float = 0.0
    """Wall time of training, over all the runs that it took."""


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training changes, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def decay_groups(model: nn.Module) -> list[dict[str, Any]]:
    """The trainable parameters for AdamW: embeddings never decay.

    Rows of types that do not occur so stay as they began, and a compact vocabulary trains as the full one.
    """
    embeddings = {p for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    decaying = [p for p in trainable(model).values() if p not in embeddings]
    resting = [p for p in trainable(model).values() if p in embeddings]
    groups = [{"params": decaying}, {"params": resting, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


@resting_collector()
def fit(
    model: nn.Module,
    train: Sentences,
    validation: Sentences,
    objective: Objective,
    params: TrainingParams,
    seed: int,
    device: Device,
    progress: TrainingProgress,
    resume: ResumeFile | None = None,
    most_tokens: int | None = None,
) -> Fitted:
    """Train, and leave the model with the weights of the epoch of highest validation accuracy (the first of equals).

    The order of the sentences and every random number depend on (seed, epoch, step) alone, so a run that goes on from
    `resume` ends with the same bytes as one that was never interrupted. With `most_tokens` a batch's gradients are
    summed over parts of about so many tokens, which the device computes side by side: the same step in less memory, for
    an objective that is a mean over sentences.

    Raises:
        BadNumbers: loss or gradients are not finite; the message names epoch, step and learning rate, and `resume`
            keeps the state after the last good epoch.
        Failure: one sentence alone does not fit into the device's memory.
    """
    weights = trainable(model)
    adam = torch.optim.AdamW(
        decay_groups(model),
        lr=params.learning_rate,
        weight_decay=params.weight_decay,
        fused=device.name in ("cpu", "cuda"),
    )
    # Side by side, each part has gradients of its own until they are summed: too much where a whole model is trained.
    small = sum(weight.numel() for weight in weights.values()) < sum(p.numel() for p in model.parameters()) / 4
    trainer = _Trainer(model, objective, params, seed, device, adam, most_tokens is not None and small)
    fitted, best, first_epoch, first_step = Fitted(), {}, 1, 0
    sums = torch.zeros(2, dtype=torch.float64, device=device.name)  # loss x count, correct
    counted = 0
    if resume is not None and (state := resume.load()):
        best, first_epoch, first_step, counted = state.restore(weights, adam, fitted, sums)
        progress.say(f"going on from epoch {first_epoch}, step {first_step + 1}")
        progress.resumed((first_epoch - 1) * len(train.tokens) + first_step * params.batch_size)
    started = time.monotonic() - fitted.seconds
    for epoch in range(first_epoch, params.epochs + 1):
        batches = epoch_batches(train.tokens.lengths, params.batch_size, params.batching, seed, epoch)
        model.train()
        for step in range(first_step, len(batches)):
            pieces = [
                train.batch(rows, device.name) for rows in parts(train.tokens.lengths, batches[step], most_tokens)
            ]
            done = trainer.step(pieces, epoch, step, params.epochs * len(batches), progress)
            sums += torch.stack([done.loss.double() * done.count, done.correct.double()])
            counted += done.count
            if progress.wants_figures:
                progress.step(len(batches[step]), float(sums[0]) / counted, float(sums[1]) / counted)
            else:
                progress.step(len(batches[step]))
            # On a GPU bad numbers are seen some steps later: what they have spoilt must not replace a good state.
            if resume is not None and step + 1 < len(batches) and resume.is_due() and _finite(weights):
                fitted.seconds = time.monotonic() - started
                resume.save(weights, adam, best, fitted, epoch, step + 1, sums, counted)
        train_loss, train_accuracy = (sums / counted).tolist()
        loss, accuracy = evaluate(model, validation, objective, params.batch_size, device, most_tokens)
        if not math.isfinite(loss):
            raise BadNumbers(
                f"the validation loss is {loss} after epoch {epoch}, learning rate {params.learning_rate:g}: "
                "lower the learning rate, or set clip_norm"
            )
        fitted.curves.append(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "validation_loss": loss,
                "validation_accuracy": accuracy,
            }
        )
        if accuracy > max((row["validation_accuracy"] for row in fitted.curves[:-1]), default=-1.0):
            fitted.best_epoch = epoch
            best = {name: weight.detach().cpu().clone() for name, weight in weights.items()}
        fitted.seconds = time.monotonic() - started
        first_step, counted = 0, 0
        sums.zero_()
        if resume is not None and epoch < params.epochs:
            resume.save(weights, adam, best, fitted, epoch + 1, 0, sums, counted)
        progress.epoch(fitted.curves[-1])  # said last: an epoch that was said to be done is never done again
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(best[name])
    return fitted


def _finite(weights: dict[str, nn.Parameter]) -> bool:
    return all(bool(weight.isfinite().all()) for weight in weights.values())


@contextmanager
def keeping_the_best(model: nn.Module, resume: ResumeFile, save: Callable[[Path, int], None]) -> Iterator[None]:
    """Where bad numbers end a training, `save` the model of the best epoch before them; the message says where.

    `save` takes a file and the epoch. Raises Failure.
    """
    try:
        yield
    except BadNumbers as failure:
        state = resume.load()
        if state is None or not state.header["best_epoch"]:
            raise
        epoch = state.header["best_epoch"]
        with torch.no_grad():
            for name, weight in trainable(model).items():
                weight.copy_(state.tensors[f"best/{name}"])
        save(resume.best, epoch)
        raise Failure(
            f"{failure}; the best epoch before it, {epoch}, is kept in {resume.best}, which `distilrnn predict` reads"
        ) from None


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
                    raise Failure(
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
            raise BadNumbers(
                f"the loss is {float(done.loss)} at epoch {epoch}, step {step + 1}, learning rate {rate:g}: "
                "lower the learning rate, or set clip_norm"
            )
        with one_core() if self.side_by_side else nullcontext():
            self.adam.step()
        return done

    def _gradients(self, pieces: list[Batch], number: int) -> Step:
        """Set the gradients of step `number`: the sum of those of the pieces, in their order."""
        pieces = [part for whole in pieces for part in whole.cut(self.parts)]
        size = sum(len(piece.labels) for piece in pieces)
        # Seeded at each step, dropout needs no saved generator to go on from any step.
        torch.manual_seed(int(np.random.SeedSequence([self.seed, number]).generate_state(1, np.uint64)[0] >> 1))

        def work(numbered: tuple[int, Batch]) -> tuple[Step, float, tuple[Tensor, ...]]:
            part, piece = numbered
            with seeded(self.seed, number, part), self.device.autocast():
                done = self.objective(self.model, piece)
            share = len(piece.labels) / size
            gradients: tuple[Tensor | None, ...] = ()
            if self.side_by_side:  # added below in the order of the pieces, whichever is ready first
                gradients = torch.autograd.grad(done.loss * share, self.weights, allow_unused=True)
            else:
                (done.loss * share).backward()
            return Step(done.loss.detach(), done.correct, done.count), share, gradients

        loss, correct, count = 0.0, 0, 0
        run = self.device.side_by_side if self.side_by_side else map
        for done, share, gradients in run(work, enumerate(pieces)):
            loss, correct, count = loss + done.loss * share, correct + done.correct, count + done.count
            for weight, gradient in zip(self.weights, gradients, strict=False):
                if gradient is not None and weight.grad is None:
                    # Laid out as the weight is: torch's fused AdamW on a CPU takes for granted that it is.
                    weight.grad = torch.empty_like(weight).copy_(gradient)
                elif gradient is not None:
                    weight.grad.add_(gradient)
        return Step(loss, correct, count)


def evaluate(
    model: nn.Module,
    sentences: Sentences,
    objective: Objective,
    batch_size: int,
    device: Device,
    most_tokens: int | None = None,
) -> tuple[float, float]:
    """Mean loss and accuracy (0 to 1) over the sentences, in batches of at most so many sentences.

    With `most_tokens` the device computes parts of the batches, of about so many tokens, side by side.
    """
    model.eval()

    def work(rows: np.ndarray) -> Step:
        with torch.no_grad(), device.autocast():
            return objective(model, sentences.batch(rows, device.name))

    loss, correct, count = 0.0, 0, 0
    run = map if most_tokens is None else device.side_by_side
    for step in run(work, sorted_batches(sentences.tokens.lengths, batch_size, most_tokens)):
        loss, correct, count = loss + step.loss.double() * step.count, correct + step.correct, count + step.count
    return float(loss) / count, float(correct) / count


@resting_collector()
def predict_logits(
    model: nn.Module,
    sentences: Sentences,
    batch_size: int,
    device: Device,
    most_tokens: int | None = None,
    into: np.ndarray | None = None,
) -> np.ndarray:
    """The model's logits, float32 [sentences, classes], in the order of the sentences; `into` an array of that shape.

    With `most_tokens` the device computes parts of the batches, of about so many tokens, side by side.

    Raises:
        Failure: a logit is not finite.
    """
    model.eval()
    batches = sorted_batches(sentences.tokens.lengths, batch_size, most_tokens)

    def work(rows: np.ndarray) -> Tensor:
        batch = sentences.batch(rows, device.name)
        with torch.no_grad(), device.autocast():
            return model(batch.ids, batch.lengths).float()

    said = (map if most_tokens is None else device.side_by_side)(work, batches)
    for start in range(0, len(batches), TOGETHER):
        some = batches[start : start + TOGETHER]
        values = torch.cat(list(islice(said, len(some)))).cpu().numpy()
        if not np.isfinite(values).all():
            raise Failure("a logit is not finite: train again with a lower learning rate, or in fp32")
        if into is None:
            into = np.empty((len(sentences.tokens), values.shape[1]), np.float32)
        into[np.concatenate(some)] = values
    return into


def class_weights(labels: np.ndarray, classes: int) -> Tensor:
    """Weights [classes] inverse to the classes' frequencies, mean 1 over the sentences (scikit-learn's 'balanced')."""
    counts = np.bincount(labels, minlength=classes)
    return torch.tensor(len(labels) / (classes * np.maximum(counts, 1)), dtype=torch.float32)
