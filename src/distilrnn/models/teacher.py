"""The teacher: a base language model with a classification head, tuned by LoRA, in full, or at the head alone."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from distilrnn.data.long_texts import TextLimit, windows
from distilrnn.errors import InputError
from distilrnn.models.bases import is_bidirectional, load_body, longest_text, recorded_pooling
from distilrnn.models.checks import check_padding, check_shortcut, looks_ahead
from distilrnn.models.kernels import is_on
from distilrnn.models.kernels.attention import use_short_attention
from distilrnn.models.kernels.dropout import drawing_from, generator_state
from distilrnn.models.kernels.last_token import last_token_modules, place_read, reading, select_last_token
from distilrnn.models.lora import inject, is_norm, linear_layers
from distilrnn.params.teacher import Pooling, TuningParams
from distilrnn.runtime.device import Device

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENS_AT_ONCE = 4096
"""Tokens of one batch's windows that are read together where no gradients are kept."""


class Teacher(nn.Module):
    """A base's body and a linear head without bias on a pooled last hidden state.

    `pooling` is the state that the head reads. By default that is the last real token's of a causal base, the only one
    that has seen the whole sentence, and the first one's of a bidirectional base. mean is over the real tokens.

    `bidirectional` says whether every token sees the whole sentence; None: as the base's configuration says.

    Raises:
        InputError: first_token of a causal base, which has seen nothing but itself.
    """

    body: "PreTrainedModel"

    def __init__(
        self, body: "PreTrainedModel", classes: int, pooling: Pooling | None = None, bidirectional: bool | None = None
    ) -> None:
        super().__init__()
        self.body = body
        self.bidirectional = is_bidirectional(body.config) if bidirectional is None else bidirectional
        self.pooling: Pooling = pooling or ("first_token" if self.bidirectional else "last_token")
        if self.pooling == "first_token" and not self.bidirectional:
            raise InputError(
                "pooling is first_token, but the base is causal, so its first token sees nothing of the rest: "
                "set it to last_token or mean"
            )
        self.context = longest_text(body)
        self.limit = TextLimit()
        self.head = nn.Linear(body.config.get_text_config().hidden_size, classes, bias=False)
        self.notes: list[str] = []
        """What a person should know about this teacher, a sentence each."""
        self.reads_last_token_alone = not self.bidirectional and self.pooling == "last_token" and is_on("last_token")
        """Whether the last block computes what the head reads, and leaves out the rest."""
        if self.reads_last_token_alone:
            for module in last_token_modules(body):
                module.register_forward_pre_hook(select_last_token)

    def require_room(self, longest: int) -> None:
        """Refuse sentences of more tokens than the base has positions; raises InputError."""
        if self.context is not None and longest > self.context:
            raise InputError(
                f"a sentence of {longest} tokens is longer than the {self.context} that the base reads: "
                f"set tokenize.max_length to {self.context} or less"
            )

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids [sentences, tokens], padded on the right, and lengths [sentences] to logits [sentences, classes].

        Where `limit` has texts read in windows, the logits of a text are the mean of its windows'.

        Raises:
            InputError: a sentence is longer than the base can read.
        """
        if self.limit.policy == "windows" and self.limit.is_long(ids.shape[1]):
            return self._in_windows(ids, lengths)
        return self._at_once(ids, lengths)

    def _at_once(self, ids: Tensor, lengths: Tensor) -> Tensor:
        self.require_room(ids.shape[1])
        last = torch.arange(len(ids), device=ids.device), lengths - 1
        real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        if self.bidirectional:
            states = self.body(input_ids=ids, attention_mask=real.long()).last_hidden_state
        else:
            # No mask: what is padded stands behind the token that is read, and a causal model does not look ahead.
            with reading(last if self.reads_last_token_alone else None):
                states = self.body(input_ids=ids, use_cache=False).last_hidden_state
        if self.pooling == "mean":
            return self.head(states.masked_fill(~real[..., None], 0).sum(1) / lengths[:, None])
        return self.head(states[:, 0] if self.pooling == "first_token" else states[last])

    def _in_windows(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The mean of the windows' logits; without gradients, a few windows at a time."""
        found = windows(lengths.cpu().numpy(), self.limit)
        texts, positions, sizes = (
            torch.from_numpy(part).to(ids.device) for part in (found.texts, found.positions, found.lengths)
        )
        at_once = len(texts) if torch.is_grad_enabled() else max(1, TOKENS_AT_ONCE // positions.shape[1])
        logits = torch.cat(
            [
                self._at_once(ids[of[:, None], where], size).float()
                for of, where, size in zip(
                    texts.split(at_once), positions.split(at_once), sizes.split(at_once), strict=True
                )
            ]
        )
        total = logits.new_zeros(len(ids), logits.shape[1]).index_add(0, texts, logits)
        return total / torch.bincount(texts, minlength=len(ids))[:, None]

    def checkpoint_gradients(self) -> None:
        """Keep each block's input alone for the backward pass, which computes the rest again (Chen et al. 2016).

        Raises:
            InputError: the base's architecture does not have it.
        """
        if not getattr(self.body, "supports_gradient_checkpointing", False):
            raise InputError(
                f"gradient_checkpointing is true, which {type(self.body).__name__} does not have: set it to false"
            )
        settings = {"use_reentrant": False, "context_fn": _forward_and_again}
        if hasattr(self.body, "activation_checkpointing_enable"):
            self.body.activation_checkpointing_enable(activation_checkpointing_kwargs=settings)
        else:  # of earlier versions of transformers
            self.body.gradient_checkpointing_enable(gradient_checkpointing_kwargs=settings)
        self.body.disable_input_require_grads()  # for reentrant checkpoints alone


def _forward_and_again() -> tuple[AbstractContextManager[object], AbstractContextManager[object]]:
    """What a block is computed in, and computed again in: the same random numbers, and the same token that is read."""
    return nullcontext(), _again(generator_state(), place_read())


@contextmanager
def _again(state: Mapping[str, Any] | None, place: tuple[Tensor, Tensor] | None) -> Iterator[None]:
    with drawing_from(state), reading(place):
        yield


def build_teacher(base: Path, classes: int, tuning: TuningParams, seed: int, pooling: Pooling | None = None) -> Teacher:
    """A teacher ready to be tuned, checked on random ids: what is not to be trained is frozen.

    `pooling` None is the one that base.json records, and where it records none, the one by the kind of base.

    Raises:
        InputError: the base cannot be loaded or tuned so, or what it makes of a sentence depends on its padding.
    """
    body = load_body(base)
    bidirectional = is_bidirectional(body.config) or looks_ahead(body)
    torch.manual_seed(seed)
    teacher = Teacher(body, classes, pooling or recorded_pooling(base), bidirectional)
    tune(teacher, tuning)
    check_shortcut(teacher)
    check_padding(teacher)
    return teacher


def tune(teacher: Teacher, tuning: TuningParams) -> None:
    """Freeze the body but for what `tuning` trains, and put the adapters in; raises InputError."""
    teacher.body.requires_grad_(tuning.mode == "full")
    if tuning.mode != "lora":
        return
    skipped = inject(teacher.body, tuning)
    if skipped:
        teacher.notes.append(
            f"all-linear leaves out layers whose smaller side is below rank {tuning.rank}: {', '.join(skipped)}"
        )
    if tuning.train_norms:
        for module in teacher.body.modules():
            if is_norm(module):
                module.requires_grad_(True)


def place(teacher: Teacher, device: Device) -> Teacher:
    """The teacher on its device, in the form in which it is fast there."""
    teacher.to(device.name)
    if device.precision == "bf16":
        freeze_in_bf16(teacher)
        if device.name == "cpu":
            copy_out_of_mmap(teacher)
            use_short_attention(teacher.body)
    return teacher


def freeze_in_bf16(teacher: Teacher) -> None:
    """Keep the frozen linear weights in bf16, so that autocast need not convert them at every step."""
    for module in linear_layers(teacher.body).values():
        if not module.weight.requires_grad:
            module.to(torch.bfloat16)


def copy_out_of_mmap(teacher: Teacher) -> None:
    """Copy every weight: one that lies in the base's file, as loaded, keeps all of the file in memory."""
    for weight in teacher.parameters():
        weight.data = weight.data.clone()
