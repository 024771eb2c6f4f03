"""The teachers section of params.yaml."""

from typing import Literal

from pydantic import Field, field_validator

from distilrnn.params.common import Name, Section, Seeds, TrainingParams


class TuningParams(Section):
    """What of the base is trained, and the adapter beside each chosen linear layer (Hu et al. 2021)."""

    mode: Literal["lora", "full", "probe"] = Field(
        "lora", description="lora: adapters and norms; full: every weight; probe: the head alone."
    )
    train_norms: bool = Field(True, description="Train the normalisation layers too (lora).")
    rank: int = Field(4, ge=1, description="LoRA rank.")
    alpha: float | None = Field(None, gt=0, description="LoRA alpha: the update is scaled by alpha/rank; null: by 1.")
    init: Literal["xavier", "zero"] = Field(
        "zero", description="xavier: U and V Xavier-uniform (the reference); zero: V zero (the LoRA paper)."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout on the adapter's input.")
    targets: tuple[str, ...] = Field(
        ("all-linear",), min_length=1, description="Layers to adapt: all-linear, or name patterns with shell wildcards."
    )

    @field_validator("targets", mode="before")
    @classmethod
    def _one_or_many(cls, targets: object) -> object:
        return (targets,) if isinstance(targets, str) else targets


Pooling = Literal["last_token", "first_token", "mean"]
"""Which of a text's last hidden states the head reads: one token's, or the mean of all."""


class TeacherTraining(TrainingParams):
    """How a teacher is trained."""

    gradient_checkpointing: bool = Field(
        False, description="Keep one state a block for the backward pass and compute the rest again: less memory."
    )


class TeacherParams(Section):
    """One teacher: a base, what of it is tuned, and how."""

    base: Name = Field(description="Name of an entry of bases.")
    seeds: Seeds = Field((0,), description="Seeds of the teacher itself.")
    pooling: Pooling | None = Field(
        None,
        description="State that the head reads; null: the last token's of a causal base, the first's of an encoder, or "
        "the mean where the base's own sentence-transformers settings say so.",
    )
    tuning: TuningParams = TuningParams()
    training: TeacherTraining = TeacherTraining()
