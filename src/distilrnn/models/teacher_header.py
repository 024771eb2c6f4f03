"""The header of adapter.safetensors."""

from distilrnn.models.headers import NeuralHeader
from distilrnn.params.teacher import Pooling, TuningParams


class TeacherHeader(NeuralHeader):
    """What a teacher's file says of itself."""

    base_hash: str
    pooling: Pooling | None = None
    tuning: TuningParams
    best_epoch: float | int | None = None

    @property
    def precision(self) -> str:
        """In which the teacher computes: auto, fp32 or bf16."""
        return str(self.training["precision"])
