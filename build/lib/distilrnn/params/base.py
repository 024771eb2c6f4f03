"""The bases section of params.yaml: the language models that teachers start from."""

from pydantic import Field, model_validator

from distilrnn.params.common import LARGEST_SEED, Section


class BaseParams(Section):
    """A base model: 'pretrain' (made here from the unlabelled sentences), a directory, a GGUF file or a hub id."""

    model: str = Field("pretrain", min_length=1, description="pretrain, a model directory, a .gguf file, or a hub id.")
    revision: str | None = Field(None, description="Commit of a hub id; required for one.")
    vocabulary: int = Field(1000, ge=260, description="Vocabulary size of the byte-level BPE (pretrain).")
    width: int = Field(128, ge=8, description="Hidden size (pretrain).")
    layers: int = Field(2, ge=1, description="Transformer blocks (pretrain).")
    heads: int = Field(4, ge=1, description="Attention heads (pretrain).")
    context: int = Field(64, ge=8, description="Longest sentence, in tokens (pretrain).")
    epochs: int = Field(3, ge=1, description="Passes over the unlabelled sentences (pretrain).")
    batch_size: int = Field(64, ge=1, description="Sentences per step (pretrain).")
    learning_rate: float = Field(2e-3, gt=0, description="Adam's peak step size (pretrain).")
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of the initial weights and data order (pretrain).")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "BaseParams":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}: change one of them")
        return self
