"""The headers of trained systems' files: the settings that are needed to use them, and what they were made of.

Those of one kind are in models/teacher_header.py, models/student_header.py and models/linear.py, so that a parameter of
students is no part of a teacher's code.
"""

from pydantic import Field

from distilrnn.artifacts.records import FileRecord, Settings
from distilrnn.data.long_texts import TextLimit, recorded_limit
from distilrnn.params.labels import LabelBudget


class ClassifierHeader(FileRecord):
    """What the file of any system may say."""

    kind: str
    """adapter, student or linear; logits and others are no systems."""
    classes: list[str] | None = None
    corpus_hash: str | None = None
    confidence_quantiles: list[float] | None = None
    """See evaluation/confidence.py."""


class NeuralHeader(FileRecord):
    """What adapters and students have in common."""

    corpus_hash: str
    tokenizer_hash: str
    classes: list[str]
    max_length: int | None
    long_texts: TextLimit | None = None
    pad_id: int
    training: Settings
    selection: Settings = Field(default_factory=dict)
    labels: LabelBudget | None = None
    seed: int

    @property
    def text_limit(self) -> TextLimit:
        """What is read of a long text."""
        return recorded_limit(self.long_texts, self.max_length)
