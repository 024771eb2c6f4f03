"""run.json of a training: what it was made with, how it went, and what it took."""

from distilrnn.artifacts.records import FileRecord, Settings


class PointScores(FileRecord):
    """Loss and scores (0 to 1, mcc from -1) at the best point of a training."""

    loss: float | None = None
    accuracy: float
    mcc: float | None = None
    macro_f1: float | None = None


class ParameterCounts(FileRecord):
    """Parameters of a model."""

    total: int
    trainable: int
    stored: int = 0
    """Those in a student's file."""


class TrainingRecord(FileRecord):
    """Of a teacher, a student, a baseline or a linear classifier."""

    kind: str
    code: str = ""
    """The version of the code that trained it."""
    seed: int
    sentences: int = 0
    """That a linear classifier learned from."""
    labels: int | None = None
    """Labelled sentences that it, and its teacher, learned from; None: all."""
    best_epoch: int | float | None
    c: float | None = None
    """Inverse strength of a linear classifier's penalty."""
    best_step: int = 0
    epochs: int | float = 0
    steps: int = 0
    validation: str = ""
    """selection.validation."""
    metric: str = ""
    """selection.metric."""
    train: PointScores
    validation_at_best: PointScores
    parameters: ParameterCounts
    seconds: float
    sentences_per_second: float = 0
    precision: str = ""
    device: str = ""
    gpu: str | None = None
    threads: int = 0
    corpus_hash: str
    checkpoint_bytes: int = 0
    vectors: Settings | None = None
    """Source and coverage of pre-trained vectors."""
    threshold: Settings | None = None
    """What tuning the decision between classes gained."""
