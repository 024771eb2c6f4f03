"""How long an experiment will take on this machine: each stage is run on a few batches, and the rest is arithmetic."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np

from distilrnn.artifacts.runs import TrainingRecord
from distilrnn.data.corpus import Example, write_corpus
from distilrnn.data.inspect import DataFacts
from distilrnn.data.tokenizer import load_tokenizer
from distilrnn.params.base import BaseParams
from distilrnn.params.experiment import Experiment
from distilrnn.params.splits import DEV, TRAIN
from distilrnn.scaffold.plan import TokenLengths

MOST_TEXTS = 4000
"""Texts whose tokens are counted."""
TEACHER_BATCHES, STUDENT_BATCHES = 4, 20
REPORTING = 40.0
"""Seconds of evaluation, figures and report, which hardly depend on the data."""


@dataclass(frozen=True)
class Estimate:
    """Seconds by stage."""

    base: float
    teacher: float
    scoring: float
    students: float
    rest: float

    @property
    def total(self) -> float:
        """Seconds in all, one job after the other."""
        return self.base + self.teacher + self.scoring + self.students + self.rest


class Bench:
    """A folder in which the stages run on a sample of the data."""

    def __init__(self, folder: Path, facts: DataFacts) -> None:
        self.folder, self.facts = folder, facts
        self.base = folder / "base"
        self.seconds_of_base = 0.0
        """Of one epoch over one text, where the base is pre-trained."""

    def prepare_base(self, params: BaseParams) -> None:
        """Bring the base here: import it whole, or pre-train it for one epoch; raises InputError."""
        from transformers.utils import logging

        logging.disable_progress_bar()
        with _quiet():
            if params.model == "pretrain":
                self._pretrain(params)
            else:
                from distilrnn.models.bases import import_base

                import_base(params, self.base)

    def _pretrain(self, params: BaseParams) -> None:
        from distilrnn.pipeline.base import pretrain

        texts = [example.sentence for example in self._sample(1500)]
        file = self.folder / "unlabelled.txt"
        file.write_text("\n".join(texts) + "\n", encoding="utf-8")
        started = time.monotonic()
        pretrain(file, params.model_copy(update={"epochs": 1}), self.base, None)
        self.seconds_of_base = (time.monotonic() - started) / len(texts)

    def token_lengths(self) -> TokenLengths:
        """Tokens of the texts, by the base's tokenizer; raises InputError."""
        tokenizer = load_tokenizer(self.base)
        texts = [example.sentence for example in self._sample(MOST_TEXTS)]
        lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts)]
        return TokenLengths(int(np.ceil(np.quantile(lengths, 0.99))), max(lengths), measured=True)

    def _sample(self, size: int) -> list[Example]:
        """Some texts of train, of each class its share and at least two."""
        train = self.facts.own.splits[TRAIN]
        labels = np.array([example.label for example in train])
        generator = np.random.RandomState(0)
        rows: list[int] = []
        for label in np.unique(labels):
            there = np.flatnonzero(labels == label)
            count = min(len(there), max(2, round(size * len(there) / len(train))))
            rows += generator.permutation(there)[:count].tolist()
        return [train[row] for row in sorted(rows)]

    def estimate(self, experiment: Experiment, unlabelled: int) -> Estimate:
        """Run teacher, logits and student on a few batches, and reckon what all of it takes; raises InputError.

        Args:
            experiment: What is to be run: one teacher, one student.
            unlabelled: Texts of the transfer set.
        """
        (teacher,), (student,) = experiment.teachers.values(), experiment.students.values()
        splits = {split: len(part) for split, part in self.facts.own.splits.items()}
        train, everything = splits[TRAIN], sum(splits.values()) + unlabelled
        with _quiet():
            train_rate, score_rate, student_rate = self._rates(experiment)
        runs = len(experiment.seeds)
        student_sentences = student.training.epochs * runs * (2 * train + unlabelled)
        base = next(iter(experiment.bases.values()))
        jobs = 8 + 2 * runs
        return Estimate(
            self.seconds_of_base * train * base.epochs if base.model == "pretrain" else 0.0,
            teacher.training.epochs * train / train_rate,
            everything / score_rate,
            student_sentences / student_rate,
            jobs * _start_up() + REPORTING,
        )

    def _rates(self, experiment: Experiment) -> tuple[float, float, float]:
        """Sentences per second: the teacher's training and scoring, the student's training."""
        from distilrnn.pipeline.logits import compute_logits
        from distilrnn.pipeline.scoring import ScoringJob
        from distilrnn.pipeline.student import StudentJob, train_student
        from distilrnn.pipeline.teacher import TeacherJob, train_teacher

        (teacher,), (student,) = experiment.teachers.values(), experiment.students.values()
        once = {"epochs": 1}
        selection = experiment.selection.model_copy(update={"validation": "dev"})
        tokens = self._tokens(experiment, TEACHER_BATCHES * teacher.training.batch_size)
        tuned = teacher.training.model_copy(update=once)
        job = TeacherJob(self.base, tokens, teacher.tuning, tuned, selection, teacher.pooling)
        train_teacher(job, self.folder / "teacher")
        adapter = self.folder / "teacher" / "adapter.safetensors"
        scored = compute_logits(ScoringJob(self.base, adapter, tokens, 128), self.folder / "logits")
        # A student's steps are short, so that the first ones of a process would count for too much: it is run twice.
        for batches in (2, STUDENT_BATCHES):
            tokens = self._tokens(experiment, batches * student.training.batch_size)
            training = student.training.model_copy(update=once)
            train_student(
                StudentJob(tokens, student.model, training, selection, student.distil), self.folder / "student"
            )
        teaching, studying = (TrainingRecord.read(self.folder / name / "run.json") for name in ("teacher", "student"))
        return teaching.sentences_per_second, scored.sentences_per_second, studying.sentences_per_second

    def _tokens(self, experiment: Experiment, size: int) -> Path:
        """A sample of the corpus as token ids; dev is a single text, so that nearly all the time is training's."""
        from distilrnn.pipeline.tokens import tokenize_corpus

        sample = self._sample(size)
        corpus, tokens = self.folder / f"corpus{size}", self.folder / f"tokens{size}"
        write_corpus(corpus, {TRAIN: sample, DEV: sample[:1]}, [], self.facts.classes, "sample")
        tokenize_corpus(corpus, self.base, experiment.tokenize.max_length, tokens)
        return tokens


@contextmanager
def _quiet() -> Iterator[None]:
    with redirect_stdout(StringIO()):
        yield


def _start_up() -> float:
    """Seconds that a job takes before it begins."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", "import distilrnn.pipeline.teacher"], check=False, capture_output=True)
    return time.monotonic() - started


def in_words(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def stages_in_words(estimate: Estimate) -> str:
    """The longest stages."""
    stages: Sequence[tuple[str, float]] = [
        ("base", estimate.base),
        ("teacher", estimate.teacher),
        ("teacher's scores", estimate.scoring),
        ("students", estimate.students),
        ("the rest", estimate.rest),
    ]
    return ", ".join(f"{name} {in_words(seconds)}" for name, seconds in stages if seconds >= 5)
