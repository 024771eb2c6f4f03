"""A batch of encoded sentences, and what an objective returns for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

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
    """int64 [sentences]; NO_LABEL where a sentence has none."""
    teacher_logits: Tensor | None
    """float32 [sentences, classes]."""
    weights: Tensor | None = None
    """float32 [sentences]: how much each counts, where some sentences may have no label; None: all have one, and count
    alike."""

    def cut(self, parts: int) -> "list[Batch]":
        """The same sentences in as many batches of similar size."""
        size = -(-len(self.labels) // parts)
        nothing = [None] * parts
        return [
            Batch(*tensors)
            for tensors in zip(
                self.ids.split(size),
                self.lengths.split(size),
                self.labels.split(size),
                nothing if self.teacher_logits is None else self.teacher_logits.split(size),
                nothing if self.weights is None else self.weights.split(size),
                strict=False,
            )
        ]


class Dataset(Protocol):
    """Sentences that are asked for in batches."""

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each, int [sentences]."""

    def __len__(self) -> int:
        """How many sentences there are."""

    def batch(self, rows: np.ndarray, device: str) -> Batch:
        """These rows, on the device."""


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

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, rows: np.ndarray, device: str) -> Batch:
        """These rows, on the device."""
        ids, lengths = self.tokens.padded(rows, self.pad_id, self.width)
        teacher = None if self.teacher_logits is None else move(self.teacher_logits[rows], device)
        return Batch(move(ids, device), move(lengths, device), move(self.tokens.labels[rows], device), teacher)


def move(values: np.ndarray, device: str) -> Tensor:
    """An array as a tensor on the device."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory().to(device, non_blocking=True) if device == "cuda" else tensor


@dataclass(frozen=True)
class Step:
    """What an objective says of a batch: its mean loss, and how many of `count` predictions are right."""

    loss: Tensor
    correct: Tensor
    count: int
    predictions: Tensor | None = None
    """int64 [sentences]: the class of each, where sentences are classified."""


Objective = Callable[[nn.Module, Batch], Step]


@dataclass(frozen=True)
class TokenObjective:
    """An objective that is a mean over tokens: what a micro-batch counts for in its batch is how many it predicts."""

    objective: Objective
    predictions: Callable[[Batch], int]
    """How many tokens of a batch are predicted."""

    def __call__(self, model: nn.Module, batch: Batch) -> Step:
        """The objective of a batch."""
        return self.objective(model, batch)


def weight_of(objective: Objective, batch: Batch) -> int:
    """What a micro-batch counts for in the mean over its batch: its sentences, or its predicted tokens."""
    return objective.predictions(batch) if isinstance(objective, TokenObjective) else len(batch.labels)
