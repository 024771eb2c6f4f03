"""How much is measured: enough to believe it, or so little that a test can run all of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Counts of everything that the benchmarks do."""

    repeats: int = 3
    width: int = 768
    layers: int = 12
    heads: int = 12
    product: int = 2048
    """Rows and columns of the matrices that measure the machine's limit."""
    teacher_sentences: int = 384
    distil_sentences: int = 256
    epochs: int = 4
    baseline_sentences: int = 1024
    helps: int = 3
    """Times that every script's --help is started."""
    starts: int = 3
    """Times that a student job is started."""
    trivial_jobs: int = 40
    student_jobs: int = 6
    job_sentences: int = 256
    """Sentences of the teacher job whose memory is measured."""
    growth: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)


TINY = Sizes(
    repeats=2,
    width=16,
    layers=2,
    heads=2,
    product=64,
    teacher_sentences=40,
    distil_sentences=40,
    epochs=2,
    baseline_sentences=40,
    helps=1,
    starts=1,
    trivial_jobs=3,
    student_jobs=2,
    job_sentences=40,
    growth=(150, 300),
)
