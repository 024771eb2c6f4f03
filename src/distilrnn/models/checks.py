"""What is tried on random ids before a teacher is used, since no list of architectures is ever complete."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from distilrnn.errors import InputError, brief

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from distilrnn.models.teacher import Teacher

TOLERANCE = 1e-3
"""Largest difference that counts as rounding, as a share of the largest value."""
TOKENS = 6


def looks_ahead(body: "PreTrainedModel") -> bool:
    """Whether the state of a token depends on tokens behind it: a base that is called causal may not be (XLNet)."""
    ids = _random_ids(body, 1)
    changed = ids.clone()
    changed[:, -1] = ids[:, 0]
    try:
        with _trying(body):
            states, other = (body(input_ids=i, use_cache=False).last_hidden_state[:, :-1] for i in (ids, changed))
    except Exception as error:
        name = type(body).__name__
        raise InputError(
            f"{name}: this base does not run as a teacher ({brief(error)}): choose another model"
        ) from None
    return not _close(states, other)


def check_shortcut(teacher: "Teacher") -> None:
    """Leave out the last-token shortcut where it fails, or where the logits differ from those without it."""
    if not teacher.reads_last_token_alone:
        return
    ids, lengths = _random_ids(teacher.body, 3), torch.tensor([TOKENS, TOKENS - 1, TOKENS - 3])
    with _trying(teacher):
        teacher.reads_last_token_alone = False
        plain = teacher(ids, lengths)
        teacher.reads_last_token_alone = True
        try:
            reason = None if _close(teacher(ids, lengths), plain) else "it changes the logits"
        except Exception as error:  # what a strange architecture raises is its own affair
            reason = brief(error)
    if reason is not None:
        teacher.reads_last_token_alone = False
        teacher.notes.append(f"the last block computes every token ({type(teacher.body).__name__}: {reason})")


def check_padding(teacher: "Teacher") -> None:
    """Refuse a base that cannot be run as a teacher runs it, or whose logits depend on padding; raises InputError."""
    name = type(teacher.body).__name__
    ids, lengths = _random_ids(teacher.body, 2), torch.tensor([TOKENS, TOKENS - 2])
    try:
        with _trying(teacher):
            together, alone = teacher(ids, lengths)[1:], teacher(ids[1:, : TOKENS - 2], lengths[1:])
    except Exception as error:
        raise InputError(
            f"{name}: this base does not run as a teacher ({brief(error)}): choose another model"
        ) from None
    if not _close(together, alone):
        raise InputError(f"{name}: the logits of a sentence depend on its padding: choose another model")


@contextmanager
def _trying(model: nn.Module) -> Iterator[None]:
    """Here, without gradients and in evaluation mode; afterwards every module is as it was."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in training.items():
            module.training = mode


def _random_ids(body: "PreTrainedModel", sentences: int) -> Tensor:
    """Ids [sentences, TOKENS], none of them one that the configuration gives a role to, such as padding."""
    config = body.config.get_text_config()
    special = {value for key, value in config.to_dict().items() if key.endswith("_token_id") and isinstance(value, int)}
    usual = [i for i in range(min(config.vocab_size, 1000)) if i not in special]
    draws = torch.randint(len(usual), (sentences, TOKENS), generator=torch.Generator().manual_seed(0))
    return torch.tensor(usual)[draws]


def _close(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= TOLERANCE * other.abs().max())
