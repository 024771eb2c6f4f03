"""What labels are worth, in words and as a table."""

from collections.abc import Iterator

from distilrnn.evaluation.label_efficiency import Measure, needed_labels
from distilrnn.evaluation.records import LabelCurve
from distilrnn.params.splits import main_split
from distilrnn.report.formatting import measure_title, percent
from distilrnn.report.results import Results

MEASURES: tuple[Measure, ...] = ("accuracy", "mcc")
NAMES = {"accuracy": "accuracy", "mcc": "MCC"}


def curves(results: Results) -> list[LabelCurve]:
    """Each system's curve on the main split, in the order of the table."""
    return [curve for curve in results.statistics.label_curves if curve.split == main_split(results.splits)]


def sentences(results: Results) -> Iterator[str]:
    """With how many labels each baseline equals its distilled student, for each number of labels but all of them.

    A measure in which the student's interval does not lie above the majority class is left out: what is no better than
    no labels equals no number of them.
    """
    found = {curve.system: curve for curve in curves(results)}
    baselines = {s.student_entry: s.name for s in results.systems if s.kind == "baseline"}
    majority = results.metrics["majority"][main_split(results.splits)]
    for system in (system for system in results.systems if system.kind == "distilled" and system.name in found):
        distilled, baseline = found[system.name], found[baselines[system.student_entry]]
        for point in distilled.points[:-1]:
            begin = f"{results.titles[system.name]} with {point.labels:,} labels"
            needed = {
                measure: _needed(baseline, measure, getattr(point, measure))
                for measure in MEASURES
                if getattr(point, f"{measure}_interval")[0] > (majority[measure] or 0)
            }
            if not needed:
                yield f"{begin} is not shown to be better than the majority class."
                continue
            equal = [f"{number} in {NAMES[measure]}" for measure, number in needed.items()]
            if len(needed) == 2 and len(set(needed.values())) == 1:
                equal = [f"{needed['accuracy']}, in accuracy and in MCC"]
            yield f"{begin} equals {results.titles[baseline.system]} with {' and '.join(equal)}."


def _needed(curve: LabelCurve, measure: Measure, value: float) -> str:
    """A number of labels in words; interpolated ones have two digits."""
    number, measured = needed_labels(curve, measure, value), [point.labels for point in curve.points]
    if number is None:
        return f"more than all {measured[-1]:,}"
    if number in measured:
        return f"at most {number:,}" if number == measured[0] else f"{number:,}"
    digits = len(str(int(number))) - 2
    return f"about {round(number, -digits):,.0f}"


def header(results: Results) -> list[str]:
    """The columns of the table."""
    return ["System", *(f"{point.labels:,} labels" for point in results.statistics.label_curves[0].points)]


def rows(results: Results, measure: Measure) -> list[list[str]]:
    """One measure of every system on the main split with its interval, by the number of labels."""
    return [
        [
            results.titles[curve.system],
            *(
                f"{percent(getattr(point, measure))} "
                f"({' to '.join(map(percent, getattr(point, f'{measure}_interval')))})"
                for point in curve.points
            ),
        ]
        for curve in curves(results)
    ]


def caption(measure: Measure) -> str:
    """What a table shows."""
    title = measure_title(measure)
    return f"{title[0].upper()}{title[1:]} by labelled sentences, with intervals"
