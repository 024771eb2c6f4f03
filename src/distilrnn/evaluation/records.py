"""Typed records of what evaluation finds: the contents of statistics.json."""

from typing import Literal

from distilrnn.artifacts.layout import Kind
from distilrnn.artifacts.records import Record

Verdict = Literal["holds", "fails", "undecided"]
Family = Literal["order", "control"]
Interval = tuple[float, float]


class McNemarTest(Record):
    """McNemar's exact test of two runs."""

    b: int
    """Sentences that only the first run has right."""
    c: int
    """Sentences that only the second run has right."""
    p: float
    """Two-sided."""


class SeedPairTest(McNemarTest):
    """McNemar's test of one pair of seeds."""

    better: int
    """Seed of the first system."""
    worse: int
    """Seed of the second system."""


class McNemarTests(McNemarTest):
    """The tests of all pairs of seeds: sums of b and c, and the median p."""

    by_seed: list[SeedPairTest]


class SeedsOfSides(Record):
    """The seeds of both systems of a comparison."""

    better: list[int]
    worse: list[int]


class Evidence(Record):
    """How far the first of two systems is above the second on one split."""

    seeds: SeedsOfSides
    difference_accuracy: float
    """First minus second, of the means over seeds; shares of 1."""
    difference_accuracy_interval: Interval
    difference_mcc: float
    difference_mcc_interval: Interval
    mcnemar: McNemarTests
    p: float
    """Two-sided bootstrap p of no difference in accuracy."""
    p_mcc: float
    """The same of no difference in MCC."""


class Claim(Evidence):
    """A hypothesis 'the first system is better than the second on this split', with its evidence and verdict."""

    better: str
    """Name of the system that is claimed to be better."""
    worse: str
    better_kind: Kind
    worse_kind: Kind
    split: str
    family: Family
    """order: teacher over distilled over baseline; control: distilled over what a user would take instead. Each family
    is corrected for multiple testing by itself, so that the controls do not weaken the tests of the order."""
    p_holm: float = 1.0
    """p after Holm's correction over the family."""
    verdict: Verdict = "undecided"
    """On the difference in accuracy."""
    p_mcc_holm: float = 1.0
    """p_mcc after Holm's correction over the family, by itself."""
    verdict_mcc: Verdict = "undecided"
    """On the difference in MCC."""
    decidable: bool = True
    """Whether there are enough resamples for a verdict on any claim of the family."""


class CascadePoint(Record):
    """A cascade with one threshold on one split; means over the seeds of the student."""

    share: float
    """Share of the held-out sentences that the threshold hands on."""
    handed_on: float
    """The same of the split's sentences."""
    accuracy: float
    accuracy_std: float | None
    """Over seeds; None with one seed."""
    mcc: float
    mcc_std: float | None
    held_out_accuracy: float
    """On the held-out part of train, which may choose the threshold."""


class Cascade(Record):
    """A student that hands on what it is least sure of to its teacher, on one split, by falling confidence."""

    student: str
    teacher: str
    split: str
    points: list[CascadePoint]
    """From nothing handed on (the student alone) to everything (the teacher alone)."""


class LabelledPoint(Record):
    """A system that learned from a number of labelled sentences, on one split; means over seeds."""

    labels: int
    accuracy: float
    accuracy_interval: Interval
    mcc: float
    mcc_interval: Interval


class LabelCurve(Record):
    """How good a system is on one split by the number of labelled sentences that it, and its teacher, learned from."""

    system: str
    split: str
    points: list[LabelledPoint]
    """By rising number of labels; the last: all of them."""


class PoolAnswer(Record):
    """What a teacher's first seed says of one unlabelled sentence."""

    sentence: str
    answer: str
    probability: float
    """Of the answer."""


class JudgedPool(Record):
    """A source of unlabelled sentences as one teacher sees it."""

    teacher: str
    shares: dict[str, float]
    """Of the sentences that it sees in each class, over all its seeds."""
    answers: list[PoolAnswer]
    """Of some sentences, drawn at random."""


class PoolSummary(Record):
    """What became of the sentences of a source (see `PoolCounts`), and what the teachers see in those that are left."""

    source: str
    kind: str
    read: int
    duplicates: int
    in_reported: int
    in_held_out: int
    in_train: int
    unusable: int
    beyond_bound: int
    sentences: int
    judged: list[JudgedPool]


class Answer(Record):
    """What a system says of one sentence."""

    sentence: str
    label: str
    answer: str
    probability: float
    """Of the answer."""


class Examples(Record):
    """Some right and some wrong answers of a system's first seed, drawn at random."""

    system: str
    split: str
    right: list[Answer]
    wrong: list[Answer]


class Disagreement(Record):
    """A sentence on which a student and its teacher give different answers."""

    sentence: str
    label: str
    student: str
    student_probability: float
    teacher: str
    teacher_probability: float
    distance: float
    """Total variation of their probabilities, 0 to 1."""


class Disagreements(Record):
    """Where the first seed of a student differs most from its teacher, and how often it does."""

    student: str
    teacher: str
    split: str
    share: float
    """Of the sentences that get different answers."""
    teacher_right: float
    """Share of those that the teacher has right."""
    sentences: list[Disagreement]
    """The most distant first."""
