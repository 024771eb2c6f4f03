"""Small random configurations of several architectures."""

import transformers

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
LLAMA = {**SMALL, "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 32, "vocab_size": 500}
BERT = {**SMALL, "max_position_embeddings": 32, "vocab_size": 500}
ARCHITECTURES = {
    "gpt2": (transformers.GPT2Config, {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32, "vocab_size": 500}),
    "llama": (transformers.LlamaConfig, LLAMA),
    "gemma3": (transformers.Gemma3TextConfig, {**LLAMA, "sliding_window": 4, "query_pre_attn_scalar": 8}),
    "bert": (transformers.BertConfig, BERT),
    "distilbert": (
        transformers.DistilBertConfig,
        {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 32, "vocab_size": 500},
    ),
}
BIDIRECTIONAL = {"bert", "distilbert"}
