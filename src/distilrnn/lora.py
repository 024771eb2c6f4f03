"""Low-rank adapters beside frozen linear maps (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language
Models").
"""

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from distilrnn.dropout import keep, mask_, masked
from distilrnn.errors import BadInput
from distilrnn.params.teacher import TuningParams


class _AdaptedMap(torch.autograd.Function):
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
        rank = U.shape[1]
        dropped = x if kept is None else masked(x, kept)
        up = (scale * V.T).to(x.dtype)
        up = up.contiguous() if b is None else torch.cat([up, b[None]])  # [rank, out], and the bias
        low = x.new_ones(len(up), len(x))
        torch.mm(U.T.to(x.dtype).contiguous(), dropped.T, out=low[:rank])  # [rank, tokens]
        ctx.save_for_backward(dropped, kept, low[:rank], W, U, up[:rank])
        ctx.scale = scale
        return (low.T @ up).addmm_(x, W)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        dropped, kept, low, W, U, up = ctx.saved_tensors
        low_gradient = up @ gradient.T  # [rank, tokens]
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = low_gradient.T @ U.T.to(gradient.dtype)
            if kept is not None:
                mask_(of_x, kept)
            of_x.addmm_(gradient, W.T)
        of_u = (low_gradient @ dropped).T.to(U.dtype)
        of_v = (low @ gradient).T.to(U.dtype).mul_(ctx.scale)
        return of_x, None, None, of_u, of_v, None, None


class LoRALinear(nn.Module):
    """A frozen linear map with a low-rank map beside it.

    y = W x + b + s (dropout(x) U) V^T  with U [in, rank], V [out, rank] and s = alpha / rank, or 1 where alpha is None.

    `linear` is an nn.Linear (weight [out, in]) or GPT-2's Conv1D (weight [in, out]). The initial values are
    xavier: U and V Xavier-uniform (the reference experiment; the adapter is not silent at first), or
    zero: V zero and U uniform within 1/sqrt(in) (the paper's: the adapted map starts as the frozen one).

    Raises:
        BadInput: the rank is larger than the map's smaller side.
    """

    def __init__(self, linear: nn.Module, rank: int, alpha: float | None, init: str, dropout: float) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.transposed = not isinstance(linear, nn.Linear)
        rows, columns = linear.weight.shape
        inputs, outputs = (rows, columns) if self.transposed else (columns, rows)
        if rank > min(inputs, outputs):
            raise BadInput(
                f"rank {rank} is larger than a map from {inputs} to {outputs}: use at most {min(inputs, outputs)}"
            )
        self.scale = 1.0 if alpha is None else alpha / rank
        self.dropout = dropout
        self.U = nn.Parameter(torch.empty(inputs, rank))
        self.V = nn.Parameter(torch.empty(outputs, rank))
        if init == "xavier":
            nn.init.xavier_uniform_(self.U)
            nn.init.xavier_uniform_(self.V)
        else:
            nn.init.uniform_(self.U, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs))
            nn.init.zeros_(self.V)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        rows, scale, kept = x.reshape(-1, x.shape[-1]), self.scale, None
        if self.training and self.dropout > 0:
            kept, factor = keep(rows, self.dropout)
            scale *= factor
        frozen = [p if p is None else p.to(x.dtype) for p in (self.linear.weight, self.linear.bias)]
        weight = frozen[0] if self.transposed else frozen[0].T
        y = _AdaptedMap.apply(rows, weight, frozen[1], self.U, self.V, kept, scale)
        return y.view(*x.shape[:-1], -1)

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """The plain linear map with the adapter added to its weight: W + s U V^T, in the frozen map's own layout."""
        update = self.scale * (self.U @ self.V.T)  # [in, out]
        weight = self.linear.weight
        weight += (update if self.transposed else update.T).to(weight.dtype)
        return self.linear


def linear_maps(model: nn.Module) -> dict[str, nn.Module]:
    """Every nn.Linear and Conv1D of the model, by its dotted name."""
    return {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear) or type(m).__name__ == "Conv1D"}


def select_maps(names: Sequence[str], targets: Sequence[str]) -> list[str]:
    """The names that any target matches: 'all-linear', or shell wildcards on the whole dotted name or its end.

    Raises:
        BadInput: a target matches none.
    """
    chosen: set[str] = set()
    for target in targets:
        matching = [
            n for n in names if target == "all-linear" or fnmatchcase(n, target) or fnmatchcase(n, f"*.{target}")
        ]
        if not matching:
            kinds = sorted({".".join(part for part in name.split(".") if not part.isdigit()) for name in names})
            raise BadInput(f"target {target!r} matches no linear map: use all-linear or patterns of {', '.join(kinds)}")
        chosen.update(matching)
    return [name for name in names if name in chosen]


def inject(model: nn.Module, tuning: TuningParams) -> list[str]:
    """Put a LoRALinear in the place of each chosen linear map, and return their names; raises BadInput."""
    maps = linear_maps(model)
    names = select_maps(list(maps), tuning.targets)
    for name in names:
        _replace(model, name, LoRALinear(maps[name], tuning.rank, tuning.alpha, tuning.init, tuning.dropout))
    return names


def merge(model: nn.Module) -> None:
    """Merge every adapter into its linear map and remove it: the model is again made of plain maps."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoRALinear):
            _replace(model, name, module.merged())


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module in the place of another, whose hooks before forward belong to the place."""
    hooks = model.get_submodule(name)._forward_pre_hooks
    module._forward_pre_hooks.update(hooks)
    hooks.clear()
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a normalisation layer, whatever the architecture calls it (LayerNorm, GemmaRMSNorm, ...)."""
    return "norm" in type(module).__name__.lower()
