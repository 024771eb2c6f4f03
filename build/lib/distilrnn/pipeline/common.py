"""What teacher and student stages share: the sentences to learn from, and the record of a run."""

from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.artifacts.curves import to_csv
from distilrnn.artifacts.files import write_atomically, write_json
from distilrnn.data.encoded import read_encoded_split
from distilrnn.data.holdout import split_holdout
from distilrnn.orchestration.code import code_version
from distilrnn.params.common import SelectionParams
from distilrnn.params.splits import DEV, TRAIN
from distilrnn.runtime.device import Device
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.history import History


def train_and_validation_sets(
    tokens: Path,
    summary: dict[str, Any],
    selection: SelectionParams,
    width: int | None = None,
    teacher_logits: dict[str, np.ndarray] | None = None,
) -> tuple[EncodedDataset, EncodedDataset]:
    """The sentences to train on and those that choose the epoch, with the teacher's logits where there are some."""

    def sentences(split: str, rows: np.ndarray | None = None) -> EncodedDataset:
        chosen = read_encoded_split(tokens, split)
        logits = None if teacher_logits is None else teacher_logits[split]
        if rows is not None:
            chosen, logits = chosen.select(rows), None if logits is None else logits[rows]
        return EncodedDataset(chosen, summary["pad_id"], width, logits)

    labels = read_encoded_split(tokens, TRAIN).labels
    train_rows, validation_rows = split_holdout(labels, selection)
    train = sentences(TRAIN, train_rows)
    return train, sentences(DEV) if selection.validation == "dev" else sentences(TRAIN, validation_rows)


def code_of(kind: str) -> str:
    """The version of the code that trains a system of this kind: teacher, distilled or baseline."""
    return code_version("student" if kind == "distilled" else kind)


def write_run(
    output: Path,
    kind: str,
    seed: int,
    history: History,
    selection: SelectionParams,
    parameters: dict[str, int],
    trained_sentences: int,
    device: Device,
    corpus_hash: str,
    checkpoint: Path,
    vectors: dict[str, Any] | None = None,
) -> None:
    """Write curves.csv and, last of all, run.json; `vectors` is the record of a student's pre-trained ones."""
    best = history.curves[history.best_epoch - 1]
    epochs = len(history.curves)
    write_atomically(output / "curves.csv", to_csv(history.curves))
    write_json(
        output / "run.json",
        {
            "kind": kind,
            "code": code_of(kind),
            "seed": seed,
            "best_epoch": history.best_epoch,
            "epochs": epochs,
            "validation": selection.validation,
            "train": {"loss": best["train_loss"], "accuracy": best["train_accuracy"]},
            "validation_at_best": {"loss": best["validation_loss"], "accuracy": best["validation_accuracy"]},
            "parameters": parameters,
            "seconds": round(history.seconds, 3),
            "sentences_per_second": round(trained_sentences * epochs / max(history.seconds, 1e-9), 1),
            "precision": device.precision,
            "device": device.name,
            "gpu": device.gpu,
            "threads": device.threads,
            "corpus_hash": corpus_hash,
            "checkpoint_bytes": checkpoint.stat().st_size,
            **({} if vectors is None else {"vectors": vectors}),
        },
    )
