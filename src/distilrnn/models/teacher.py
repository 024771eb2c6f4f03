"""The teacher: a base language model with a classification head, tuned by LoRA, in full, or at the head alone."""

from pathlib import Path

import torch
from torch import Tensor, nn

from distilrnn.errors import InputError
from distilrnn.models.bases import is_bidirectional, load_body, recorded_pooling
from distilrnn.models.kernels.attention import use_short_attention
from distilrnn.models.kernels.gelu import use_fast_activations
from distilrnn.models.kernels.last_token import last_token_state, select_last_token
from distilrnn.models.lora import inject, is_norm, linear_layers
from distilrnn.params.teacher import Pooling, TuningParams
from distilrnn.runtime.device import Device


class Teacher(nn.Module):
    """A base's body and a linear head without bias on a pooled last hidden state.

    `pooling` is the state that the head reads. By default that is the last real token's of a causal base, the only one
    that has seen the whole sentence, and the first one's of a bidirectional base. mean is over the real tokens.

    Raises:
        InputError: first_token of a causal base, which has seen nothing but itself.
    """

    def __init__(self, body: nn.Module, classes: int, pooling: Pooling | None = None) -> None:
        super().__init__()
        self.body = body
        use_fast_activations(body)
        self.bidirectional = is_bidirectional(body.config)
        self.pooling: Pooling = pooling or ("first_token" if self.bidirectional else "last_token")
        if self.pooling == "first_token" and not self.bidirectional:
            raise InputError(
                "pooling is first_token, but the base is causal, so its first token sees nothing of the rest: "
                "set it to last_token or mean"
            )
        config = body.config.get_text_config()
        self.context = getattr(config, "max_position_embeddings", None)
        self.head = nn.Linear(config.hidden_size, classes, bias=False)
        if not self.bidirectional and self.pooling == "last_token":
            for module in select_last_token(body):
                module.register_forward_pre_hook(self._take_what_is_read)

    def require_room(self, longest: int) -> None:
        """Refuse sentences of more tokens than the base has positions; raises InputError."""
        if self.context is not None and longest > self.context:
            raise InputError(
                f"a sentence of {longest} tokens is longer than the {self.context} that the base reads: "
                f"set tokenize.max_length to {self.context} or less"
            )

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids [sentences, tokens], padded on the right, and lengths [sentences] to logits [sentences, classes].

        Raises:
            InputError: a sentence is longer than the base can read.
        """
        self.require_room(ids.shape[1])
        last = torch.arange(len(ids), device=ids.device), lengths - 1
        real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        if self.bidirectional:
            states = self.body(input_ids=ids, attention_mask=real.long()).last_hidden_state
        else:
            # No mask: what is padded stands behind the token that is read, and a causal model does not look ahead.
            token = last_token_state.set(last)
            states = self.body(input_ids=ids, use_cache=False).last_hidden_state
            last_token_state.reset(token)
        if self.pooling == "mean":
            return self.head(states.masked_fill(~real[..., None], 0).sum(1) / lengths[:, None])
        return self.head(states[:, 0] if self.pooling == "first_token" else states[last])

    def _take_what_is_read(self, module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        """[sentences, tokens, width] to [sentences, 1, width]: what the module makes of other tokens is never read.

        Its output is added to every token's state, of which only the right one goes on.
        """
        return (inputs[0][last_token_state.get()][:, None],)


def build_teacher(base: Path, classes: int, tuning: TuningParams, seed: int, pooling: Pooling | None = None) -> Teacher:
    """A teacher ready to be tuned: what is not to be trained is frozen.

    `pooling` None is the one that base.json records, and where it records none, the one by the kind of base. Raises
    InputError.
    """
    body = load_body(base)
    torch.manual_seed(seed)
    teacher = Teacher(body, classes, pooling or recorded_pooling(base))
    tune(teacher, tuning)
    return teacher


def tune(teacher: Teacher, tuning: TuningParams) -> None:
    """Freeze the body but for what `tuning` trains, and put the adapters in; raises InputError."""
    teacher.body.requires_grad_(tuning.mode == "full")
    if tuning.mode != "lora":
        return
    inject(teacher.body, tuning)
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
