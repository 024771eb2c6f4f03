"""The whole of it from Python: tune a teacher, let it score unlabelled sentences, distil a student, and predict.

The steps are the workflow's rules (distilrnn.pipeline), on files in one folder that is laid out as an experiment's.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from distilrnn.artifacts.files import write_atomically
from distilrnn.artifacts.transfer import shard_name
from distilrnn.data.corpus import Example, write_corpus
from distilrnn.data.holdout import split_holdout
from distilrnn.errors import InputError
from distilrnn.inference import Classifier, load_predictor
from distilrnn.params.base import BaseParams
from distilrnn.params.common import SelectionParams, TrainingParams
from distilrnn.params.splits import DEV, TRAIN
from distilrnn.params.student import DistilParams, StudentModelParams
from distilrnn.params.teacher import TeacherTraining, TuningParams
from distilrnn.params.transfer import TextSource

SCORING_BATCH = 64
"""Sentences that the teacher scores at a time."""


@dataclass(frozen=True)
class Trained:
    """A trained system in a file."""

    checkpoint: Path
    """An adapter.safetensors or a student.safetensors."""

    @cached_property
    def predictor(self) -> Classifier:
        """The system, loaded."""
        return load_predictor(self.checkpoint)

    def probabilities(self, sentences: Sequence[str]) -> np.ndarray:
        """Class probabilities, float32 [sentences, classes]; raises InputError for a sentence without a token."""
        return self.predictor.probabilities(sentences)

    def predict(self, sentences: Sequence[str]) -> list[str]:
        """The most probable class of each sentence."""
        return self.predictor.predict(sentences)


@dataclass(frozen=True)
class Teacher(Trained):
    """A base tuned on labelled sentences, in the folder of its corpus, base and tokens."""

    folder: Path
    selection: SelectionParams


@dataclass(frozen=True)
class Student(Trained):
    """A recurrent classifier, distilled from a teacher: one file that holds all that prediction needs."""

    def save(self, path: Path | str) -> Path:
        """Copy the student to `path`, where load_predictor reads it; raises RunError."""
        write_atomically(Path(path), self.checkpoint.read_bytes())
        return Path(path)


def tune_teacher(  # noqa: PLR0913 - the settings are keyword-only, and each may be left out
    sentences: Sequence[str],
    labels: Sequence[str],
    base: str,
    folder: Path | str,
    *,
    tuning: TuningParams | None = None,
    training: TeacherTraining | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Teacher:
    """Tune a language model on labelled sentences (LoRA by default: Hu et al. 2021, arXiv:2106.09685).

    Args:
        sentences: Texts of one line each.
        labels: The class of each.
        base: Folder or hub id of a causal language model or an encoder, as in bases.<base>.model of params.yaml.
        folder: A new or empty folder for all that is made. A tenth of the sentences is kept apart as a dev set there.
        tuning: What is tuned: LoRA, everything or a probe.
        training: Epochs, batch size, learning rate.
        seed: Of the head's and the adapters' first values, and of the order of the sentences.
        threads: CPU threads; all by default.

    Raises:
        InputError: lists of different lengths, a single class, a folder that is not empty, or an unusable base.
    """
    from distilrnn.models.bases import import_base
    from distilrnn.pipeline.teacher import TeacherJob, train_teacher
    from distilrnn.pipeline.tokens import tokenize_corpus

    folder, selection = Path(folder), SelectionParams()
    if len(sentences) != len(labels):
        raise InputError(f"{len(sentences)} sentences have {len(labels)} labels: give each sentence one")
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise InputError(f"the labels have {len(classes)} classes: two are needed")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty: name a new folder")
    numbers = np.array([classes.index(label) for label in labels], np.int64)
    examples = [
        Example("api", int(number), "", " ".join(text.split())) for number, text in zip(numbers, sentences, strict=True)
    ]
    parts = dict(zip((TRAIN, DEV), split_holdout(numbers, selection), strict=True))
    splits = {split: [examples[row] for row in rows] for split, rows in parts.items()}
    write_corpus(folder / "corpus", splits, [], classes, "api")
    import_base(BaseParams(model=base), folder / "bases" / "base")
    tokenize_corpus(folder / "corpus", folder / "bases" / "base", None, folder / "tokens" / "base")
    output = folder / "teachers" / "teacher" / f"seed{seed}"
    job = TeacherJob(
        folder / "bases" / "base",
        folder / "tokens" / "base",
        tuning or TuningParams(),
        training or TeacherTraining(),
        selection,
        seed=seed,
        threads=threads,
    )
    train_teacher(job, output)
    return Teacher(output / "adapter.safetensors", folder, selection)


def distil(
    teacher: Teacher,
    unlabelled: Sequence[str] = (),
    *,
    model: StudentModelParams | None = None,
    training: TrainingParams | None = None,
    loss: DistilParams | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Student:
    """Train a student on what the teacher says of its own sentences and of unlabelled ones (Hinton et al. 2015).

    Args:
        teacher: What `tune_teacher` returned.
        unlabelled: More texts of the same kind, which the teacher scores. None of the dev set is learned from.
        model: Cell, widths, layers, pooling; an RNN of width 128 by default.
        training: Epochs, batch size, learning rate.
        loss: Loss and temperature (arXiv:1503.02531).
        seed: Of the student's first values, and of the order of the sentences.
        threads: CPU threads; all by default.

    Raises:
        InputError: no unlabelled sentence is new.
    """
    from distilrnn.pipeline.logits import compute_logits
    from distilrnn.pipeline.pools import TransferInputs
    from distilrnn.pipeline.scoring import ScoringJob
    from distilrnn.pipeline.student import StudentJob, train_student
    from distilrnn.pipeline.transfer import Material, build_pool
    from distilrnn.pipeline.transfer_logits import compute_transfer_logits
    from distilrnn.pipeline.transfer_tokens import tokenize_pool

    folder, adapter = teacher.folder, teacher.checkpoint
    base, tokens = folder / "bases" / "base", folder / "tokens" / "base"
    logits = folder / "logits" / "teacher" / adapter.parent.name
    scoring = ScoringJob(base, adapter, tokens, SCORING_BATCH, threads)
    if not (logits / "run.json").is_file():
        compute_logits(scoring, logits)
    transfer = None
    if unlabelled:
        place = folder / "transfer" / "unlabelled"
        shutil.rmtree(place, ignore_errors=True)
        write_atomically(place / "given.txt", "".join(f"{' '.join(text.split())}\n" for text in unlabelled))
        source = TextSource(kind="text", files=(str(place / "given.txt"),))
        build_pool(source, Material(folder / "corpus", teacher.selection, seed), None, place / "pool")
        tokenize_pool(place / "pool", tokens, place / "tokens")
        shard = place / "logits" / shard_name(1, 1)  # all of it
        compute_transfer_logits(scoring, place / "tokens", shard, (0, 1))
        transfer = TransferInputs([place / "pool"], [place / "tokens"], [place / "logits"], 1, None, seed)
    output = folder / "students" / "student" / "teacher" / f"seed{seed}"
    job = StudentJob(
        tokens,
        model or StudentModelParams(embedding=128, hidden=128),
        training or TrainingParams(),
        teacher.selection,
        loss or DistilParams(),
        [logits / "logits.safetensors"],
        transfer=transfer,
        seed=seed,
        threads=threads,
    )
    train_student(job, output)
    return Student(output / "student.safetensors")
