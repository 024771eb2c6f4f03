"""Attention among the few tokens of a sentence, for CPUs."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distilrnn.models.kernels import is_on

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SHORT = "distilrnn_short"
"""Name of `short_attention` among transformers' attentions."""


def short_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: object,
) -> tuple[Tensor, None]:
    """softmax(scaling query key^T + mask) value (Vaswani et al. 2017, "Attention Is All You Need", equation 1).

    From [sentences, heads, tokens, width] to [sentences, tokens, heads, width]. It is what transformers calls eager,
    but for softmax, which torch computes row by row: rows of ten tokens take it ten times as long as their numbers
    need. Here sentences and heads come last, and a CPU takes many of them at once.

    Raises:
        ValueError: there is no mask and more than one token: which of them a token sees is then not known.
    """
    sentences, heads, tokens, width = query.shape
    if attention_mask is None and max(tokens, key.shape[2]) > 1:
        raise ValueError(f"attention among {key.shape[2]} tokens needs a mask that says which of them a token sees")
    scores = (query @ key.transpose(2, 3)).mul(width**-0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = scores + attention_mask
    rows = scores.flatten(0, 1).permute(1, 2, 0).contiguous().softmax(1, torch.float32)
    shares = rows.to(value.dtype).permute(2, 0, 1).reshape(sentences, heads, tokens, -1)
    return (F.dropout(shares, dropout, module.training) @ value).transpose(1, 2), None


def plain_attention(
    query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, scaling: float | None = None
) -> Tensor:
    """The same by torch's softmax along rows."""
    scores = (query @ key.transpose(2, 3)).mul(query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = scores + attention_mask
    return (scores.softmax(-1, torch.float32).to(value.dtype) @ value).transpose(1, 2)


def use_short_attention(body: "PreTrainedModel") -> None:
    """For short sentences in bf16 on a CPU: there, fused attention's gradients take up to ten times as long."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    if not is_on("attention"):
        return
    gpt2 = body.config.model_type == "gpt2" and not body.config.reorder_and_upcast_attn
    AttentionInterface.register(SHORT, short_attention)
    AttentionMaskInterface.register(SHORT, eager_mask)
    body.set_attn_implementation(SHORT if gpt2 else "eager")
