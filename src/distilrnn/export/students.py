"""Students for onnxruntime: student.onnx, its int8 variant, the tokenizer, and what they keep of the student."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from distilrnn.artifacts import layout
from distilrnn.artifacts.files import write_atomically, write_json
from distilrnn.data.batching import sorted_batches
from distilrnn.data.encoded import EncodedSplit
from distilrnn.evaluation.metrics import accuracy, confusion, mcc
from distilrnn.export.onnx import student_onnx
from distilrnn.models.checkpoints import load_student
from distilrnn.models.student import Student
from distilrnn.models.student_header import StudentHeader

FP32, INT8 = "student.onnx", "student.int8.onnx"
BATCH = 256

Model = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Padded ids [sentences, tokens] and lengths [sentences] to logits [sentences, classes]."""


@dataclass(frozen=True)
class ExportedStudent:
    """A student in its new files, not yet written."""

    student: Student
    """The student itself, with a row for every type that the graphs have one for."""
    header: StudentHeader
    files: dict[str, bytes]
    """By name, `export.json` left out."""

    @property
    def about(self) -> dict[str, Any]:
        """What export.json says of the files."""
        return {
            "classes": self.header.classes,
            "vocabulary": self.header.vocabulary,
            "vectors": len(self.student.token_ids),
            "bytes": {name: len(content) for name, content in self.files.items()},
        }


def export_student(checkpoint: Path, types: Sequence[int] | np.ndarray | None, int8: bool) -> ExportedStudent:
    """A trained student as ONNX.

    The graphs hold the vectors that training moved, and for `types` (None: for every type of the tokenizer) the initial
    ones, as `distilrnn predict` has them. Every other type gets zeros.

    Raises:
        InputError: the checkpoint is not a student, or has too many embeddings for one file.
    """
    student, text, header = load_student(checkpoint)
    vocabulary = header.vocabulary
    wanted = np.arange(vocabulary) if types is None else np.asarray(types, np.int64)
    student = student.with_token_ids(wanted, header.seed).eval()
    files = {
        name: student_onnx(student, vocabulary, header.pad_id, header.text_limit, packed)
        for name, packed in ((FP32, False), (INT8, True))
        if int8 or not packed
    }
    tokenizer = Tokenizer.from_str(text.decode())
    tokenizer.enable_padding(pad_id=header.pad_id, pad_token=tokenizer.id_to_token(header.pad_id))
    return ExportedStudent(student, header, {**files, "tokenizer.json": tokenizer.to_str(pretty=True).encode()})


def write_export(output: Path, exported: ExportedStudent, about: dict[str, Any]) -> None:
    """Write the files and, last of all, export.json; raises RunError."""
    for name, content in exported.files.items():
        write_atomically(output / name, content)
    write_json(output / layout.EXPORT_FILES[-1], about)


def evaluated(exported: ExportedStudent, splits: dict[str, EncodedSplit], threads: int) -> dict[str, Any]:
    """`parity`, and `scores` by split and variant."""
    classes, pad_id = len(exported.header.classes), exported.header.pad_id
    width = exported.header.width
    variants = {name: runtime(exported.files[name], threads) for name in (FP32, INT8)}
    parity, scores = 0.0, {}
    for split, tokens in splits.items():
        logits = {name: logits_of(model, tokens, pad_id) for name, model in variants.items()}
        wanted = logits_of(as_model(exported.student), tokens, pad_id, width)
        parity = max(parity, float(np.abs(logits[FP32] - wanted).max()))
        counts = {name: confusion(tokens.labels, found.argmax(1), classes) for name, found in logits.items()}
        scores[split] = {n: {"accuracy": float(accuracy(c)), "mcc": float(mcc(c))} for n, c in counts.items()}
    return {"parity": parity, "scores": scores}


def runtime(content: bytes, threads: int) -> Model:
    """An ONNX file as onnxruntime runs it."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = threads
    session = InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda ids, lengths: session.run(["logits"], {"ids": ids, "lengths": lengths})[0]


def as_model(student: Student) -> Model:
    """A student as torch runs it."""

    @torch.no_grad()
    def model(ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return student(torch.from_numpy(ids), torch.from_numpy(lengths)).numpy()

    return model


def logits_of(model: Model, tokens: EncodedSplit, pad_id: int, width: int | None = None) -> np.ndarray:
    """Logits [sentences, classes] of a split, in its order; `width` is the longest sentence of a batch if not given."""
    batches = sorted_batches(tokens.lengths, BATCH)
    logits = np.concatenate([model(*tokens.padded(rows, pad_id, width)) for rows in batches])
    return logits[np.argsort(np.concatenate(batches))]
