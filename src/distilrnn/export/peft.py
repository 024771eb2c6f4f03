"""A teacher's adapter as the `peft` library keeps one."""

from pathlib import Path
from typing import Any

from distilrnn.artifacts.files import to_json, write_atomically
from distilrnn.artifacts.tensors import load_tensors
from distilrnn.errors import InputError
from distilrnn.export.classifier import as_classifier, head_modules
from distilrnn.models.adapters import load_teacher
from distilrnn.models.bases import read_base
from distilrnn.params.teacher import TuningParams

PREFIX = "base_model.model"
"""What peft puts before the names of the model's own tensors."""


def export_adapter(adapter: Path, base: Path, output: Path) -> None:
    """Write adapter_model.safetensors and adapter_config.json, with the head and the norms that were trained.

    Raises:
        InputError: the teacher has no adapter, or transformers' class for its base cannot compute what it does.
        RunError: no room.
    """
    from safetensors.torch import save

    teacher, header = load_teacher(base, adapter)
    tuning = header.tuning
    if tuning.mode != "lora":
        raise InputError(f"{adapter}: tuned with mode {tuning.mode}, not lora: use `distilrnn export huggingface`")
    model = as_classifier(teacher, base, header, adapter)
    body = model.base_model_prefix
    heads = head_modules(model)
    tensors = {
        f"{PREFIX}.{head}.{name}": tensor
        for head in heads
        for name, tensor in model.get_submodule(head).state_dict().items()
    }
    layers, norms = [], []
    for name, tensor in load_tensors(adapter, "adapter")[0].items():
        module, _, kind = name.removeprefix("body.").rpartition(".")
        place = f"{body}.{module}"
        if kind == "U":
            layers.append(place)
            tensors[f"{PREFIX}.{place}.lora_A.weight"] = tensor.T
        elif kind == "V":
            tensors[f"{PREFIX}.{place}.lora_B.weight"] = tensor
        elif name.startswith("body."):
            norms.append(place)
            tensors[f"{PREFIX}.{place}.{kind}"] = tensor
    transposed = any(type(model.get_submodule(place)).__name__ == "Conv1D" for place in layers)
    config = _config(base, tuning, sorted(layers), [*heads, *sorted(set(norms))], transposed)
    content = save({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, {"format": "pt"})
    write_atomically(output / "adapter_model.safetensors", content)
    write_atomically(output / "adapter_config.json", to_json(config))


def _config(base: Path, tuning: TuningParams, layers: list[str], saved: list[str], transposed: bool) -> dict[str, Any]:
    """adapter_config.json; peft fills in its defaults for the rest."""
    origin = read_base(base)
    return {
        "peft_type": "LORA",
        "task_type": "SEQ_CLS",
        "base_model_name_or_path": origin["model"] if origin["revision"] else str(base),
        "revision": origin["revision"],
        "inference_mode": True,
        "r": tuning.rank,
        "lora_alpha": tuning.rank if tuning.alpha is None else tuning.alpha,
        "lora_dropout": tuning.dropout,
        "bias": "none",
        "fan_in_fan_out": transposed,
        "target_modules": layers,
        "modules_to_save": saved,
    }
