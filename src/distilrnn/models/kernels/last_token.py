"""Leave out what the last block computes for tokens that the head never reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Place = tuple[Tensor, Tensor]
"""Index of each sentence, and of the token that is read of it; int64 [sentences] each."""

_last_token: ContextVar[Place | None] = ContextVar("last_token", default=None)


@contextmanager
def reading(place: Place | None) -> Iterator[None]:
    """Here, and in this thread alone, the last block may leave out all tokens but these; None: none of them."""
    token = _last_token.set(place)
    try:
        yield
    finally:
        _last_token.reset(token)


def place_read() -> Place | None:
    """What `reading` was given."""
    return _last_token.get()


def last_token_modules(body: "PreTrainedModel") -> list[nn.Module]:
    """The modules of the last block that are needed at the token that is read alone: its MLP, and attention's output.

    A guess by name: whoever uses it compares the results with and without (`models.checks`). Empty where nothing has
    those names.
    """
    layers = body.config.get_text_config().num_hidden_layers
    blocks = [m for m in body.modules() if isinstance(m, nn.ModuleList) and len(m) == layers]
    mlp = getattr(blocks[0][-1], "mlp", None) if len(blocks) == 1 else None
    if mlp is None or not type(mlp).__name__.endswith("MLP"):
        return []
    attention = getattr(blocks[0][-1], "attn", None) or getattr(blocks[0][-1], "self_attn", None)
    output = getattr(attention, "c_proj", None) or getattr(attention, "o_proj", None)
    return [mlp] if output is None else [output, mlp]


def select_last_token(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    """A hook before forward: [sentences, tokens, width] to [sentences, 1, width], where `reading` says which token.

    The module's output is added to the states of all tokens by broadcasting: those of other tokens become wrong, and
    are never read. The plain form is no hook, or no `reading`.
    """
    place = _last_token.get()
    return None if place is None else (inputs[0][place][:, None], *inputs[1:])
