"""Trained adapters as files."""

from pathlib import Path

import torch

from distilrnn.artifacts.files import require_equal
from distilrnn.artifacts.tensors import load_tensors, save_tensors
from distilrnn.errors import InputError
from distilrnn.models.bases import read_base
from distilrnn.models.lora import merge
from distilrnn.models.parameters import trainable
from distilrnn.models.teacher import Teacher, build_teacher
from distilrnn.models.teacher_header import TeacherHeader


def save_adapter(path: Path, teacher: Teacher, header: TeacherHeader) -> None:
    """Write the trainable tensors alone, with the settings that are needed to use them."""
    save_tensors(path, "adapter", dict(trainable(teacher)), header.to_json())


def load_teacher(base: Path, adapter: Path) -> tuple[Teacher, TeacherHeader]:
    """The tuned teacher with its adapters merged, and the adapter's header.

    Raises:
        InputError: the adapter was made with another base, or is damaged.
    """
    tensors, values = load_tensors(adapter, "adapter")
    header = TeacherHeader.parse(values, adapter)
    require_equal(header.base_hash, read_base(base)["hash"], adapter, "base")
    teacher = build_teacher(base, len(header.classes), header.tuning, 0, header.pooling)
    teacher.limit = header.text_limit
    weights = trainable(teacher)
    if weights.keys() != tensors.keys() or any(weights[n].shape != tensors[n].shape for n in weights):
        raise InputError(f"{adapter}: does not fit its base: train the teacher again")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[name])
    merge(teacher.body)
    return teacher.eval(), header
