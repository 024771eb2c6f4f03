"""Cascades in words and as tables: the accuracy that is kept, and its cost, when a student hands on what is unsure."""

from collections.abc import Iterator
from dataclasses import dataclass

from distilrnn.evaluation.records import Cascade, CascadePoint
from distilrnn.params.splits import main_split
from distilrnn.report.formatting import percent, significant_digits, spread
from distilrnn.report.results import Results

KEPT = 0.99
"""Share of the teacher's held-out accuracy that the recommended threshold keeps."""
SHOWN = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
"""Shares of the held-out sentences that stand in the table."""


@dataclass(frozen=True)
class Costed:
    """A cascade on the main split with the time of its points."""

    cascade: Cascade
    title: str
    """What the student is called."""
    teacher: str
    """What the teacher is called."""
    milliseconds: list[float]
    """CPU time for one sentence, on average, by point."""

    @property
    def sufficient(self) -> int:
        """The place of the point that hands on least of those that keep the teacher's held-out accuracy."""
        points = self.cascade.points
        enough = KEPT * points[-1].held_out_accuracy
        return next(place for place, point in enumerate(points) if point.held_out_accuracy >= enough)

    @property
    def recommended(self) -> int | None:
        """That place, if it takes less time than to ask the teacher alone."""
        place = self.sufficient
        return place if self.milliseconds[place] < self.milliseconds[-1] else None


def costed(results: Results) -> Iterator[Costed]:
    """The cascades on the main split of which both systems' times were measured."""
    split = main_split(results.splits)
    for cascade in results.statistics.cascades:
        student, teacher = results.costs.get(cascade.student), results.costs.get(cascade.teacher)
        if cascade.split == split and student is not None and teacher is not None:
            own, of_teacher = student.milliseconds_single, teacher.milliseconds_single
            times = [own + point.handed_on * of_teacher for point in cascade.points]
            # All is handed on: the student need not be asked.
            times[-1] = of_teacher
            yield Costed(cascade, results.titles[cascade.student], results.titles[cascade.teacher], times)


def sentence(found: Costed) -> str:
    """What the cascade keeps that hands on just enough, and what it costs."""
    place = found.sufficient
    point, whole = found.cascade.points[place], found.cascade.points[-1]
    own, of_teacher = found.milliseconds[place], found.milliseconds[-1]
    if place == len(found.cascade.points) - 1:
        return f"{found.title} cannot spare {found.teacher} any sentence without a loss of accuracy."
    cost = (
        f"{percent(own / of_teacher, 0)} % of its time ({significant_digits(own)} of "
        f"{significant_digits(of_teacher)} ms per sentence)."
    )
    if found.recommended is None:
        return (
            f"{found.title} saves {found.teacher} no time: to keep its held-out accuracy, "
            f"{percent(point.handed_on, 0)} % of the sentences are handed on, which takes {cost}"
        )
    if place == 0:
        begin = f"{found.title} alone keeps"
    else:
        begin = f"{found.title} hands {percent(point.handed_on, 0)} % of the sentences on to {found.teacher}, and keeps"
    return (
        f"{begin} {percent(point.accuracy / whole.accuracy, 0)} % of its accuracy ({percent(point.accuracy)} of "
        f"{percent(whole.accuracy)} %) at {cost}"
    )


HEADER = ["Held-out share", "Handed on %", "Accuracy %", "MCC × 100", "ms per sentence", "Time, % of the teacher's"]


def rows(found: Costed) -> list[list[str]]:
    """The table of one cascade, in the order of HEADER."""
    shown = [place for place, point in enumerate(found.cascade.points) if point.share in SHOWN]
    places = sorted({*shown, found.sufficient})
    return [_row(found, place, found.cascade.points[place]) for place in places]


def _row(found: Costed, place: int, point: CascadePoint) -> list[str]:
    time = found.milliseconds[place]
    return [
        f"{percent(point.share, 0)} %{' (recommended)' if place == found.recommended else ''}",
        percent(point.handed_on),
        spread(point.accuracy, point.accuracy_std),
        spread(point.mcc, point.mcc_std),
        significant_digits(time),
        percent(time / found.milliseconds[-1], 0),
    ]
