"""Low-rank adapters beside frozen linear maps (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language
Models").
"""

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distilrnn.errors import BadInput
from distilrnn.params.teacher import TuningParams


class Dropout(nn.Dropout):
    """Dropout, several times faster on a CPU than torch's, which draws one random number an element there.

    Four elements share 64 random bits: p is met to 1 in 65,536, and kept elements are scaled by what it really is.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[...] -> [...]: some elements zero, the others scaled up."""
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return super().forward(x)
        levels = min(round((1 - self.p) * 65536), 65535)  # of 65,536 numbers, those that keep
        # Seeded from torch's generator: one seed sets all that is random.
        seed = int(torch.randint(2**63 - 1, ()))
        bits = np.random.SFC64(seed).random_raw(-(-x.numel() // 4)).view(np.int16)[: x.numel()]
        kept = torch.empty_like(x, memory_format=torch.contiguous_format)
        torch.lt(torch.from_numpy(bits).view(x.shape), levels - 32768, out=kept)
        return x * kept.mul_(65536 / max(levels, 1))


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
        self.linear = linear
        self.transposed = not isinstance(linear, nn.Linear)
        rows, columns = linear.weight.shape
        inputs, outputs = (rows, columns) if self.transposed else (columns, rows)
        if rank > min(inputs, outputs):
            raise BadInput(
                f"rank {rank} is larger than a map from {inputs} to {outputs}: use at most {min(inputs, outputs)}"
            )
        self.scale = 1.0 if alpha is None else alpha / rank
        self.dropout = Dropout(dropout)
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
            x = x.to(torch.get_autocast_dtype(x.device.type))  # once, for both maps
        y = self.linear(x)
        # U as [rank, in]: with so few columns a product is several times faster in this layout, and so is its gradient.
        low = F.linear(self.dropout(x), self.U.T.contiguous())
        rows = y.reshape(-1, y.shape[-1])
        return torch.addmm(rows, low.reshape(-1, low.shape[-1]), self.V.T, alpha=self.scale).view(y.shape)

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
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a normalisation layer, whatever the architecture calls it (LayerNorm, GemmaRMSNorm, ...)."""
    return "norm" in type(module).__name__.lower()
