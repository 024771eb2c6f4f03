"""One recurrent layer in one direction, equal to torch's, with one input product a distinct token of the batch.

A batch of 128 sentences of CoLA has 1,200 tokens and 570 distinct ones: half of the products with the input weights,
and of their gradients, are saved.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State = tuple[Tensor, ...]
"""Hidden state [sentences, hidden], and the LSTM's cell state."""


def rnn_forward(layer: nn.RNNBase, vectors: Tensor, positions: Tensor) -> Tensor:
    """The hidden states of every step.

    Args:
        layer: of one layer and one direction.
        vectors: [distinct tokens, embedding].
        positions: int64 [sentences, tokens], each token's row in `vectors`.

    Returns:
        [sentences, tokens, hidden], what `layer(vectors[positions])[0]` is.
    """
    step, folded = STEPS[layer.mode]
    input_weight, state_weight, input_bias, state_bias = layer.all_weights[0]
    inputs = F.linear(vectors, input_weight, input_bias + state_bias if folded else input_bias)
    # Once, where autocast would do it at every step.
    weight, bias = state_weight.to(inputs.dtype), state_bias.to(inputs.dtype)
    zero = inputs.new_zeros(len(positions), layer.hidden_size)
    state: State = (zero, zero)
    outputs = []
    for step_inputs in F.embedding(positions.T.contiguous(), inputs):  # [sentences, gates x hidden]
        state = step(step_inputs, state, weight, bias)
        outputs.append(state[0])
    return torch.stack(outputs, 1)


def _rnn(inputs: Tensor, state: State, weight: Tensor, _bias: Tensor) -> State:
    return (torch.addmm(inputs, state[0], weight.T).tanh(),)


def _gru(inputs: Tensor, state: State, weight: Tensor, bias: Tensor) -> State:
    reset, update, new = inputs.chunk(3, -1)
    old_reset, old_update, old_new = F.linear(state[0], weight, bias).chunk(3, -1)
    candidate = (new + (reset + old_reset).sigmoid() * old_new).tanh()
    return (candidate + (update + old_update).sigmoid() * (state[0] - candidate),)


def _lstm(inputs: Tensor, state: State, weight: Tensor, _bias: Tensor) -> State:
    enter, forget, cell, output = torch.addmm(inputs, state[0], weight.T).chunk(4, -1)
    kept = forget.sigmoid() * state[1] + enter.sigmoid() * cell.tanh()
    return output.sigmoid() * kept.tanh(), kept


STEPS: dict[str, tuple[Callable[[Tensor, State, Tensor, Tensor], State], bool]] = {
    "RNN_TANH": (_rnn, True),
    "GRU": (_gru, False),
    "LSTM": (_lstm, True),
}
"""By a torch layer's mode: inputs [sentences, gates x hidden], state, weight and bias of the state to the next state;
and whether that bias is already in the inputs."""
