"""GPT-2's activation, in the form that is fast on a CPU."""

import pytest
import torch
from torch.nn import functional as F

from distilrnn.models.kernels.gelu import GELU

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


def test_every_bf16_number_has_the_nearest_value_and_slope():
    numbers = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    x = numbers[numbers.isfinite()].requires_grad_()
    exact = x.detach().double().requires_grad_()
    expected = F.gelu(exact, approximate="tanh")
    expected.sum().backward()
    found = GELU()(x)
    found.sum().backward()
    assert len(x) == 2**16 - 2**8  # all but the infinities and what is no number
    assert torch.equal(found, expected.bfloat16())
    assert torch.equal(x.grad, exact.grad.bfloat16())


def test_what_lies_across_memory_is_looked_up_too():
    x = torch.randn(5, 7, 3).bfloat16().transpose(0, 2)
    assert torch.equal(GELU()(x), GELU()(x.contiguous()))
