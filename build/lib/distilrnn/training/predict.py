"""Loss, accuracy and logits of a model over encoded sentences, without gradients."""

from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from distilrnn.data.batching import MAX_TOKENS, sorted_batches
from distilrnn.errors import RunError
from distilrnn.runtime.device import Device, gc_frozen
from distilrnn.training.batch import EncodedDataset, Objective, Step

BATCHES_PER_WRITE = 64
"""Batches whose logits are written together: a GPU is not made to wait after each."""


def evaluate(
    model: nn.Module,
    sentences: EncodedDataset,
    objective: Objective,
    batch_size: int,
    device: Device,
    max_tokens: int | None = None,
) -> tuple[float, float]:
    """Mean loss and accuracy (0 to 1) over the sentences, in batches of at most so many sentences.

    With `max_tokens` the device computes parts of the batches, of about so many tokens, side by side.
    """
    model.eval()

    def work(rows: np.ndarray) -> Step:
        with torch.no_grad(), device.autocast():
            return objective(model, sentences.batch(rows, device.name))

    loss, correct, count = 0.0, 0, 0
    run = map if max_tokens is None else device.side_by_side
    for step in run(work, sorted_batches(sentences.lengths, batch_size, max_tokens or MAX_TOKENS)):
        loss, correct, count = loss + step.loss.double() * step.count, correct + step.correct, count + step.count
    return float(loss) / count, float(correct) / count


@gc_frozen()
def predict_logits(
    model: nn.Module,
    sentences: EncodedDataset,
    batch_size: int,
    device: Device,
    max_tokens: int | None = None,
    into: np.ndarray | None = None,
) -> np.ndarray:
    """The model's logits, float32 [sentences, classes], in the order of the sentences; `into` an array of that shape.

    With `max_tokens` the device computes parts of the batches, of about so many tokens, side by side.

    Raises:
        RunError: a logit is not finite.
    """
    model.eval()
    batches = sorted_batches(sentences.lengths, batch_size, max_tokens or MAX_TOKENS)

    def work(rows: np.ndarray) -> Tensor:
        batch = sentences.batch(rows, device.name)
        with torch.no_grad(), device.autocast():
            return model(batch.ids, batch.lengths).float()

    said = (map if max_tokens is None else device.side_by_side)(work, batches)
    for start in range(0, len(batches), BATCHES_PER_WRITE):
        some = batches[start : start + BATCHES_PER_WRITE]
        values = torch.cat(list(islice(said, len(some)))).cpu().numpy()
        if not np.isfinite(values).all():
            raise RunError("a logit is not finite: train again with a lower learning rate, or in fp32")
        if into is None:
            into = np.empty((len(sentences.tokens), values.shape[1]), np.float32)
        into[np.concatenate(some)] = values
    return into
