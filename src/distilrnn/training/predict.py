"""Loss, accuracy and logits of a model over encoded sentences, without gradients."""

from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from distilrnn.data.batching import MAX_TOKENS, sorted_batches
from distilrnn.errors import RunError
from distilrnn.evaluation.confusion import confusion, macro_f1, mcc
from distilrnn.runtime.device import Device, gc_frozen
from distilrnn.training.batch import Batch, Dataset, Objective, Step
from distilrnn.training.progress import ScoringProgress

BATCHES_PER_WRITE = 64
"""Batches whose logits are written together: a GPU is not made to wait after each."""


def evaluate(
    model: nn.Module,
    sentences: Dataset,
    objective: Objective,
    batch_size: int,
    device: Device,
    max_tokens: int | None = None,
) -> dict[str, float]:
    """Mean loss and accuracy (0 to 1) over the sentences, in batches of at most `batch_size` sentences.

    Where sentences are classified, their Matthews correlation (mcc) and mean F1 (macro_f1) too.

    With `max_tokens` the device computes micro-batches of about that many tokens side by side.
    """
    model.eval()

    def work(rows: np.ndarray) -> tuple[Step, Batch]:
        batch = sentences.batch(rows, device.name)
        with torch.no_grad(), device.autocast():
            return objective(model, batch), batch

    loss: float | Tensor = 0.0
    correct: int | Tensor = 0
    count = 0
    classified: list[tuple[Tensor, Tensor]] = []
    run = map if max_tokens is None else device.side_by_side
    for step, batch in run(work, sorted_batches(sentences.lengths, batch_size, max_tokens or MAX_TOKENS)):
        loss, correct, count = loss + step.loss.double() * step.count, correct + step.correct, count + step.count
        if step.predictions is not None:
            classified.append((batch.labels, step.predictions))
    found = {"loss": float(loss) / count, "accuracy": float(correct) / count}
    if classified:
        labels, predictions = (torch.cat(part).cpu().numpy() for part in zip(*classified, strict=True))
        counts = confusion(labels, predictions, int(max(labels.max(), predictions.max())) + 1)
        found |= {"mcc": float(mcc(counts)), "macro_f1": macro_f1(counts)}
    return found


@gc_frozen()
def predict_logits(
    model: nn.Module,
    sentences: Dataset,
    batch_size: int,
    device: Device,
    max_tokens: int | None = None,
    into: np.ndarray | None = None,
    progress: ScoringProgress | None = None,
) -> np.ndarray:
    """The model's logits, float32 [sentences, classes], in the order of the sentences; `into` an array of that shape.

    With `max_tokens` the device computes micro-batches of about that many tokens side by side.

    Raises:
        RunError: a logit is not finite.
    """
    model.eval()
    batches = sorted_batches(sentences.lengths, batch_size, max_tokens or MAX_TOKENS)

    def work(rows: np.ndarray) -> Tensor:
        batch = sentences.batch(rows, device.name)
        with torch.no_grad(), device.autocast():
            return model(batch.ids, batch.lengths).float()

    computed = iter((map if max_tokens is None else device.side_by_side)(work, batches))
    logits = into
    for start in range(0, len(batches), BATCHES_PER_WRITE):
        some = batches[start : start + BATCHES_PER_WRITE]
        values = torch.cat(list(islice(computed, len(some)))).cpu().numpy()
        if not np.isfinite(values).all():
            raise RunError("a logit is not finite: train again with a lower learning rate, or in fp32")
        if logits is None:
            logits = np.empty((len(sentences), values.shape[1]), np.float32)
        rows = np.concatenate(some)
        logits[rows] = values
        if progress is not None:
            progress.step(len(rows))
    if logits is None:
        raise ValueError("there are no sentences to predict")
    return logits
