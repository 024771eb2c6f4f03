"""What teacher and student stages share: the sentences to learn from, and the record of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from distilrnn.artifacts.curves import to_csv
from distilrnn.artifacts.files import write_atomically
from distilrnn.artifacts.records import Settings
from distilrnn.artifacts.runs import ParameterCounts, PointScores, TrainingRecord
from distilrnn.data.encoded import EncodedSplit, EncodedSummary, read_encoded_split
from distilrnn.data.holdout import split_holdout
from distilrnn.models.headers import NeuralHeader
from distilrnn.orchestration.code import code_version
from distilrnn.params.common import EpochSelectionParams, HoldoutParams, TrainingParams
from distilrnn.params.labels import ALL_LABELS, LabelBudget
from distilrnn.params.splits import DEV, TRAIN
from distilrnn.runtime.device import Device
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.history import History

Training = TypeVar("Training", bound=TrainingParams)


def train_and_validation_sets(
    tokens: Path,
    summary: EncodedSummary,
    selection: HoldoutParams,
    width: int | None = None,
    teacher_logits: dict[str, np.ndarray] | None = None,
    budget: LabelBudget = ALL_LABELS,
) -> tuple[EncodedDataset, EncodedDataset]:
    """The sentences to train on and those that choose the epoch, with the teacher's logits where there are some."""

    def dataset(split: str, encoded: EncodedSplit, rows: np.ndarray) -> EncodedDataset:
        logits = None if teacher_logits is None else teacher_logits[split][rows]
        return EncodedDataset(encoded.select(rows), summary.pad_id, width, logits)

    train = read_encoded_split(tokens, TRAIN)
    train_rows, validation_rows = split_holdout(train.labels, selection, budget)
    if selection.validation == "dev":
        dev = read_encoded_split(tokens, DEV)
        return dataset(TRAIN, train, train_rows), dataset(DEV, dev, np.arange(len(dev)))
    return dataset(TRAIN, train, train_rows), dataset(TRAIN, train, validation_rows)


def left_out(tokens: Path, selection: HoldoutParams, budget: LabelBudget) -> int:
    """How many sentences of train a budget of labels leaves out of what there is to learn from."""
    if budget.labels is None:
        return 0
    return len(split_holdout(read_encoded_split(tokens, TRAIN).labels, selection)[0]) - budget.labels


def as_many_steps(training: Training, sentences: int, of_all: int) -> Training:
    """How to train on a part of the sentences with as many steps as on all, and as many points of validation.

    A model that has few labels so sees them more often; the best point is chosen on the held-out sentences anyhow.
    """
    steps, all_steps = (-(-number // training.batch_size) for number in (sentences, of_all))
    if steps == all_steps:
        return training
    epochs = max(1, round(training.epochs * all_steps / steps))
    return training.model_copy(update={"epochs": epochs, "validate_every": training.validate_every or all_steps})


def code_of(kind: str) -> str:
    """The version of the code that trains a system of this kind: teacher, distilled or baseline."""
    return code_version("student" if kind == "distilled" else kind)


@dataclass(frozen=True)
class TrainedSystem:
    """What a training has made, for its record."""

    kind: str
    """teacher, distilled or baseline."""
    header: NeuralHeader
    checkpoint: Path
    history: History
    selection: EpochSelectionParams
    device: Device
    parameters: Mapping[str, int]
    sentences: int
    """That it was trained on."""

    def write(self, output: Path, **more: Settings | None) -> None:
        """Write curves.csv and, last of all, run.json; `more` is written into it too, but for what is None."""
        history, selection = self.history, self.selection
        best, last = history.curves[history.best_row], history.curves[-1]
        measures = ("loss", "accuracy", "mcc", "macro_f1")
        labels = None if self.header.labels is None else self.header.labels.labels
        budget = {} if labels is None else {"labels": labels}
        record = TrainingRecord(
            kind=self.kind,
            code=code_of(self.kind),
            seed=self.header.seed,
            **budget,
            best_epoch=history.best_epoch,
            best_step=int(best["step"]),
            epochs=last["epoch"],
            steps=int(last["step"]),
            validation=selection.validation,
            metric=selection.metric,
            train=PointScores(loss=best["train_loss"], accuracy=best["train_accuracy"]),
            validation_at_best=PointScores(**{measure: best[f"validation_{measure}"] for measure in measures}),
            parameters=ParameterCounts(**self.parameters),
            seconds=round(history.seconds, 3),
            sentences_per_second=round(self.sentences * last["epoch"] / max(history.seconds, 1e-9), 1),
            **self.device.record(),
            corpus_hash=self.header.corpus_hash,
            checkpoint_bytes=self.checkpoint.stat().st_size,
            **{key: value for key, value in more.items() if value is not None},
        )
        write_atomically(output / "curves.csv", to_csv(history.curves))
        record.write(output / "run.json")
