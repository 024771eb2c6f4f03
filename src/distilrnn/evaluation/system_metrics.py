"""Typed records of the metrics: the contents of metrics/<system>.json."""

from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from distilrnn.artifacts.layout import Kind
from distilrnn.artifacts.records import FileRecord, Record
from distilrnn.evaluation.records import Cascade, Claim, Disagreements, Examples, Interval, LabelCurve, PoolSummary
from distilrnn.params.splits import EVERY_SPLIT


class SourceScores(Record):
    """A system on the sentences of one source."""

    n: int
    accuracy: float
    mcc: float


class ReliabilityBin(Record):
    """Sentences whose predicted class has a probability in (lower, upper]."""

    lower: float
    upper: float
    n: int
    confidence: float | None
    """Mean probability of the predicted class; None without sentences."""
    accuracy: float | None


class Fidelity(Record):
    """How closely a student follows its teacher."""

    agreement: float
    """Share of equal predictions."""
    kl: float
    """Mean KL(teacher || student), nats."""


class SplitMetrics(FileRecord):
    """Every metric of one run on one split; None where these labels do not define it."""

    n: int
    """Sentences."""
    accuracy: float
    accuracy_interval: Interval
    """Wilson's."""
    mcc: float
    balanced_accuracy: float
    f1: dict[str, float]
    """By class."""
    roc_auc: float | None
    ece: float
    """Expected calibration error."""
    brier: float
    log_loss: float
    confusion: list[list[int]]
    """Rows true, columns predicted."""
    by_source: dict[str, SourceScores]
    reliability: list[ReliabilityBin]
    fidelity: Fidelity | None = None
    """Of a distilled system to its own teacher."""

    def scalar(self, name: str) -> float | None:
        """One of metrics.SCALARS or metrics.FIDELITY."""
        value = getattr(self.fidelity if name in Fidelity.model_fields else self, name)
        return None if value is None else float(value)


class TrainingFigures(Record):
    """What the metrics tell of a training; None where there was none."""

    best_epoch: int | float | None = None
    train_accuracy: float | None = None
    validation_accuracy: float | None = None
    seconds: float | None = None


class SideBySide(Record):
    """A record whose splits stand beside its other values in the file."""

    @model_validator(mode="before")
    @classmethod
    def _split_by_split(cls, values: Any) -> Any:  # noqa: ANN401 - not checked yet
        if not isinstance(values, dict) or "splits" in values:
            return values
        splits = {key: value for key, value in values.items() if key in EVERY_SPLIT}
        return {"splits": splits, **{key: value for key, value in values.items() if key not in splits}}

    @model_serializer(mode="wrap")
    def _side_by_side(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {
            inner: of_split
            for key, value in handler(self).items()
            for inner, of_split in (value.items() if key == "splits" else [(key, value)])
        }


class RunMetrics(SideBySide):
    """One seed of a system."""

    splits: dict[str, SplitMetrics]
    best_epoch: int | float | None = None
    train_accuracy: float | None = None
    validation_accuracy: float | None = None
    seconds: float | None = None


class SystemMetrics(FileRecord):
    """A system of the comparison, or one of its variants."""

    system: str
    kind: Kind
    teacher: str | None
    student: str | None
    seeds: dict[str, RunMetrics]
    mean: dict[str, dict[str, float | None]]
    """Over seeds, by split and metric."""
    std: dict[str, dict[str, float | None]]
    accuracy_interval: dict[str, Interval]
    """Bootstrap interval over the sentences, by split."""
    mcc_interval: dict[str, Interval]
    parameters: dict[str, int]
    """total and trainable."""

    @property
    def runs(self) -> list[RunMetrics]:
        """Every seed's."""
        return list(self.seeds.values())

    def on(self, split: str) -> list[SplitMetrics]:
        """Every seed's metrics on a split."""
        return [run.splits[split] for run in self.runs]

    def score(self, measure: str, split: str) -> float:
        """The mean of 'accuracy' or 'mcc', which every split defines."""
        value = self.mean[split][measure]
        if value is None:
            raise ValueError(f"{self.system} has no {measure} on {split}")
        return value

    def interval(self, measure: str, split: str) -> Interval:
        """The bootstrap interval of 'accuracy' or 'mcc'."""
        return {"accuracy": self.accuracy_interval, "mcc": self.mcc_interval}[measure][split]


class Measured(Record):
    """Means over seeds on one split, with intervals over the sentences."""

    accuracy: float
    accuracy_std: float | None
    accuracy_interval: Interval
    mcc: float
    mcc_std: float | None
    mcc_interval: Interval


class VariantScores(SideBySide):
    """One of the variants that lists in the params make."""

    system: str
    variant: str
    chosen: bool
    """Whether it stands in the comparison."""
    seeds: int
    validation_accuracy: float | None
    validation_accuracy_std: float | None
    seconds: float | None
    splits: dict[str, Measured]


class Statistics(FileRecord):
    """statistics.json."""

    confidence: float
    resamples: int
    claims: list[Claim]
    cascades: list[Cascade]
    examples: list[Examples]
    disagreements: list[Disagreements]
    pools: list[PoolSummary]
    label_curves: list[LabelCurve]
    variants: list[VariantScores]
