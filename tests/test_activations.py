"""GPT-2's activation, in the form that is fast on a CPU."""

import pytest
import torch
from torch.nn import functional as F

from distilrnn.activations import GELU

POINTS = torch.cat([torch.linspace(-12, 12, 2001), torch.tensor([-1e4, -50.0, 0.0, 50.0, 1e4])])


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-6), (torch.bfloat16, 1e-2)]
)
def test_values_and_gradients_are_gelus(dtype, tolerance):
    x = POINTS.clone().to(dtype).detach().requires_grad_()
    upstream = torch.linspace(-2, 2, len(x)).to(dtype)
    exact = x.detach().double().requires_grad_()
    expected = F.gelu(exact, approximate="tanh")
    (expected * upstream.double()).sum().backward()
    found = GELU()(x)
    (found * upstream).sum().backward()
    assert found.dtype == x.grad.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(x.grad.double(), exact.grad, rtol=tolerance, atol=2 * tolerance)
