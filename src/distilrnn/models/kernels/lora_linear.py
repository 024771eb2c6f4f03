"""The fused forward and backward pass of a frozen linear layer and its low-rank update."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from distilrnn.models.kernels import is_on
from distilrnn.models.kernels.dropout import apply_mask, apply_mask_


def lora_linear(
    x: Tensor, W: Tensor, b: Tensor | None, U: Tensor, V: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """A frozen linear layer and its low-rank update (Hu et al. 2021, equation 3): x W + b + scale dropped(x) U V^T.

    Args:
        x: [tokens, in].
        W: frozen weight [in, out].
        b: its bias [out].
        U: [in, rank], peft's lora_A transposed.
        V: [out, rank], peft's lora_B.
        mask: dropout mask of x, as `dropout_mask` makes it; None: no dropout.
        scale: alpha / rank, and what dropout scales kept elements by.

    Returns:
        [tokens, out].
    """
    if is_on("lora_linear"):
        return LoRALinearFunction.apply(x, W, b, U, V, mask, scale)
    return plain_lora_linear(x, W, b, U, V, mask, scale)


def plain_lora_linear(
    x: Tensor, W: Tensor, b: Tensor | None, U: Tensor, V: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """The same, operation by operation."""
    dropped = x if mask is None else x * (mask != 0)
    y = x @ W + scale * ((dropped @ U.to(x.dtype)) @ V.T.to(x.dtype))
    return y if b is None else y + b


class LoRALinearFunction(torch.autograd.Function):
    """`lora_linear` with fewer passes over memory; W and b are frozen and have no gradient.

    The bias is one more row of the low-rank product, which is computed first, and the frozen product is accumulated
    into it: two passes over [tokens, out] less. The low-rank products have their narrow factor first, as rows: with so
    few rows or columns a CPU is several times faster in this layout. It can be differentiated once: the backward pass
    takes what forward saved for constants.
    """

    @staticmethod
    def forward(  # noqa: PLR0913 - autograd asks for one argument for each gradient
        ctx: Any,  # noqa: ANN401 - torch's stub of FunctionCtx lacks what it has
        x: Tensor,
        W: Tensor,
        b: Tensor | None,
        U: Tensor,
        V: Tensor,
        mask: Tensor | None,
        scale: float,
    ) -> Tensor:
        """[tokens, out]."""
        rank = U.shape[1]
        dropped = x if mask is None else apply_mask(x, mask)
        up = (scale * V.T).to(x.dtype)
        up = up.contiguous() if b is None else torch.cat([up, b[None]])  # [rank, out], and the bias
        low = x.new_ones(len(up), len(x))
        torch.mm(U.T.to(x.dtype).contiguous(), dropped.T, out=low[:rank])  # [rank, tokens]
        ctx.save_for_backward(dropped, mask, low[:rank], W, U, up[:rank])
        ctx.scale = scale
        return (low.T @ up).addmm_(x, W)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - as above
        """Gradients of x, U and V, from the output's [tokens, out]."""
        dropped, mask, low, W, U, up = ctx.saved_tensors
        grad_low = up @ grad_y.T  # [rank, tokens]
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = grad_low.T @ U.T.to(grad_y.dtype)
            if mask is not None:
                apply_mask_(grad_x, mask)
            grad_x.addmm_(grad_y, W.T)
        grad_u = (grad_low @ dropped).T.to(U.dtype)
        grad_v = (low @ grad_y).T.to(U.dtype).mul_(ctx.scale)
        return grad_x, None, None, grad_u, grad_v, None, None
