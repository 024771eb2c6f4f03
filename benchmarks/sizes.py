"""How much is measured: enough to believe it, or so little that a test can run all of it."""

from dataclasses import dataclass

from benchmarks.students import STUDENTS


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
    growth_pairs: int = 3
    """Pairs of runs whose difference is what the sentences of a rule took."""
    students: tuple[str, ...] = tuple(STUDENTS)
    """Which of STUDENTS are asked."""
    asked: tuple[int, ...] = (1_000, 100_000)
    """Sentences that a system is asked at once."""
    asked_alone: int = 1_000
    """Sentences that it is asked one by one."""
    teacher_asked: tuple[int, ...] = (256,)
    teacher_asked_alone: int = 50
    pools: tuple[int, ...] = (100_000, 1_000_000)
    """Unlabelled sentences that a student learns from, where its memory is measured."""
    lengths: tuple[int, ...] = (8, 32, 128, 512, 2_048, 4_096)
    """Tokens of a text."""
    length_tokens: int = 16_384
    """Tokens of all texts of a length."""
    kernel_sentences: int = 32
    """Sentences of the step that is timed with and without a kernel."""
    kernel_repeats: int = 15
    tiny: bool = False


TINY = Sizes(
    repeats=1,
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
    growth=(150,),
    growth_pairs=1,
    students=("demo",),
    asked=(20, 60),
    asked_alone=10,
    teacher_asked=(8,),
    teacher_asked_alone=2,
    pools=(200,),
    lengths=(32,),
    length_tokens=256,
    kernel_sentences=16,
    kernel_repeats=2,
    tiny=True,
)
