"""Language models of well-known shapes; weights are random."""

from typing import Any

import torch
from torch import nn
from transformers import AutoModel, BertConfig, Gemma3TextConfig, GPT2Config, LlamaConfig, PretrainedConfig

TEACHERS: dict[str, tuple[type[PretrainedConfig], dict[str, Any]]] = {
    "MiniLM": (
        BertConfig,
        {
            "vocab_size": 30522,
            "hidden_size": 384,
            "num_hidden_layers": 6,
            "num_attention_heads": 12,
            "intermediate_size": 1536,
        },
    ),
    "GPT-2": (GPT2Config, {}),
    "SmolLM2-135M": (
        LlamaConfig,
        {
            "vocab_size": 49152,
            "hidden_size": 576,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "intermediate_size": 1536,
        },
    ),
    "Gemma 3 270M": (
        Gemma3TextConfig,
        {
            "vocab_size": 262144,
            "hidden_size": 640,
            "num_hidden_layers": 18,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 256,
            "intermediate_size": 2048,
        },
    ),
}


TINY_BODY = {"num_hidden_layers": 2, "vocab_size": 2000}
"""What makes any of them small enough to try the code with."""


def body(name: str, tiny: bool) -> nn.Module:
    """A language model without a head."""
    kind, settings = TEACHERS[name]
    torch.manual_seed(0)
    config = kind(**settings)
    if tiny:
        for key, value in TINY_BODY.items():
            setattr(config, key, value)
    if tiny and hasattr(config, "layer_types"):
        config.layer_types = config.layer_types[:2]
    return AutoModel.from_config(config)
