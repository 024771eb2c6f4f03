"""What a student begins with: pre-trained vectors, a pre-trained encoder, or nothing but random numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from distilrnn.artifacts.files import file_hash
from distilrnn.models.encoder import load_encoder, load_recurrent
from distilrnn.models.student import Student
from distilrnn.models.vectors import TokenVectors, load_vectors, starting_embeddings
from distilrnn.params.student import StudentModelParams


@dataclass(frozen=True)
class StartingPoint:
    """The files that a student begins with."""

    vectors: Path | None = None
    """vectors.safetensors."""
    freeze_vectors: bool = False
    """Leave the embedding as it begins."""
    encoder: Path | None = None
    """encoder.safetensors: its embedding takes the place of the vectors where it has some."""

    def header(self) -> dict[str, Any]:
        """What a student depends on."""
        return {
            "vectors_hash": None if self.vectors is None else file_hash(self.vectors),
            "frozen_vectors": self.freeze_vectors,
            "encoder_hash": None if self.encoder is None else file_hash(self.encoder),
        }

    def load(self, tokenizer_hash: str, model: StudentModelParams, classes: int) -> "Start":
        """Read the files; raises InputError where they are of another tokenizer or of another model."""
        vectors, about, recurrent = None, None, None
        if self.vectors is not None:
            vectors, header = load_vectors(self.vectors, tokenizer_hash, model.embedding)
            about = {key: header[key] for key in ("source", "with_vector", "entries", "train_coverage")}
        if self.encoder is not None:
            pretrained, recurrent = load_encoder(self.encoder, tokenizer_hash, model.embedding)
            vectors = pretrained if vectors is None else vectors.updated(pretrained)
        return Start(self, model, classes, vectors, recurrent, about)


RANDOM = StartingPoint()
"""Initial embeddings and weights."""


@dataclass(frozen=True)
class Start:
    """What the files hold."""

    point: StartingPoint
    model: StudentModelParams
    classes: int
    vectors: TokenVectors | None
    recurrent: dict[str, Tensor] | None
    about_vectors: dict[str, Any] | None
    """Source and coverage of the vectors, for run.json."""

    def student(self, token_ids: np.ndarray, seed: int) -> Student:
        """A student with rows for these ids, as its training begins; raises InputError."""
        embeddings = starting_embeddings(seed, token_ids, self.model.embedding, self.vectors)
        student = Student(token_ids, self.classes, self.model, seed, embeddings)
        if self.point.encoder is not None and self.recurrent is not None:
            load_recurrent(student, self.recurrent, self.point.encoder)
        student.embedding.requires_grad_(not self.point.freeze_vectors)
        return student

    def whole(self, student: Student, seed: int) -> Student:
        """The trained student with every vector that it was given: prediction meets words that training did not."""
        return student if self.vectors is None else student.with_token_ids(self.vectors.token_ids, seed, self.vectors)

    def stored(self, trained_ids: np.ndarray) -> np.ndarray:
        """The ids whose rows a checkpoint holds: those that training moved, and those that have a given vector."""
        return trained_ids if self.vectors is None else np.union1d(trained_ids, self.vectors.token_ids)
