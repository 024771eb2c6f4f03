"""A recurrent layer that multiplies each token type's input once is torch's own."""

import pytest
import torch

from distilrnn.models.kernels.rnn import rnn_forward
from distilrnn.models.student import CELLS


@pytest.mark.parametrize("cell", CELLS)
def test_states_and_gradients_are_the_layers(cell):
    torch.manual_seed(0)
    layer = CELLS[cell](5, 7, batch_first=True).double()
    positions = torch.randint(0, 6, (9, 4))
    upstream = torch.randn(9, 4, 7, dtype=torch.float64)

    def gradients(states_of):
        vectors = torch.linspace(-2, 2, 30, dtype=torch.float64).view(6, 5).requires_grad_()
        states = states_of(vectors)
        return states, torch.autograd.grad((states * upstream).sum(), [vectors, *layer.parameters()])

    expected, of_torch = gradients(lambda vectors: layer(vectors[positions])[0])
    found, of_ours = gradients(lambda vectors: rnn_forward(layer, vectors, positions))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for one, other in zip(of_ours, of_torch, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_in_bf16_it_is_nearly_so(cell):
    torch.manual_seed(0)
    layer = CELLS[cell](16, 16, batch_first=True)
    vectors, positions = torch.randn(6, 16), torch.randint(0, 6, (9, 4))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = rnn_forward(layer, vectors, positions)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), layer(vectors[positions])[0].detach(), rtol=0.05, atol=0.03)
