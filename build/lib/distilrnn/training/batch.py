"""A batch of encoded sentences, and what an objective returns for it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from distilrnn.data.encoded import EncodedSplit


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
class EncodedDataset:
    """Tokenised sentences, and what a teacher says of them."""

    tokens: EncodedSplit
    pad_id: int
    width: int | None = None
    """Tokens to which every batch is padded; None: to its longest sentence."""
    teacher_logits: np.ndarray | None = None
    """float32 [sentences, classes]."""

    @property
    def lengths(self) -> np.ndarray:
        """int64 [sentences]: tokens of each sentence in a batch, where a common width counts as all of them."""
        return self.tokens.lengths if self.width is None else np.full(len(self.tokens), self.width)

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
