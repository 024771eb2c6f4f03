"""The student: a recurrent classifier on a compact vocabulary."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distilrnn.models.embeddings import initial_embeddings
from distilrnn.models.kernels import is_on
from distilrnn.models.kernels.bidirectional import bidirectional_forward, plain_bidirectional
from distilrnn.models.kernels.rnn import rnn_forward
from distilrnn.models.vectors import TokenVectors, starting_embeddings
from distilrnn.params.student import StudentModelParams

ROW_MULTIPLE = 128
"""The distinct token ids of a training batch are padded to a multiple of this, so that products have few sizes."""

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Student(nn.Module):
    """Embedding, recurrent layers, pooling, linear head.

    `token_ids` are the ids that the embedding has rows for, sorted; `forward` takes ids of the full vocabulary.
    """

    token_ids: Tensor
    recurrent: nn.RNNBase

    def __init__(
        self,
        token_ids: np.ndarray,
        classes: int,
        params: StudentModelParams,
        seed: int,
        embeddings: np.ndarray | None = None,
    ) -> None:
        """`embeddings`, float32 [token_ids, embedding], are the embedding's first values; by default initial ones."""
        super().__init__()
        self.params = params
        self.register_buffer("token_ids", torch.from_numpy(token_ids.astype(np.int64)), persistent=False)
        torch.manual_seed(seed)
        if embeddings is None:
            rows = torch.from_numpy(initial_embeddings(seed, token_ids, params.embedding))
        else:
            rows = torch.tensor(embeddings)  # a copy: training must not change the caller's
        if rows.shape != (len(token_ids), params.embedding):
            raise ValueError(f"embeddings of {len(rows)} tokens, not of {len(token_ids)} of width {params.embedding}")
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
        indices = torch.searchsorted(self.token_ids, ids)
        return self.head(self.dropout(self._pool(indices, lengths)))

    def states(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids [sentences, tokens] and lengths to the last layer's states [sentences, tokens, hidden x directions].

        What stands behind a sentence's end is undefined; the backward direction begins at the last real token.
        """
        indices = torch.searchsorted(self.token_ids, ids)
        return self._both_directions(indices, lengths) if self.params.bidirectional else self._states(indices)

    def _pool(self, indices: Tensor, lengths: Tensor) -> Tensor:
        """Rows of the embedding [sentences, tokens] to pooled states [sentences, hidden]."""
        if self.params.bidirectional and self.params.pooling == "last_step":
            return self.recurrent(self.dropout(self.embedding(indices)))[0][:, -1]
        both = self.params.bidirectional
        # One direction never sees the padding behind a sentence.
        states = self._both_directions(indices, lengths) if both else self._states(indices)
        if self.params.pooling == "last_step":
            return states[:, -1]
        if self.params.pooling == "last_token":
            last = states[torch.arange(len(states), device=states.device), lengths - 1]
            # The backward direction ends at the first token.
            hidden = self.params.hidden
            return torch.cat([last[:, :hidden], states[:, 0, hidden:]], -1) if both else last
        real = (torch.arange(states.shape[1], device=states.device) < lengths[:, None])[..., None]
        if self.params.pooling == "mean":
            return torch.where(real, states, 0.0).sum(1) / lengths[:, None]
        return torch.where(real, states, -torch.inf).amax(1)

    def _both_directions(self, indices: Tensor, lengths: Tensor) -> Tensor:
        """Rows of the embedding [sentences, tokens] to states [sentences, tokens, 2 x hidden].

        What stands behind a sentence's end is undefined; the backward direction begins at the last real token.
        """
        vectors = self.dropout(self.embedding(indices))
        on_cpu = indices.device.type == "cpu"  # cuDNN has a packed form of its own
        form = bidirectional_forward if on_cpu and is_on("bidirectional") else plain_bidirectional
        return form(self.recurrent, vectors, lengths)

    def _states(self, indices: Tensor) -> Tensor:
        """Rows of the embedding [sentences, tokens] to the states of one direction [sentences, tokens, hidden].

        Training a tanh layer on a CPU multiplies each distinct token's vector with the input weights once a batch.
        Without gradients torch's own layer is as fast for a batch, and twice as fast for a single sentence.
        """
        layer = self.recurrent
        dropped = self.training and self.params.dropout > 0  # dropout differs between occurrences of a token
        trains_on_cpu = torch.is_grad_enabled() and indices.device.type == "cpu" and not dropped
        if not (isinstance(layer, nn.RNN) and layer.num_layers == 1 and trains_on_cpu and is_on("rnn")):
            return layer(self.dropout(self.embedding(indices)))[0]
        distinct, positions = torch.unique(indices, return_inverse=True)
        # Each new size of a product costs time and memory; no position refers to the rows that are added.
        distinct = F.pad(distinct, (0, -len(distinct) % ROW_MULTIPLE))
        return rnn_forward(layer, self.embedding(distinct), positions)

    @torch.no_grad()
    def add_biases(self, biases: np.ndarray) -> None:
        """Add to the head's bias, and so to all logits, `biases`, float32 [classes]."""
        self.head.bias.add_(torch.from_numpy(biases).to(self.head.bias))

    def count_parameters(self, vocabulary: int) -> dict[str, int]:
        """Parameters with an embedding of the full vocabulary, and those that are stored."""
        stored = sum(p.numel() for p in self.parameters())
        total = stored + (vocabulary - len(self.token_ids)) * self.params.embedding
        frozen = 0 if self.embedding.weight.requires_grad else vocabulary * self.params.embedding
        return {"total": total, "trainable": total - frozen, "stored": stored}

    @torch.no_grad()
    def with_token_ids(self, token_ids: np.ndarray, seed: int, vectors: TokenVectors | None = None) -> "Student":
        """The student with rows for these ids too (all of them, for the full vocabulary).

        New rows are initial, or what `vectors` has for them.
        """
        known = self.token_ids.cpu().numpy()
        merged = np.union1d(known, token_ids)
        starting = starting_embeddings(seed, merged, self.params.embedding, vectors)
        grown = Student(merged, self.head.out_features, self.params, seed, starting).to(self.embedding.weight.device)
        rows = dict(self.state_dict())
        grown.embedding.weight[torch.from_numpy(np.searchsorted(merged, known))] = rows.pop("embedding.weight")
        grown.load_state_dict(rows, strict=False)
        grown.embedding.requires_grad_(self.embedding.weight.requires_grad)
        return grown
