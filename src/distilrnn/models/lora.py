"""Low-rank adapters beside frozen linear layers (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models").

U and V are the reference experiment's names: U is peft's lora_A transposed, A = U^T, and V is its lora_B, B = V.
"""

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import cast

import torch
from torch import Tensor, nn

from distilrnn.errors import InputError
from distilrnn.models.kernels.dropout import dropout_mask
from distilrnn.models.kernels.lora_linear import lora_linear
from distilrnn.params.teacher import TuningParams


class LoRALinear(nn.Module):
    """A frozen linear layer with a low-rank one beside it.

    y = W x + b + s (dropout(x) U) V^T  with U [in, rank], V [out, rank] and s = alpha / rank, or 1 where alpha is None.

    `linear` is an nn.Linear (weight [out, in]) or GPT-2's Conv1D (weight [in, out]). The initial values are
    xavier: U and V Xavier-uniform (the reference experiment; the adapter is not silent at first), or
    zero: V zero and U uniform within 1/sqrt(in) (the paper's: the adapted layer starts as the frozen one).

    Raises:
        InputError: the rank exceeds the layer's smaller side.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float | None, init: str, dropout: float) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.transposed = not isinstance(linear, nn.Linear)
        rows, columns = linear.weight.shape
        inputs, outputs = (rows, columns) if self.transposed else (columns, rows)
        if rank > min(inputs, outputs):
            raise InputError(
                f"LoRA rank {rank} exceeds the smaller side of a {inputs} × {outputs} layer: "
                f"use at most {min(inputs, outputs)}"
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
        rows, scale, mask = x.reshape(-1, x.shape[-1]), self.scale, None
        if self.training and self.dropout > 0:
            mask, factor = dropout_mask(rows, self.dropout)
            scale *= factor
        weight, bias = self.linear.weight.to(x.dtype), self.bias
        bias = None if bias is None else bias.to(x.dtype)
        y = lora_linear(rows, weight if self.transposed else weight.T, bias, self.U, self.V, mask, scale)
        return y.view(*x.shape[:-1], -1)

    @property
    def weight(self) -> Tensor:
        """What the layer multiplies by, in the frozen layer's own layout; for models that read it themselves."""
        update = self.scale * (self.U @ self.V.T)
        return self.linear.weight + (update if self.transposed else update.T).to(self.linear.weight.dtype)

    @property
    def bias(self) -> Tensor | None:
        """The frozen layer's bias."""
        return self.linear.bias

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """The frozen layer with the adapter added to its weight: W + s U V^T, in its own layout."""
        update = self.scale * (self.U @ self.V.T)  # [in, out]
        weight = self.linear.weight
        weight += (update if self.transposed else update.T).to(weight.dtype)
        return self.linear


def linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """Every nn.Linear and Conv1D of the model, by its dotted name; both have a weight and perhaps a bias."""
    return {
        name: cast(nn.Linear, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
    }


def match_target_modules(names: Sequence[str], targets: Sequence[str]) -> list[str]:
    """The names that any target matches: 'all-linear', or shell wildcards on the whole dotted name or its end.

    Raises:
        InputError: a target matches none.
    """
    chosen: set[str] = set()
    for target in targets:
        matching = [
            n for n in names if target == "all-linear" or fnmatchcase(n, target) or fnmatchcase(n, f"*.{target}")
        ]
        if not matching:
            kinds = sorted({".".join(part for part in name.split(".") if not part.isdigit()) for name in names})
            raise InputError(
                f"target {target!r} matches no linear layer: use all-linear or patterns of {', '.join(kinds)}"
            )
        chosen.update(matching)
    return [name for name in names if name in chosen]


def inject(model: nn.Module, tuning: TuningParams) -> list[str]:
    """Put a LoRALinear in the place of each chosen linear layer, and return the names of those left out.

    all-linear leaves out layers whose smaller side is below the rank. A pattern that names one is refused, as is a rank
    above every layer's; raises InputError.
    """
    layers = linear_layers(model)
    by_pattern = [target for target in tuning.targets if target != "all-linear"]
    named = match_target_modules(list(layers), by_pattern)
    small = [n for n, m in layers.items() if min(m.weight.shape) < tuning.rank and n not in named]
    if len(small) == len(layers):
        small = []  # refused below
    names = [n for n in match_target_modules(list(layers), tuning.targets) if n not in small]
    for name in names:
        _replace(model, name, LoRALinear(layers[name], tuning.rank, tuning.alpha, tuning.init, tuning.dropout))
    return small if "all-linear" in tuning.targets else []


def merge(model: nn.Module) -> None:
    """Merge every adapter into its linear layer and remove it: the model is again made of plain layers."""
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
