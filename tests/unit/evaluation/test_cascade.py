"""Cascades from saved logits: thresholds of the held-out part, and both ends are the student and the teacher."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import accuracy_score, matthews_corrcoef

from distilrnn.evaluation.cascade import SHARES, cascades
from distilrnn.evaluation.confidence import QUANTILES, confidence_quantiles, confidences, threshold
from distilrnn.params.splits import HELD_OUT

DEV = "in_domain_dev"


def drawn(seed, sizes=((DEV, 300), (HELD_OUT, 200)), classes=3, skill=1.0):
    random = np.random.default_rng(seed)
    labels = {split: np.arange(n) % classes for split, n in sizes}
    logits = {s: random.normal(size=(len(y), classes)) + skill * np.eye(classes)[y] for s, y in labels.items()}
    return logits, labels


def test_confidence_is_the_largest_probability():
    logits = np.random.default_rng(0).normal(size=(50, 4)) * 30
    np.testing.assert_allclose(confidences(logits), softmax(logits, axis=1).max(axis=1))
    assert confidences(np.array([[1000.0, -1000.0]])).tolist() == [1.0]


@settings(deadline=None)
@given(st.lists(st.floats(0.5, 1), min_size=1, max_size=300), st.integers(0, 100))
def test_a_threshold_hands_on_the_share_that_it_is_for(values, percent):
    """Exactly, but for what is equally sure."""
    values = np.array(values)
    quantiles = confidence_quantiles(values)
    assert len(quantiles) == QUANTILES
    assert quantiles == sorted(quantiles)
    handed_on = (values <= threshold(quantiles, percent / 100)).sum()
    wanted = round(percent / 100 * len(values))
    assert handed_on >= wanted
    if 0 < percent < 100:
        assert (values < threshold(quantiles, percent / 100)).sum() <= wanted


def test_a_threshold_between_two_percents_is_between_theirs():
    quantiles = confidence_quantiles(np.linspace(0.5, 1, 1001))
    assert threshold(quantiles, 0.2) < threshold(quantiles, 0.205) < threshold(quantiles, 0.21)


def test_the_ends_are_the_student_and_the_teacher_alone():
    student, labels = drawn(0)
    teacher, _ = drawn(1, skill=4.0)
    (found,) = cascades("student", "teacher", [(student, teacher)], labels)
    for point, logits, handed_on in ((found.points[0], student, 0), (found.points[-1], teacher, 1)):
        predicted = logits[DEV].argmax(axis=1)
        assert (point.share, point.handed_on) == (handed_on, handed_on)
        assert point.accuracy == accuracy_score(labels[DEV], predicted)
        assert point.mcc == pytest.approx(matthews_corrcoef(labels[DEV], predicted))
        assert point.held_out_accuracy == accuracy_score(labels[HELD_OUT], logits[HELD_OUT].argmax(axis=1))
        assert point.accuracy_std is None
    assert [point.share for point in found.points] == list(SHARES)


def test_a_point_by_hand():
    student, labels = drawn(0)
    teacher, _ = drawn(1, skill=4.0)
    (found,) = cascades("student", "teacher", [(student, teacher)], labels)
    point = next(point for point in found.points if point.share == 0.3)
    limit = np.sort(softmax(student[HELD_OUT], axis=1).max(axis=1))[60 - 1]  # the 60th of 200 is handed on too
    unsure = softmax(student[DEV], axis=1).max(axis=1) <= limit + 1e-12
    predicted = np.where(unsure, teacher[DEV].argmax(axis=1), student[DEV].argmax(axis=1))
    assert point.handed_on == unsure.mean()
    assert point.accuracy == accuracy_score(labels[DEV], predicted)


def test_points_are_means_over_seeds_with_thresholds_of_their_own():
    pairs, labels = [(drawn(seed)[0], drawn(seed + 9, skill=3.0)[0]) for seed in (0, 1)], drawn(0)[1]
    (both,) = cascades("s", "t", pairs, labels)
    alone = [cascades("s", "t", [pair], labels)[0] for pair in pairs]
    for place, point in enumerate(both.points):
        accuracies = [one.points[place].accuracy for one in alone]
        assert point.accuracy == pytest.approx(np.mean(accuracies))
        assert point.accuracy_std == pytest.approx(np.std(accuracies, ddof=1))
        assert point.handed_on == pytest.approx(np.mean([one.points[place].handed_on for one in alone]))


def test_the_reported_split_chooses_nothing():
    """With other held-out confidences another share of the same split is handed on."""
    student, labels = drawn(0)
    teacher, _ = drawn(1, skill=4.0)
    surer = {**student, HELD_OUT: 3 * student[HELD_OUT]}
    (one,), (other,) = (cascades("s", "t", [(logits, teacher)], labels) for logits in (student, surer))
    assert all(b.handed_on > a.handed_on for a, b in list(zip(one.points, other.points, strict=True))[1:-1])
