"""The student: a recurrent classifier on a compact vocabulary."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from distilrnn.models.kernels.rnn import rnn_forward
from distilrnn.params.student import StudentModelParams

ROW_MULTIPLE = 128
"""Token types of a batch are multiplied in multiples of so many."""

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def initial_embeddings(seed: int, types: Iterable[int], width: int) -> np.ndarray:
    """Initial token vectors, float32 [types, width], each standard normal and a function of (seed, type) alone.

    So an embedding of only the types that occur starts like the full one, and a type that training never saw has the
    same vector in both. RandomState's streams are frozen for ever: the rows need not be stored.
    """
    types = np.asarray(list(types), dtype=np.int64)
    rows = np.empty((len(types), width), dtype=np.float32)
    generator = np.random.RandomState(0)
    for row, kind in zip(rows, types.tolist(), strict=True):
        generator.seed([seed, kind])  # a new generator would cost six times as much
        row[:] = generator.standard_normal(width)
    return rows


class Student(nn.Module):
    """Embedding, recurrent layers, pooling, linear head.

    `types` are the token types that the embedding has rows for, sorted; `forward` takes ids of the full vocabulary.
    """

    def __init__(self, types: np.ndarray, classes: int, params: StudentModelParams, seed: int) -> None:
        super().__init__()
        self.params = params
        self.register_buffer("types", torch.from_numpy(types.astype(np.int64)), persistent=False)
        torch.manual_seed(seed)
        rows = torch.from_numpy(initial_embeddings(seed, types, params.embedding))
        self.embedding = nn.Embedding.from_pretrained(rows, freeze=False)
        self.recurrent = CELLS[params.cell](
            params.embedding,
            params.hidden,
            num_layers=params.layers,
            bidirectional=params.bidirectional,
            dropout=params.dropout if params.layers > 1 else 0.0,
            batch_first=True,
        )
        self.dropout = nn.Dropout(params.dropout)
        self.head = nn.Linear(params.hidden * (2 if params.bidirectional else 1), classes)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids [sentences, tokens], padded on the right, and lengths [sentences] to logits [sentences, classes]."""
        rows = torch.searchsorted(self.types, ids)
        return self.head(self.dropout(self._pool(rows, lengths)))

    def _pool(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """The embedding's rows [sentences, tokens] to [sentences, hidden]."""
        if self.params.bidirectional and self.params.pooling == "last_step":
            return self.recurrent(self.dropout(self.embedding(rows)))[0][:, -1]
        if self.params.bidirectional:
            # Packed, so that the backward direction begins at the last real token and not in the padding.
            vectors = self.dropout(self.embedding(rows))
            packed = pack_padded_sequence(vectors, lengths.cpu(), batch_first=True, enforce_sorted=False)
            outputs, last = self.recurrent(packed)
            if self.params.pooling == "last_token":
                states = last[0] if self.params.cell == "lstm" else last
                return torch.cat([states[-2], states[-1]], dim=-1)
            states, _ = pad_packed_sequence(outputs, batch_first=True)
        else:
            # One direction never sees the padding behind a sentence, so nothing need be packed.
            states = self._states(rows)
            if self.params.pooling == "last_step":
                return states[:, -1]
            if self.params.pooling == "last_token":
                return states[torch.arange(len(states), device=states.device), lengths - 1]
        real = (torch.arange(states.shape[1], device=states.device) < lengths[:, None])[..., None]
        if self.params.pooling == "mean":
            return torch.where(real, states, 0.0).sum(1) / lengths[:, None]
        return torch.where(real, states, -torch.inf).amax(1)

    def _states(self, rows: Tensor) -> Tensor:
        """The embedding's rows [sentences, tokens] to the states of one direction [sentences, tokens, hidden]."""
        dropped = self.training and self.params.dropout > 0  # a token's own vector, not its type's
        if rows.device.type != "cpu" or self.params.layers > 1 or dropped:
            return self.recurrent(self.dropout(self.embedding(rows)))[0]
        types, positions = torch.unique(rows, return_inverse=True)
        # Each new size of a product costs time and memory: the last rows, to which nothing refers, make sizes few.
        types = F.pad(types, (0, -len(types) % ROW_MULTIPLE))
        return rnn_forward(self.recurrent, self.embedding(types), positions)

    def count_parameters(self, vocabulary: int) -> dict[str, int]:
        """Parameters with an embedding of the full vocabulary, and those that are stored."""
        stored = sum(p.numel() for p in self.parameters())
        total = stored + (vocabulary - len(self.types)) * self.params.embedding
        return {"total": total, "trainable": total, "stored": stored}

    @torch.no_grad()
    def with_token_ids(self, types: np.ndarray, seed: int) -> "Student":
        """The student with rows for these types too (all of them, for the full vocabulary): new ones are initial."""
        known = self.types.cpu().numpy()
        merged = np.union1d(known, types)
        grown = Student(merged, self.head.out_features, self.params, seed).to(self.embedding.weight.device)
        rows = dict(self.state_dict())
        grown.embedding.weight[torch.from_numpy(np.searchsorted(merged, known))] = rows.pop("embedding.weight")
        grown.load_state_dict(rows, strict=False)
        return grown
