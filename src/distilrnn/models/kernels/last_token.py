"""Leave out what the last block computes for tokens that the head never reads."""

from contextvars import ContextVar

from torch import Tensor, nn

last_token_state: ContextVar[tuple[Tensor, Tensor]] = ContextVar("read")
"""Sentence and token that are read, of the batch that this thread computes."""


def select_last_token(body: nn.Module) -> list[nn.Module]:
    """What of the last block is needed at the token that is read, alone: its MLP, and the map of attention's output.

    Empty where the block is not one that is known to treat every token alone there.
    """
    layers = body.config.get_text_config().num_hidden_layers
    blocks = [m for m in body.modules() if isinstance(m, nn.ModuleList) and len(m) == layers]
    mlp = getattr(blocks[0][-1], "mlp", None) if len(blocks) == 1 else None
    if not type(mlp).__name__.endswith("MLP"):
        return []
    attention = getattr(blocks[0][-1], "attn", None) or getattr(blocks[0][-1], "self_attn", None)
    output = getattr(attention, "c_proj", None) or getattr(attention, "o_proj", None)
    return [mlp] if output is None else [output, mlp]
