"""The comparison table: one row per system, as Rich (80 columns), Markdown and JSON."""

from dataclasses import dataclass

from distilrnn.artifacts.layout import MAJORITY, System
from distilrnn.errors import InputError
from distilrnn.evaluation.system_metrics import VariantScores
from distilrnn.params.splits import TEST, main_split
from distilrnn.report import labels, ranking
from distilrnn.report.claims import claim_sentence, verdict_sentences
from distilrnn.report.formatting import percent, sets_title, spread
from distilrnn.report.results import Results


@dataclass(frozen=True)
class Score:
    """One measure of one system on one split; accuracies are shares of 1."""

    mean: float
    std: float | None
    """Over seeds; none with one seed."""
    interval: tuple[float, float] | None
    """Over sentences: Wilson for an accuracy, stratified bootstrap for an MCC; none for the majority class's MCC."""
    seeds: tuple[float, ...]

    @property
    def ends(self) -> tuple[float, float]:
        """The interval; the mean twice where there is none."""
        return self.interval or (self.mean, self.mean)

    @property
    def text(self) -> str:
        """The mean (± standard deviation), times 100, with one decimal."""
        return spread(self.mean, self.std)

    def interval_text(self, between: str = " to ") -> str:
        """The interval's two ends, times 100; empty where there is none."""
        return between.join(map(percent, self.interval)) if self.interval else ""


@dataclass(frozen=True)
class Row:
    """One system."""

    system: str
    """Its name: that of its files."""
    title: str
    """What it is, for people."""
    kind: str
    seeds: int
    """0 for the majority class, which is not trained."""
    parameters: int | None
    trainable: int | None
    scores: dict[str, dict[str, Score]]
    """By split, then 'accuracy' and 'mcc'."""
    milliseconds: float | None
    """CPU time for one sentence."""
    checkpoint_bytes: int | None


@dataclass(frozen=True)
class PublishedRow:
    """A published figure beside ours."""

    system: str
    name: str
    """The published system."""
    split: str
    measure: str
    published: float
    ours: float
    points: float
    """Ours minus published, times 100."""
    sentences: float | None
    """The same in sentences of the split; none for an MCC."""
    of: int


@dataclass(frozen=True)
class Comparison:
    """The table and the text below it."""

    experiment: str
    confidence: float
    rows: list[Row]
    verdict: str
    """What the experiment shows, in one to a few sentences, most important first."""
    headline: str
    """The first of these sentences."""
    order_holds: bool
    """Whether every comparison of the order (teacher, distilled, baseline) is decided in its favour."""
    sentences: list[str]
    """One for each compared pair and split."""
    label_sentences: list[str]
    """With how many labels each baseline equals its student."""
    selection: str
    """Where the best epochs were chosen."""
    selected_on_dev: bool
    published: list[PublishedRow]
    variants: dict[str, list[VariantScores]]
    """By system, the variants that lists in the params made, best on validation first."""

    @property
    def splits(self) -> list[str]:
        """The splits of every row, in their order."""
        return list(self.rows[0].scores)

    def title(self, system: str) -> str:
        """What a system of this name is called."""
        return next(row.title for row in self.rows if row.system == system)

    @property
    def sets(self) -> str:
        """The splits in words."""
        return sets_title(self.splits)

    @property
    def selection_warns(self) -> bool:
        """Whether the best epochs were chosen on all that is reported of the domain."""
        return self.selected_on_dev and TEST not in self.splits

    @property
    def note(self) -> str:
        """How to read a cell."""
        return (
            f"Mean ± standard deviation over seeds (no ±: one seed), and the {100 * self.confidence:g} % interval over "
            "the sentences (accuracy: Wilson; MCC: stratified bootstrap). ms: CPU time for a single sentence."
        )


