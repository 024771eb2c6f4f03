"""Trained adapters and students as files."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distilrnn.artifacts.files import require_equal
from distilrnn.artifacts.tensors import load_tensors, save_tensors
from distilrnn.errors import InputError
from distilrnn.models.bases import read_base
from distilrnn.models.lora import merge
from distilrnn.models.parameters import trainable
from distilrnn.models.student import Student
from distilrnn.models.teacher import Teacher, build_teacher
from distilrnn.params.student import StudentModelParams
from distilrnn.params.teacher import TuningParams


def save_student(path: Path, student: Student, token_ids: np.ndarray, tokenizer: bytes, header: dict[str, Any]) -> None:
    """Write a student as one file with the rows of `token_ids` and its tokenizer: all that prediction needs."""
    tensors = dict(student.state_dict())
    rows = torch.from_numpy(np.searchsorted(student.token_ids.cpu().numpy(), token_ids))
    tensors["embedding.weight"] = tensors["embedding.weight"].cpu()[rows]
    tensors["token_ids"] = torch.from_numpy(token_ids.astype(np.int32))
    tensors["tokenizer"] = torch.frombuffer(bytearray(zlib.compress(tokenizer, 9)), dtype=torch.uint8)
    save_tensors(path, "student", tensors, header)


def load_student(path: Path) -> tuple[Student, bytes, dict[str, Any]]:
    """A trained student, its tokenizer.json, and its header; raises InputError."""
    tensors, header = load_tensors(path, "student")
    try:
        params = StudentModelParams.model_validate(header["model"])
        tokenizer = zlib.decompress(tensors.pop("tokenizer").numpy().tobytes())
        key = "types" if "types" in tensors else "token_ids"  # as older files call them
        token_ids = tensors.pop(key).numpy().astype(np.int64)
        rows = tensors["embedding.weight"].numpy()
        student = Student(token_ids, len(header["classes"]), params, header["seed"], rows)
        student.load_state_dict(tensors)
    except (KeyError, RuntimeError, ValueError, zlib.error) as error:
        raise InputError(
            f"{path}: is damaged ({' '.join(str(error).split())[:120]}): train the student again"
        ) from None
    return student.eval(), tokenizer, header


def save_adapter(path: Path, teacher: Teacher, header: dict[str, Any]) -> None:
    """Write the trainable tensors alone, with the settings that are needed to use them."""
    save_tensors(path, "adapter", dict(trainable(teacher)), header)


def load_teacher(base: Path, adapter: Path) -> tuple[Teacher, dict[str, Any]]:
    """The tuned teacher with its adapters merged, and the adapter's header.

    Raises:
        InputError: the adapter was made with another base, or is damaged.
    """
    tensors, header = load_tensors(adapter, "adapter")
    require_equal(header["base_hash"], read_base(base)["hash"], adapter, "base")
    tuning = TuningParams.model_validate(header["tuning"])
    teacher = build_teacher(base, len(header["classes"]), tuning, 0, header.get("pooling"))
    weights = trainable(teacher)
    if weights.keys() != tensors.keys() or any(weights[n].shape != tensors[n].shape for n in weights):
        raise InputError(f"{adapter}: does not fit its base: train the teacher again")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[name])
    merge(teacher.body)
    return teacher.eval(), header
