"""A bidirectional recurrent network whose cost grows linearly with the length of the sentences.

torch reads sentences of several lengths in both directions as a packed sequence. On a CPU, the backward pass of that
fills, at each time step, a gradient as long as all steps: the cost grows with the square of the length.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def bidirectional_forward(layer: nn.RNNBase, vectors: Tensor, lengths: Tensor) -> Tensor:
    """The hidden states of every step, each direction by itself: the second reads each sentence in reverse order.

    Args:
        layer: bidirectional, batch first.
        vectors: [sentences, tokens, embedding], padded on the right.
        lengths: int64 [sentences].

    Returns:
        [sentences, tokens, 2 x hidden]; what stands behind a sentence's end is undefined.
    """
    steps = torch.arange(vectors.shape[1], device=vectors.device)
    reversed_steps = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)[..., None]
    for number in range(layer.num_layers):
        forward = _one_direction(layer, number, "", vectors)
        backward = _one_direction(layer, number, "_reverse", _reorder(vectors, reversed_steps))
        vectors = torch.cat([forward, _reorder(backward, reversed_steps)], -1)
        if number + 1 < layer.num_layers:
            vectors = F.dropout(vectors, layer.dropout, layer.training)
    return vectors


def plain_bidirectional(layer: nn.RNNBase, vectors: Tensor, lengths: Tensor) -> Tensor:
    """The same by torch's packed sequences; zero behind a sentence's end."""
    packed = pack_padded_sequence(vectors, lengths.cpu(), batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=vectors.shape[1])[0]


def _one_direction(layer: nn.RNNBase, number: int, direction: str, vectors: Tensor) -> Tensor:
    """The states of one layer in one direction, [sentences, tokens, hidden]."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights = [getattr(layer, f"{name}_l{number}{direction}") for name in names]
    zero = vectors.new_zeros(1, len(vectors), layer.hidden_size)
    state = (zero, zero) if layer.mode == "LSTM" else zero
    # One layer, no dropout, one direction, batch first.
    return LAYERS[layer.mode](vectors, state, weights, True, 1, 0.0, layer.training, False, True)[0]


def _reorder(states: Tensor, steps: Tensor) -> Tensor:
    """States [sentences, tokens, size] in the order of `steps`, int64 [sentences, tokens, 1]."""
    return states.gather(1, steps.expand_as(states))


LAYERS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "RNN_TANH": torch.rnn_tanh,
    "GRU": torch.gru,
    "LSTM": torch.lstm,
}
"""By a torch layer's mode."""
