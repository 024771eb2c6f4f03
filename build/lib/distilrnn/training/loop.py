"""The one training loop: it knows neither teacher nor student, only a model, sentences and an objective."""

import math
import time
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distilrnn.data.batching import MAX_TOKENS, epoch_batches, micro_batches
from distilrnn.errors import RunError
from distilrnn.models.kernels.dropout import seeded
from distilrnn.models.parameters import trainable
from distilrnn.params.common import TrainingParams
from distilrnn.runtime.device import Device, gc_frozen, single_threaded
from distilrnn.training.batch import Batch, EncodedDataset, Objective, Step
from distilrnn.training.history import History, NonFiniteError
from distilrnn.training.predict import evaluate
from distilrnn.training.progress import TrainingProgress
from distilrnn.training.resume import ResumeFile


def decay_groups(model: nn.Module) -> list[dict[str, Any]]:
    """The trainable parameters for AdamW: embeddings never decay.

    Rows of types that do not occur so stay as they began, and a compact vocabulary trains as the full one.
    """
    embeddings = {p for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    decaying = [p for p in trainable(model).values() if p not in embeddings]
    resting = [p for p in trainable(model).values() if p in embeddings]
    groups = [{"params": decaying}, {"params": resting, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


@gc_frozen()
def fit(
    model: nn.Module,
    train: EncodedDataset,
    validation: EncodedDataset,
    objective: Objective,
    params: TrainingParams,
    seed: int,
    device: Device,
    progress: TrainingProgress,
    resume: ResumeFile | None = None,
    max_tokens: int | None = None,
) -> History:
    """Train, and leave the model with the weights of the epoch of highest validation accuracy (the first of equals).

    The order of the sentences and every random number depend on (seed, epoch, step) alone, so a run that goes on from
    `resume` ends with the same bytes as one that was never interrupted. With `max_tokens` a batch's gradients are
    summed over parts of about so many tokens, which the device computes side by side: the same step in less memory, for
    an objective that is a mean over sentences.

    Raises:
        NonFiniteError: loss or gradients are not finite; the message names epoch, step and learning rate, and `resume`
            keeps the state after the last good epoch.
        RunError: one sentence alone does not fit into the device's memory.
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
    trainer = _Trainer(model, objective, params, seed, device, adam, max_tokens is not None and small)
    history, best, first_epoch, first_step = History(), {}, 1, 0
    sums = torch.zeros(2, dtype=torch.float64, device=device.name)  # loss x count, correct
    counted = 0
    if resume is not None and (state := resume.load()):
        best, first_epoch, first_step, counted = state.restore(weights, adam, history, sums)
        progress.say(f"going on from epoch {first_epoch}, step {first_step + 1}")
        progress.resumed((first_epoch - 1) * len(train.tokens) + first_step * params.batch_size)
    started = time.monotonic() - history.seconds
    for epoch in range(first_epoch, params.epochs + 1):
        batches = epoch_batches(train.tokens.lengths, params.batch_size, params.batching, seed, epoch)
        model.train()
        for step in range(first_step, len(batches)):
            pieces = [
                train.batch(rows, device.name)
                for rows in micro_batches(train.lengths, batches[step], max_tokens or MAX_TOKENS)
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
                history.seconds = time.monotonic() - started
                resume.save(weights, adam, best, history, epoch, step + 1, sums, counted)
        train_loss, train_accuracy = (sums / counted).tolist()
        loss, accuracy = evaluate(model, validation, objective, params.batch_size, device, max_tokens)
        if not math.isfinite(loss):
            raise NonFiniteError(
                f"the validation loss is {loss} after epoch {epoch}, learning rate {params.learning_rate:g}: "
                "lower the learning rate, or set clip_norm"
            )
        history.curves.append(
            {
                "epoch": epoch,
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "validation_loss": loss,
                "validation_accuracy": accuracy,
            }
        )
        if accuracy > max((row["validation_accuracy"] for row in history.curves[:-1]), default=-1.0):
            history.best_epoch = epoch
            best = {name: weight.detach().cpu().clone() for name, weight in weights.items()}
        history.seconds = time.monotonic() - started
        first_step, counted = 0, 0
        sums.zero_()
        if resume is not None and epoch < params.epochs:
            resume.save(weights, adam, best, history, epoch + 1, 0, sums, counted)
        progress.epoch(history.curves[-1])  # said last: an epoch that was said to be done is never done again
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(best[name])
    return history


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
