"""The teacher: a base language model with a classification head, tuned by LoRA, in full, or at the head alone."""

from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distilrnn.activations import use_fast_activations
from distilrnn.attention import use_short_attention
from distilrnn.bases import is_bidirectional, load_body, read_base
from distilrnn.checkpoint import load_tensors, require_equal, save_tensors
from distilrnn.device import Device
from distilrnn.errors import BadInput
from distilrnn.lora import inject, is_norm, linear_maps, merge
from distilrnn.params.teacher import TuningParams
from distilrnn.training import trainable


class Teacher(nn.Module):
    """A base's body and a linear head without bias on one token's last hidden state.

    A causal base is read at the last real token, the only one that has seen the whole sentence; a bidirectional one at
    the first.
    """

    def __init__(self, body: nn.Module, classes: int) -> None:
        super().__init__()
        self.body = body
        use_fast_activations(body)
        self.bidirectional = is_bidirectional(body.config)
        config = body.config.get_text_config()
        self.context = getattr(config, "max_position_embeddings", None)
        self.head = nn.Linear(config.hidden_size, classes, bias=False)
        if not self.bidirectional:
            for module in read_alone(body):
                module.register_forward_pre_hook(self._take_what_is_read)

    def require_room(self, longest: int) -> None:
        """Refuse sentences of more tokens than the base has positions; raises BadInput."""
        if self.context is not None and longest > self.context:
            raise BadInput(
                f"a sentence of {longest} tokens is longer than the {self.context} that the base reads: "
                f"set tokenize.max_length to {self.context} or less"
            )

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids [sentences, tokens], padded on the right, and lengths [sentences] to logits [sentences, classes].

        Raises:
            BadInput: a sentence is longer than the base can read.
        """
        self.require_room(ids.shape[1])
        if self.bidirectional:
            mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
            states = self.body(input_ids=ids, attention_mask=mask.long()).last_hidden_state[:, 0]
        else:
            # No mask: what is padded stands behind the token that is read, and a causal model does not look ahead.
            read = torch.arange(len(ids), device=ids.device), lengths - 1
            token = _read.set(read)
            states = self.body(input_ids=ids, use_cache=False).last_hidden_state[read]
            _read.reset(token)
        return self.head(states)

    def _take_what_is_read(self, module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        """[sentences, tokens, width] to [sentences, 1, width]: what the module makes of other tokens is never read.

        Its output is added to every token's state, of which only the right one goes on.
        """
        return (inputs[0][_read.get()][:, None],)


_read: ContextVar[tuple[Tensor, Tensor]] = ContextVar("read")
"""Sentence and token that are read, of the batch that this thread computes."""


def read_alone(body: nn.Module) -> list[nn.Module]:
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


def build_teacher(base: Path, classes: int, tuning: TuningParams, seed: int) -> Teacher:
    """A teacher ready to be tuned: what is not to be trained is frozen. Raises BadInput."""
    body = load_body(base)
    torch.manual_seed(seed)
    teacher = Teacher(body, classes)
    tune(teacher, tuning)
    return teacher


def tune(teacher: Teacher, tuning: TuningParams) -> None:
    """Freeze the body but for what `tuning` trains, and put the adapters in; raises BadInput."""
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
            let_go_of_file(teacher)
            use_short_attention(teacher.body)
    return teacher


def freeze_in_bf16(teacher: Teacher) -> None:
    """Keep the frozen linear weights in bf16, so that autocast need not convert them at every step."""
    for module in linear_maps(teacher.body).values():
        if not module.weight.requires_grad:
            module.to(torch.bfloat16)


def let_go_of_file(teacher: Teacher) -> None:
    """Copy every weight: one that lies in the base's file, as loaded, keeps all of the file in memory."""
    for weight in teacher.parameters():
        weight.data = weight.data.clone()


def count_parameters(teacher: nn.Module) -> dict[str, int]:
    """Parameters in total and trainable ones."""
    return {
        "total": sum(p.numel() for p in teacher.parameters()),
        "trainable": sum(p.numel() for p in trainable(teacher).values()),
    }


def save_adapter(path: Path, teacher: Teacher, header: dict[str, Any]) -> None:
    """Write the trainable tensors alone, with the settings that are needed to use them."""
    save_tensors(path, "adapter", dict(trainable(teacher)), header)


def load_teacher(base: Path, adapter: Path) -> tuple[Teacher, dict[str, Any]]:
    """The tuned teacher with its adapters merged, and the adapter's header.

    Raises:
        BadInput: the adapter was made with another base, or is damaged.
    """
    tensors, header = load_tensors(adapter, "adapter")
    require_equal(header["base_hash"], read_base(base)["hash"], adapter, "base")
    teacher = build_teacher(base, len(header["classes"]), TuningParams.model_validate(header["tuning"]), 0)
    weights = trainable(teacher)
    if weights.keys() != tensors.keys() or any(weights[n].shape != tensors[n].shape for n in weights):
        raise BadInput(f"{adapter}: does not fit its base: train the teacher again")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[name])
    merge(teacher.body)
    return teacher.eval(), header
