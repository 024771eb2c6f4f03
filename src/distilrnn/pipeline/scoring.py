"""A tuned teacher that scores sentences: what the rules logits and transfer_logits share."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from distilrnn.artifacts.files import require_equal
from distilrnn.artifacts.records import FileRecord
from distilrnn.data.encoded import EncodedSplit, EncodedSummary, read_summary
from distilrnn.models.adapters import load_teacher
from distilrnn.models.teacher import Teacher, place
from distilrnn.models.teacher_header import TeacherHeader
from distilrnn.orchestration.code import code_version
from distilrnn.runtime.device import Device, configure_process, select_device
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.predict import predict_logits
from distilrnn.training.progress import ScoringProgress


class ScoringRecord(FileRecord):
    """run.json of either rule."""

    code: str
    sentences: int
    classes: dict[str, int] = Field(default_factory=dict)
    """Sentences of a shard in each class, as the teacher sees it."""
    cut: int = 0
    """Sentences of a shard that are longer than the base reads."""
    seconds: float
    sentences_per_second: float
    precision: str
    device: str
    gpu: str | None
    threads: int


@dataclass(frozen=True)
class ScoringJob:
    """Which teacher scores, and how."""

    base: Path
    adapter: Path
    tokens: Path
    """Folder of the tokenised corpus."""
    batch_size: int
    threads: int | None = None

    def load(self) -> "Scorer":
        """The teacher on its device; raises InputError where adapter, base and tokens do not belong together."""
        summary = read_summary(self.tokens)
        teacher, header = load_teacher(self.base, self.adapter)
        require_equal(header.corpus_hash, summary.corpus_hash, self.adapter, "corpus")
        require_equal(header.tokenizer_hash, summary.tokenizer_hash, self.adapter, "tokenizer")
        configure_process(self.threads)
        device = select_device(header.precision)
        return Scorer(place(teacher, device), header, summary, device, self.batch_size)


@dataclass
class Scorer:
    """A teacher that is ready to score."""

    teacher: Teacher
    header: TeacherHeader
    summary: EncodedSummary
    """Of the tokenised corpus."""
    device: Device
    batch_size: int
    seconds: float = 0.0
    """That scoring has taken."""

    def score(self, sentences: EncodedSplit, into: np.ndarray, progress: ScoringProgress) -> None:
        """Write the logits of the sentences, float32 [sentences, classes], into an array of that shape."""
        started = time.monotonic()
        max_tokens = self.device.max_tokens(self.teacher.head.in_features)
        dataset = EncodedDataset(sentences, self.summary.pad_id)
        predict_logits(self.teacher, dataset, self.batch_size, self.device, max_tokens, into, progress)
        self.seconds += time.monotonic() - started

    def record(self, rule: str, sentences: int, more: Mapping[str, Any] | None = None) -> ScoringRecord:
        """run.json of a rule that has scored that many sentences."""
        return ScoringRecord(
            code=code_version(rule),
            sentences=sentences,
            **(more or {}),
            seconds=round(self.seconds, 3),
            sentences_per_second=round(sentences / max(self.seconds, 1e-9), 1),
            **self.device.record(),
        )
