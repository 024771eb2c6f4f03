"""GPT-2's activation in few passes over memory."""

import math
from functools import cache

import numpy as np
import pyarrow as pa
import torch
from pyarrow.compute import take
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

SLOPE = 2 * math.sqrt(2 / math.pi)
CUBE = SLOPE * 0.044715


class GELU(nn.Module):
    """GELU in its tanh form (Hendrycks and Gimpel 2016): 0.5 x (1 + tanh(z)), z = sqrt(2/pi) (x + 0.044715 x^3).

    On a CPU it is computed as x sigmoid(2 z), the same function: torch's sigmoid takes a fourth of its tanh's time. In
    bf16 it is looked up.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[...] -> [...]."""
        if x.device.type != "cpu":
            return F.gelu(x, approximate="tanh")
        return (_LookedUp if x.dtype == torch.bfloat16 else _SigmoidForm).apply(x)


class _SigmoidForm(torch.autograd.Function):
    """Numbers between input and output have 32 bits at least."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        gate = (exact * exact).mul_(CUBE).add_(SLOPE).mul_(exact).sigmoid_()
        ctx.save_for_backward(x, gate)
        return (exact * gate).to(x.dtype)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        x, gate = ctx.saved_tensors
        exact = x.to(gate.dtype)
        # d/dx x s(u) = s + x u' s (1 - s), with u' = SLOPE + 3 CUBE x^2.
        slope = (exact * exact).mul_(3 * CUBE).add_(SLOPE).mul_(exact)
        slope = torch.ops.aten.sigmoid_backward(slope, gate).add_(gate)
        return slope.mul_(gradient.to(gate.dtype)).to(gradient.dtype)


class _LookedUp(torch.autograd.Function):
    """GELU of bf16, which has but 65,536 numbers: each value and slope is the exact one, rounded once."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _look_up(_tables()[0], x)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return _look_up(_tables()[1], x).mul_(gradient)


def _look_up(table: pa.Array, x: Tensor) -> Tensor:
    """The table's entry at the bits of each x. By Arrow: torch would make an index of 32 bits for each of 16."""
    bits = pa.array(x.contiguous().view(torch.int16).view(-1).numpy().view(np.uint16))
    found = take(table, bits, boundscheck=False, memory_pool=pa.system_memory_pool())
    return torch.from_dlpack(found).view(torch.bfloat16).view(x.shape)


@cache
def _tables() -> tuple[pa.Array, pa.Array]:
    """Bits of GELU's values and slopes in bf16, 65,536 each, in the order of the argument's bits."""
    bits = torch.arange(0x10000, dtype=torch.int32).to(torch.int16)
    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        x = bits.view(torch.bfloat16).double().requires_grad_()
        values = F.gelu(x, approximate="tanh")
        (slopes,) = torch.autograd.grad(values.sum(), x)
    return tuple(
        pa.array(found.detach().bfloat16().view(torch.int16).numpy().view(np.uint16)) for found in (values, slopes)
    )


def use_fast_activations(model: nn.Module) -> None:
    """Put GELU in the place of transformers' own, which makes eight passes over memory."""
    for name, module in list(model.named_modules()):
        if type(module).__name__ == "NewGELUActivation":
            model.set_submodule(name, GELU())
