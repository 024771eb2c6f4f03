"""The students section of params.yaml."""

from typing import Literal

from pydantic import Field

from distilrnn.params.common import Name, Section, TrainingParams


class StudentModelParams(Section):
    """The recurrent classifier."""

    cell: Literal["rnn", "gru", "lstm"] = Field("rnn", description="Recurrent cell: Elman (rnn, tanh), GRU or LSTM.")
    embedding: int = Field(768, ge=1, description="Size of the token embeddings.")
    hidden: int = Field(768, ge=1, description="Size of the recurrent hidden state.")
    layers: int = Field(1, ge=1, description="Recurrent layers.")
    bidirectional: bool = Field(False, description="Read the sentence in both directions.")
    pooling: Literal["last_step", "last_token", "mean", "max"] = Field(
        "last_token",
        description="What is classified: the last time step of the padded sentence (the reference), "
        "its last real token, or the mean or maximum over its tokens.",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout on embeddings, between layers and before the head.")


class DistilParams(Section):
    """What the student learns from the teacher's logits."""

    loss: Literal["kl", "mse"] = Field("kl", description="kl: T^2 KL(teacher || student); mse: squared logit error.")
    temperature: float = Field(2.0, gt=0, description="T of the kl loss.")
    label_weight: float = Field(
        0.0, ge=0, le=1, description="Weight of the cross-entropy with the gold labels, 0 to 1."
    )


class VectorsParams(Section):
    """Pre-trained vectors that a student's embedding begins with."""

    source: str | None = Field(
        None,
        min_length=1,
        description="A text file of word vectors (GloVe, word2vec, fastText; .gz too), a .safetensors file, or the "
        "name of a teacher, whose base's input embeddings are taken; none: random vectors.",
    )
    tune: bool = Field(True, description="Whether training moves the embedding.")


class PretrainingParams(TrainingParams):
    """How a student's encoder is trained as a language model before it learns to classify."""

    epochs: int = Field(5, ge=1, description="Passes over the sentences of train and of the sources.")
    batch_size: int = Field(64, ge=1, description="Sentences per optimizer step.")
    schedule: Literal["constant", "linear"] = Field(
        "linear", description="Learning rate over the run: constant, or linear decay to 0."
    )
    samples: int | None = Field(
        None, ge=1, description="Words that a sampled softmax draws for each batch; none: the full softmax."
    )
    transfer: tuple[Name, ...] | None = Field(
        None,
        description="Names of transfer.sources that the encoder reads beside train, scored or not; none: those of the "
        "student.",
    )


class StudentParams(Section):
    """One student: distilled from every teacher and ensemble of teachers, and trained alone as the baseline."""

    tokenizer: Name = Field(description="Name of a base, or of an entry of tokenize.tokenizers.")
    model: StudentModelParams = StudentModelParams()
    training: TrainingParams = TrainingParams()
    distil: DistilParams = DistilParams()
    vectors: VectorsParams = VectorsParams()
    transfer: tuple[Name, ...] = Field(
        (), description="Names of transfer.sources to learn from beside the labelled sentences (distilled students)."
    )
    pretraining: PretrainingParams | None = Field(
        None, description="Pre-training of the encoder as a language model; none: it begins at random."
    )
    ensembles: dict[Name, tuple[Name, ...]] = Field(
        {}, description="Ensembles of teachers to distil from too: the names of the teachers that are averaged."
    )

    @property
    def read_in_pretraining(self) -> tuple[str, ...]:
        """The sources that its encoder is pre-trained on, beside train."""
        if self.pretraining is None:
            return ()
        return self.transfer if self.pretraining.transfer is None else self.pretraining.transfer
