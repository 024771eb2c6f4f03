"""With how many labels one system equals another."""

import pytest

from distilrnn.evaluation.label_efficiency import needed_labels
from distilrnn.evaluation.records import LabelCurve


def curve(system="rnn", split="in_domain_dev", **points):
    return LabelCurve(
        system=system,
        split=split,
        points=[
            {"labels": int(n[1:]), "accuracy": a, "accuracy_interval": (a, a), "mcc": a - 0.5, "mcc_interval": (0, 1)}
            for n, a in points.items()
        ],
    )


RISING = curve(_100=0.6, _1000=0.7, _2700=0.8)


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (0.5, 100),  # the smallest number has more already
        (0.6, 100),
        (0.65, 10**2.5),  # halfway on the logarithm
        (0.7, 1000),
        (0.75, (1000 * 2700) ** 0.5),
        (0.8, 2700),
        (0.81, None),
    ],
)
def test_the_number_is_interpolated_between_those_that_were_measured(value, labels):
    assert needed_labels(RISING, "accuracy", value) == (None if labels is None else pytest.approx(labels))
    assert needed_labels(RISING, "mcc", value - 0.5) == (None if labels is None else pytest.approx(labels))


def test_a_curve_that_falls_again_is_reached_where_it_first_was():
    assert needed_labels(curve(_100=0.6, _300=0.7, _1000=0.65, _2700=0.8), "accuracy", 0.7) == pytest.approx(300)
