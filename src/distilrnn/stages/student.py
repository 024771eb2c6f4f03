"""Rules student and baseline: the recurrent classifier, taught by a teacher's logits or by the labels alone."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distilrnn.checkpoint import file_hash, load_tensors, save_tensors
from distilrnn.device import multiplies_bf16, prepare
from distilrnn.distil import distil_objective, label_objective
from distilrnn.errors import BadInput
from distilrnn.logits import FILE, average, load_logits, written_logits
from distilrnn.params.common import SelectionParams, TrainingParams
from distilrnn.params.student import DistilParams, StudentModelParams
from distilrnn.progress import TrainingProgress
from distilrnn.resume import ResumeFile
from distilrnn.splits import TRAIN, evaluation_splits
from distilrnn.stages.common import learning_sentences, write_run
from distilrnn.student import Student
from distilrnn.tokens import read_summary, read_tokens, types_that_occur
from distilrnn.training import Sentences, class_weights, fit, keeping_the_best, predict_logits


def train_student(
    tokens: Path,
    teacher_logits: Sequence[Path],
    output: Path,
    seed: int,
    threads: int | None,
    model: StudentModelParams,
    training: TrainingParams,
    selection: SelectionParams,
    distil: DistilParams,
) -> None:
    """Train a student, and write student.safetensors, logits.safetensors, curves.csv and run.json into `output`.

    It learns from the mean probabilities of the teachers whose logits are given; from the labels where none are.
    Raises BadInput.
    """
    summary = read_summary(tokens)
    classes = summary["classes"]
    width = _width(summary, model)
    taught = None
    if teacher_logits:
        sentences = {split: counts["sentences"] for split, counts in summary["splits"].items()}
        taught = average([load_logits(p, summary["corpus_hash"], classes, sentences)[0] for p in teacher_logits])
    train, validation = learning_sentences(tokens, summary, selection, width, taught)
    device = prepare(training.precision, threads)
    if device.precision == "bf16" and not multiplies_bf16(device.name):
        raise BadInput("precision is bf16, in which this CPU has no recurrent layers: set it to auto or fp32")
    # Types of the dev sets have rows too, but training never moves them: they stay what a full embedding would hold.
    types = np.union1d(types_that_occur(tokens, summary["splits"]), [summary["pad_id"]])
    student = Student(types, len(classes), model, seed).to(device.name)
    parameters = student.count_parameters(summary["vocabulary"])
    kind = "baseline" if taught is None else "distilled"
    header = {
        "kind_of_system": kind,
        "corpus_hash": summary["corpus_hash"],
        "tokenizer_hash": summary["tokenizer_hash"],
        "vocabulary": summary["vocabulary"],
        "max_length": summary["max_length"],
        "pad_id": summary["pad_id"],
        "classes": classes,
        "model": model.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "selection": selection.model_dump(mode="json"),
        "distil": None if taught is None else distil.model_dump(mode="json"),
        "teacher_logits_hash": [file_hash(path) for path in teacher_logits],
        "seed": seed,
    }

    def save(path: Path, epoch: int) -> None:
        trained_types = np.union1d(types_that_occur(tokens, [TRAIN]), [summary["pad_id"]])
        save_student(path, student, trained_types, (tokens / "tokenizer.json").read_bytes(), header)

    weights = class_weights(train.tokens.labels, len(classes)) if training.class_weights == "balanced" else None
    objective = label_objective(weights) if taught is None else distil_objective(distil, weights)
    resume = ResumeFile(output, {**header, "device": repr(device)})
    with (
        TrainingProgress(kind, training.epochs, len(train.tokens)) as progress,
        keeping_the_best(student, resume, save),
    ):
        fitted = fit(student, train, validation, objective, training, seed, device, progress, resume)
    checkpoint = output / "student.safetensors"
    save(checkpoint, fitted.best_epoch)
    names = {"corpus_hash": summary["corpus_hash"], "classes": classes, "system": kind, "seed": seed}
    counts = {split: summary["splits"][split]["sentences"] for split in evaluation_splits(summary["splits"])}
    with written_logits(output / FILE, counts, names) as logits:
        for split, values in logits.items():
            sentences = Sentences(read_tokens(tokens, split), summary["pad_id"], width)
            predict_logits(student, sentences, training.batch_size, device, into=values)
    corpus = summary["corpus_hash"]
    write_run(output, kind, seed, fitted, selection, parameters, len(train.tokens), device, corpus, checkpoint)
    resume.remove()


def _width(summary: dict[str, Any], model: StudentModelParams) -> int | None:
    if model.pooling != "last_step":
        return None
    if summary["max_length"] is None:
        raise BadInput(
            "pooling last_step reads sentences padded to one length: set tokenize.max_length, or use last_token"
        )
    return summary["max_length"]


def save_student(path: Path, student: Student, types: np.ndarray, tokenizer: bytes, header: dict[str, Any]) -> None:
    """Write a student as one file with the rows of `types` and its tokenizer: all that prediction needs."""
    tensors = dict(student.state_dict())
    rows = torch.from_numpy(np.searchsorted(student.types.cpu().numpy(), types))
    tensors["embedding.weight"] = tensors["embedding.weight"].cpu()[rows]
    tensors["types"] = torch.from_numpy(types.astype(np.int32))
    tensors["tokenizer"] = torch.frombuffer(bytearray(zlib.compress(tokenizer, 9)), dtype=torch.uint8)
    save_tensors(path, "student", tensors, header)


def load_student(path: Path) -> tuple[Student, bytes, dict[str, Any]]:
    """A trained student, its tokenizer.json, and its header; raises BadInput."""
    tensors, header = load_tensors(path, "student")
    try:
        params = StudentModelParams.model_validate(header["model"])
        tokenizer = zlib.decompress(tensors.pop("tokenizer").numpy().tobytes())
        types = tensors.pop("types").numpy().astype(np.int64)
        student = Student(types, len(header["classes"]), params, header["seed"])
        student.load_state_dict(tensors)
    except (KeyError, RuntimeError, ValueError, zlib.error) as error:
        raise BadInput(f"{path}: is damaged ({' '.join(str(error).split())[:120]}): train the student again") from None
    return student.eval(), tokenizer, header
