"""A teacher as transformers' own model for sequence classification."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from distilrnn.errors import InputError
from distilrnn.models.lora import linear_layers
from distilrnn.models.teacher import Teacher
from distilrnn.models.teacher_header import TeacherHeader

if TYPE_CHECKING:
    from transformers import PreTrainedModel

EPSILON = 2.0**-16
"""What logits are scaled by on their way through a head's activation: a power of two loses no digit."""

TOLERANCE = 1e-5

READ = {"last_token": "the last token's state", "first_token": "the first token's state", "mean": "the mean state"}
"""What a teacher's head reads, by its pooling."""


def as_classifier(teacher: Teacher, base: Path, header: TeacherHeader, adapter: Path) -> "PreTrainedModel":
    """The same function of ids as the teacher, whose adapters are merged, in the class that transformers has for it.

    GPT-2, Gemma, Llama and related architectures have the teacher's head: a linear layer on the last token's state. The
    heads of encoders (BERT, DistilBERT, RoBERTa ...) have a hidden layer before it, with an activation a. Near 0,
    a(x) - a(-x) is c x, where c is 2 for tanh and 1 for ReLU and GELU, so a hidden layer [W, -W] and an output layer
    [1, -1] / c compute W x.

    Raises:
        InputError: transformers has no such class for the base, or what it computes is something else.
    """
    model = _untrained(base, header, adapter, teacher.pooling)
    missing, unexpected = model.base_model.load_state_dict(teacher.body.state_dict(), strict=False)
    if not unexpected and not [name for name in missing if not name.startswith("pooler.")]:
        for gain in (1, 2):
            if _set_head(model, teacher.head.weight.detach(), gain) and _agree(model, teacher, header.pad_id):
                return model
    raise InputError(
        f"{adapter}: {type(model).__name__} cannot do what this teacher does, a linear layer on "
        f"{READ[teacher.pooling]}, as its head does something else: use `distilrnn predict`"
    )


def head_modules(model: "PreTrainedModel") -> list[str]:
    """The names of what stands behind the body: the head, and the body's pooler where it has one."""
    prefix = model.base_model_prefix
    names = [name for name, child in model.named_children() if name != prefix and any(True for _ in child.parameters())]
    return [*names, *([f"{prefix}.pooler"] if getattr(model.base_model, "pooler", None) is not None else [])]


def _untrained(base: Path, header: TeacherHeader, adapter: Path, pooling: str) -> "PreTrainedModel":
    from transformers import AutoConfig, AutoModelForSequenceClassification

    classes = dict(enumerate(header.classes))
    config = AutoConfig.from_pretrained(
        base,
        trust_remote_code=False,
        id2label=classes,
        label2id={name: number for number, name in classes.items()},
        pad_token_id=header.pad_id,
    )
    if hasattr(config, "classifier_pooling"):  # ModernBERT's
        config.classifier_pooling = {"first_token": "cls"}.get(pooling, pooling)
    try:
        return AutoModelForSequenceClassification.from_config(config, dtype=torch.float32).eval()
    except ValueError:
        raise InputError(
            f"{adapter}: transformers has no class for sequence classification with {config.model_type}: "
            "use `distilrnn predict`"
        ) from None


@torch.no_grad()
def _set_head(model: "PreTrainedModel", weight: torch.Tensor, gain: int) -> bool:
    """Make the head compute weight [classes, width] times a state; False where it is not made for that."""
    classes, width = weight.shape
    layers = [m for name in head_modules(model) for m in linear_layers(model.get_submodule(name)).values()]
    for module in layers:
        module.weight.zero_()
        if module.bias is not None:
            module.bias.zero_()
    shapes = {tuple(module.weight.shape): module for module in layers}
    output, hidden = shapes.get((classes, width)), shapes.get((width, width))
    if output is None or len(layers) != 1 + (hidden is not None):
        return False
    if hidden is None:
        output.weight.copy_(weight)
    elif 2 * classes <= width:
        hidden.weight[: 2 * classes] = EPSILON * torch.cat([weight, -weight])
        both = torch.cat([torch.eye(classes), -torch.eye(classes)], dim=1)
        output.weight[:, : 2 * classes] = both / (EPSILON * gain)
    return True


@torch.no_grad()
def _agree(model: "PreTrainedModel", teacher: Teacher, pad_id: int) -> bool:
    """Whether both have the same logits for sentences of several lengths, padded, of ids drawn at random."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([2, 5, 9, 8]).clamp(max=teacher.context or 9)
    size = min(model.get_input_embeddings().num_embeddings, 1 << 15)
    ids = torch.randint(size - 1, (len(lengths), int(lengths.max())), generator=generator)
    ids += ids >= pad_id
    real = torch.arange(ids.shape[1]) < lengths[:, None]
    ids = torch.where(real, ids, pad_id)
    wanted = teacher(ids, lengths)
    found = model(input_ids=ids, attention_mask=real.long()).logits
    return bool((found - wanted).abs().max() <= TOLERANCE * wanted.abs().max().clamp(min=1))
