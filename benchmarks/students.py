"""The students of the recorded experiments; weights are random."""

from distilrnn.models.student_header import StudentHeader
from distilrnn.params.student import StudentModelParams

STUDENTS = {
    "demo": StudentModelParams(cell="rnn", embedding=128, hidden=128),
    "sst2": StudentModelParams(cell="gru", embedding=100, hidden=128, bidirectional=True, pooling="max"),
    "cola": StudentModelParams(cell="lstm", embedding=100, hidden=192, bidirectional=True, pooling="max"),
}
"""As params.yaml and experiments/{sst2,cola-ablation}/params.yaml have them."""


def untrained_header(model: StudentModelParams, vocabulary: int) -> StudentHeader:
    """The header of a student that has learned nothing."""
    return StudentHeader(
        classes=["no", "yes"],
        model=model,
        seed=0,
        vocabulary=vocabulary,
        max_length=None,
        pad_id=0,
        corpus_hash="",
        tokenizer_hash="",
        training={},
    )
