"""Attention among the few tokens of a sentence, for CPUs."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
    """
    sentences, heads, tokens, width = query.shape
    scores = (query @ key.transpose(2, 3)).mul(width**-0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = scores + attention_mask
    rows = scores.flatten(0, 1).permute(1, 2, 0).contiguous().softmax(1, torch.float32)
    shares = rows.to(value.dtype).permute(2, 0, 1).reshape(sentences, heads, tokens, -1)
    return (F.dropout(shares, dropout, module.training) @ value).transpose(1, 2), None


def use_short_attention(body: nn.Module) -> None:
    """For short sentences in bf16 on a CPU: there, fused attention's gradients take up to ten times as long."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    gpt2 = body.config.model_type == "gpt2" and not body.config.reorder_and_upcast_attn
    AttentionInterface.register(SHORT, short_attention)
    AttentionMaskInterface.register(SHORT, eager_mask)
    body.set_attn_implementation(SHORT if gpt2 else "eager")
