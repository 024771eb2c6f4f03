"""The header of student.safetensors."""

from pydantic import Field

from distilrnn.artifacts.records import Settings
from distilrnn.models.headers import NeuralHeader
from distilrnn.params.student import StudentModelParams


class StudentHeader(NeuralHeader):
    """What a student's file says of itself."""

    kind_of_system: str = "distilled"
    vocabulary: int
    """Entries of the tokenizer."""
    model: StudentModelParams
    distil: Settings | None = None
    teacher_logits_hash: list[str] = Field(default_factory=list)
    transfer: Settings | None = None
    vectors_hash: str | None = None
    frozen_vectors: bool = False
    encoder_hash: str | None = None
    confidence_quantiles: list[float] | None = None

    @property
    def width(self) -> int | None:
        """Tokens to which sentences are padded; None: to the longest of a batch."""
        return self.max_length if self.model.pooling == "last_step" else None