def compare(results: Results) -> Comparison:
    """The comparison of an experiment, majority class first.

    Raises:
        InputError: a published figure is of no system that the table has.
    """
    claims, names = results.statistics.claims, results.titles
    confidence = results.statistics.confidence
    selection = results.experiment.selection
    if selection.validation != "dev":
        selected = (
            f"The best epochs were chosen on {100 * selection.holdout_fraction:g} % of the training sentences, "
            f"held out; {sets_title(results.splits)} served for this report alone."
        )
    elif TEST in results.splits:
        selected = (
            "The best epochs were chosen on the in-domain dev set, so its figures flatter the trained systems; "
            "the in-domain test set served for this report alone."
        )
    else:
        selected = (
            "Warning: the best epochs were chosen on the in-domain dev set, which is also reported here, "
            "so its figures flatter the trained systems."
        )
    rows = [_majority_row(results, confidence)]
    rows += [_row(results, system, confidence) for system in results.systems]
    verdict = verdict_sentences(claims, names, main_split(results.splits))
    return Comparison(
        experiment=results.experiment.experiment,
        confidence=confidence,
        rows=rows,
        verdict=" ".join(verdict),
        headline=verdict[0],
        order_holds=all(claim.verdict == "holds" for claim in claims if claim.family == "order"),
        sentences=[claim_sentence(claim, names) for claim in claims],
        label_sentences=list(labels.sentences(results)),
        selection=selected,
        selected_on_dev=selection.validation == "dev",
        published=_beside_published(results, rows),
        variants=ranking.ranked(results.statistics.variants),
    )


def wilson(accuracy: float, sentences: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927); a mean over seeds counts as one reading of the sentences."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(accuracy * sentences, sentences, alpha=1 - confidence, method="wilson")
    return float(low), float(high)


def _majority_row(results: Results, confidence: float) -> Row:
    scores = {}
    for split in results.splits:
        values = results.metrics["majority"][split]
        interval = wilson(values["accuracy"], results.sentences(split), confidence)
        scores[split] = {
            "accuracy": Score(values["accuracy"], None, interval, ()),
            "mcc": Score(values["mcc"], None, None, ()),
        }
    return Row(MAJORITY.name, MAJORITY.title, "majority", 0, None, None, scores, None, None)


def _row(results: Results, system: System, confidence: float) -> Row:
    name = system.name
    details, costs = results.details[name], results.costs.get(name)
    scores = {}
    for split in results.splits:
        values = results.metrics[name][split]
        seeds = {measure: tuple(getattr(run, measure) for run in details.on(split)) for measure in ("accuracy", "mcc")}
        scores[split] = {
            "accuracy": Score(
                values["accuracy"],
                values["accuracy_std"],
                wilson(values["accuracy"], results.sentences(split), confidence),
                seeds["accuracy"],
            ),
            "mcc": Score(values["mcc"], values["mcc_std"], details.mcc_interval[split], seeds["mcc"]),
        }
    return Row(
        system=name,
        title=system.title,
        kind=system.kind,
        seeds=len(details.seeds),
        parameters=details.parameters["total"],
        trainable=details.parameters["trainable"],
        scores=scores,
        milliseconds=costs.milliseconds_single if costs else None,
        checkpoint_bytes=costs.checkpoint_bytes if costs else None,
    )


def _beside_published(results: Results, rows: list[Row]) -> list[PublishedRow]:
    ours = {row.system: row for row in rows}
    found = []
    for system, figures in results.experiment.published.items():
        if system not in ours:
            raise InputError(f"published.{system}: no such system: choose one of {', '.join(ours)}")
        for split in results.splits:
            for measure in ("accuracy", "mcc"):
                value = getattr(figures, f"{split}_{measure}")
                if value is None:
                    continue
                mean = ours[system].scores[split][measure].mean
                of = results.sentences(split)
                sentences = (mean - value) * of if measure == "accuracy" else None
                points = 100 * (mean - value)
                name = figures.name or system
                found.append(PublishedRow(ours[system].title, name, split, measure, value, mean, points, sentences, of))
    return found
