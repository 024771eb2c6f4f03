"""Pre-training of a student's encoder as a language model: next word, and previous word where it reads both ways."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distilrnn.data.encoded import EncodedSplit
from distilrnn.models.student import Student
from distilrnn.training.batch import Batch, Objective, Step, TokenObjective, move


class TextDataset:
    """Sentences of several tokenised files as one set, without labels; files that are memory-mapped stay so."""

    def __init__(self, parts: Sequence[EncodedSplit], pad_id: int) -> None:
        self.parts, self.pad_id = parts, pad_id
        self.starts = np.cumsum([0, *map(len, parts)])
        self.lengths = np.concatenate([np.diff(part.offsets).astype(np.int32) for part in parts])

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: np.ndarray, device: str) -> Batch:
        """These rows, on the device; every label is 0."""
        lengths = self.lengths[rows].astype(np.int64)
        ids = np.empty((len(rows), int(lengths.max())), np.int64)
        which = np.searchsorted(self.starts, rows, side="right") - 1
        for part in np.unique(which):
            here = np.flatnonzero(which == part)
            ids[here] = self.parts[part].padded(rows[here] - self.starts[part], self.pad_id, ids.shape[1])[0]
        return Batch(move(ids, device), move(lengths, device), move(np.zeros(len(rows), np.int64), device), None)


class RecurrentLanguageModel(nn.Module):
    """A student's embedding and recurrent layers, and tied output weights (Press & Wolf 2017, arXiv 1608.05859).

    Each direction's state is projected to the embedding's width; its products with the embedding, and a bias, are the
    logits of the vocabulary (the ids that the student has rows for).
    """

    def __init__(self, student: Student, seed: int) -> None:
        super().__init__()
        self.student = student
        student.head.requires_grad_(False)
        hidden, width = student.params.hidden, student.params.embedding
        torch.manual_seed(seed)
        directions = 2 if student.params.bidirectional else 1
        self.projections = nn.ModuleList(nn.Linear(hidden, width) for _ in range(directions))
        self.bias = nn.Parameter(torch.zeros(len(student.token_ids)))

    @property
    def output_weights(self) -> tuple[Tensor, Tensor]:
        """Weight [vocabulary, embedding] and bias [vocabulary] of the logits."""
        return self.student.embedding.weight, self.bias

    def forward(self, ids: Tensor, lengths: Tensor, pad_id: Tensor) -> tuple[Tensor, Tensor]:
        """Ids [sentences, tokens] and lengths to the predicting vectors [n, embedding] and their targets, rows [n].

        Each token predicts the next one, the last one the end of the sentence, for which `pad_id` stands; with two
        directions, each also predicts the previous one, and the first one the same sign.
        """
        student = self.student
        states = student.states(ids, lengths).split(student.params.hidden, dim=-1)
        rows = torch.searchsorted(student.token_ids, ids)
        end = torch.searchsorted(student.token_ids, pad_id).expand(len(ids), 1)
        steps = torch.arange(ids.shape[1], device=ids.device)
        real = steps < lengths[:, None]
        following = torch.where(steps < lengths[:, None] - 1, torch.cat([rows[:, 1:], end], 1), end)
        targets = [following, torch.cat([end, rows[:, :-1]], 1)]
        vectors = [
            projection(student.dropout(state[real])) for projection, state in zip(self.projections, states, strict=True)
        ]
        return torch.cat(vectors), torch.cat([target[real] for target in targets[: len(vectors)]])


def language_model_objective(pad_id: int, samples: int | None, frequencies: np.ndarray) -> Objective:
    """Mean cross-entropy of each next (and previous) token.

    With `samples`, training estimates the softmax's normaliser from that many words that are drawn by their frequency,
    each weighted by the inverse of how often it is expected among them (importance sampling: Bengio & Senecal 2008,
    IEEE Trans. Neural Netw. 19, 713). Validation computes it in full.

    Args:
        pad_id: stands for the end of a sentence.
        samples: words that are drawn for each batch; None: the full softmax.
        frequencies: float [vocabulary], how often each row of the embedding occurs.
    """
    shares = torch.from_numpy((frequencies + 1.0) / (frequencies + 1.0).sum()).float()

    def objective(model: nn.Module, batch: Batch) -> Step:
        end = torch.tensor([pad_id], device=batch.ids.device)
        vectors, targets = model(batch.ids, batch.lengths, end)
        weight, bias = cast(RecurrentLanguageModel, model).output_weights
        if samples is None or not model.training:
            logits = F.linear(vectors, weight, bias).float()
            loss = F.cross_entropy(logits, targets)
            correct = (logits.argmax(-1) == targets).sum()
        else:
            drawn = torch.multinomial(shares, samples, replacement=True)
            expected = (samples * shares[drawn]).log().to(targets.device)
            drawn = drawn.to(targets.device)
            others = (F.linear(vectors, weight[drawn], bias[drawn]) - expected).float()
            others = others.masked_fill(drawn == targets[:, None], -torch.inf)
            right = ((vectors * F.embedding(targets, weight)).sum(-1) + bias[targets]).float()
            loss = (torch.logsumexp(torch.cat([right[:, None], others], 1), 1) - right).mean()
            correct = (right > others.max(-1).values).sum()
        return Step(loss, correct, len(targets))

    # Each token predicts one other in each direction.
    return TokenObjective(objective, lambda batch: int(batch.lengths.sum()))
