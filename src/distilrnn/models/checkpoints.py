"""Trained students as files."""

import zlib
from pathlib import Path

import numpy as np
import torch

from distilrnn.artifacts.tensors import load_tensors, save_tensors
from distilrnn.errors import InputError
from distilrnn.models.student import Student
from distilrnn.models.student_header import StudentHeader


def save_student(path: Path, student: Student, token_ids: np.ndarray, tokenizer: bytes, header: StudentHeader) -> None:
    """Write a student as one file with the rows of `token_ids` and its tokenizer: all that prediction needs."""
    tensors = dict(student.state_dict())
    rows = torch.from_numpy(np.searchsorted(student.token_ids.cpu().numpy(), token_ids))
    tensors["embedding.weight"] = tensors["embedding.weight"].cpu()[rows]
    tensors["token_ids"] = torch.from_numpy(token_ids.astype(np.int32))
    tensors["tokenizer"] = torch.frombuffer(bytearray(zlib.compress(tokenizer, 9)), dtype=torch.uint8)
    save_tensors(path, "student", tensors, header.to_json())


def load_student(path: Path) -> tuple[Student, bytes, StudentHeader]:
    """A trained student, its tokenizer.json, and its header; raises InputError."""
    tensors, values = load_tensors(path, "student")
    header = StudentHeader.parse(values, path)
    try:
        tokenizer = zlib.decompress(tensors.pop("tokenizer").numpy().tobytes())
        key = "types" if "types" in tensors else "token_ids"  # as older files call them
        token_ids = tensors.pop(key).numpy().astype(np.int64)
        rows = tensors["embedding.weight"].numpy()
        student = Student(token_ids, len(header.classes), header.model, header.seed, rows)
        student.load_state_dict(tensors)
    except (KeyError, RuntimeError, ValueError, zlib.error) as error:
        raise InputError(
            f"{path}: is damaged ({' '.join(str(error).split())[:120]}): train the student again"
        ) from None
    return student.eval(), tokenizer, header
