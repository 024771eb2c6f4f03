"""The fused forward and backward pass of a frozen linear layer and its low-rank update."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from distilrnn.models.kernels.dropout import apply_mask, apply_mask_


class LoRALinearFunction(torch.autograd.Function):
    """y = x W + b + scale dropped(x) U V^T for x [tokens, in], W [in, out], b [out], U [in, rank], V [out, rank].

    `kept` [tokens, in] is what dropout keeps of x, or None. W and b are frozen: they have no gradient. One function
    instead of torch's parts, so that nothing is read and written again only to be added to: the bias is one more row of
    the adapter, whose product comes first, and the frozen map's is added as it is computed. The adapter's products have
    their narrow factor first, as rows: with so few rows or columns a CPU is several times faster in this layout.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        W: Tensor,
        b: Tensor | None,
        U: Tensor,
        V: Tensor,
        kept: Tensor | None,
        scale: float,
    ) -> Tensor:
        """[tokens, out]."""
        rank = U.shape[1]
        dropped = x if kept is None else apply_mask(x, kept)
        up = (scale * V.T).to(x.dtype)
        up = up.contiguous() if b is None else torch.cat([up, b[None]])  # [rank, out], and the bias
        low = x.new_ones(len(up), len(x))
        torch.mm(U.T.to(x.dtype).contiguous(), dropped.T, out=low[:rank])  # [rank, tokens]
        ctx.save_for_backward(dropped, kept, low[:rank], W, U, up[:rank])
        ctx.scale = scale
        return (low.T @ up).addmm_(x, W)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x, U and V, from the output's [tokens, out]."""
        dropped, kept, low, W, U, up = ctx.saved_tensors
        low_gradient = up @ gradient.T  # [rank, tokens]
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = low_gradient.T @ U.T.to(gradient.dtype)
            if kept is not None:
                apply_mask_(of_x, kept)
            of_x.addmm_(gradient, W.T)
        of_u = (low_gradient @ dropped).T.to(U.dtype)
        of_v = (low @ gradient).T.to(U.dtype).mul_(ctx.scale)
        return of_x, None, None, of_u, of_v, None, None
