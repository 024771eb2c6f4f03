"""A tanh layer that multiplies each token type's input once is torch's own."""

import numpy as np
import pytest
import torch

from distilrnn.models import student
from distilrnn.models.kernels import VARIABLE
from distilrnn.models.kernels.rnn import rnn_forward
from distilrnn.params.student import StudentModelParams


def test_states_and_gradients_are_the_layers():
    torch.manual_seed(0)
    layer = torch.nn.RNN(5, 7, batch_first=True).double()
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


def test_in_bf16_it_is_nearly_so():
    torch.manual_seed(0)
    layer = torch.nn.RNN(16, 16, batch_first=True)
    vectors, positions = torch.randn(6, 16), torch.randint(0, 6, (9, 4))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = rnn_forward(layer, vectors, positions)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), layer(vectors[positions])[0].detach(), rtol=0.05, atol=0.03)


@pytest.mark.parametrize(
    ("cell", "setting", "used"),
    [
        ("rnn", "all", True),
        ("rnn", "plain", False),
        ("rnn", "dropout", False),
        ("gru", "all", False),
        ("lstm", "all", False),
    ],
)
def test_a_student_trains_with_it_if_it_has_a_tanh_layer_and_the_kernel_is_on(monkeypatch, cell, setting, used):
    calls = []
    monkeypatch.setenv(VARIABLE, setting)
    monkeypatch.setattr(student, "rnn_forward", lambda *given: calls.append(given) or rnn_forward(*given))
    made = student.Student(np.arange(20), 2, StudentModelParams(cell=cell, embedding=4, hidden=4), 0)
    ids, lengths = torch.randint(0, 20, (3, 5)), torch.full((3,), 5)
    made(ids, lengths).sum().backward()
    assert bool(calls) is used
    calls.clear()
    with torch.no_grad():
        made(ids, lengths)
    assert not calls
