"""Class biases: they reach the best threshold, change nothing where there is nothing to gain, and never lose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from distilrnn.training.threshold import tune_biases

SCORES = {
    "accuracy": accuracy_score,
    "mcc": matthews_corrcoef,
    "macro_f1": lambda labels, predictions: f1_score(labels, predictions, average="macro"),
}


@pytest.mark.parametrize("metric", sorted(SCORES))
def test_two_classes_get_the_best_of_all_thresholds(metric):
    random = np.random.default_rng(0)
    labels = (random.random(80) < 0.3).astype(np.int64)
    logits = np.stack([np.zeros(80), labels * 1.0 - 2 + random.normal(0, 0.8, 80)], axis=1)
    tuned = tune_biases(logits, labels, metric)
    margins = np.sort(logits[:, 0] - logits[:, 1])
    thresholds = [0.0, *((margins[1:] + margins[:-1]) / 2)]
    scores = [SCORES[metric](labels, (logits + np.array([0, bias])).argmax(1)) for bias in thresholds]
    assert tuned.after == pytest.approx(max(scores))
    assert tuned.before == pytest.approx(SCORES[metric](labels, logits.argmax(1)))
    assert SCORES[metric](labels, (logits + tuned.biases).argmax(1)) == pytest.approx(tuned.after)
    nearest = min(abs(t) for t, score in zip(thresholds, scores, strict=True) if score >= max(scores) - 1e-12)
    assert abs(tuned.biases[1]) == pytest.approx(nearest, rel=1e-6)


def test_nothing_to_gain_leaves_argmax():
    tuned = tune_biases(np.array([[1.0, 0], [0, 1.0]]), np.array([0, 1]), "mcc")
    assert tuned.biases.tolist() == [0, 0]
    assert tuned.after == tuned.before == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_several_classes_never_lose(seed, classes):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, 40)
    logits = random.normal(size=(40, classes)) + 0.5 * np.eye(classes)[labels] + random.normal(size=classes)
    tuned = tune_biases(logits, labels, "macro_f1")
    assert tuned.after >= tuned.before
    assert tuned.biases[0] == 0


def test_a_shifted_class_of_three_is_brought_back():
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 300)
    logits = 4 * np.eye(3)[labels] + random.normal(0, 0.3, (300, 3)) + np.array([0, -6, 5])
    assert tune_biases(logits, labels, "accuracy").after == 1


def test_the_biases_of_the_lowest_loss_are_those_of_logistic_regression():
    generator = np.random.default_rng(0)
    labels = (generator.random(600) < 0.7).astype(int)
    logits = np.stack([np.zeros(600), 3 * generator.normal(size=600) + 4 * labels - 5], axis=1).astype(np.float32)
    tuned = tune_biases(logits, labels, "loss")
    fitted = LogisticRegression(C=1e9).fit(logits[:, 1:], labels)
    assert tuned.biases[0] == 0
    assert tuned.biases[1] == pytest.approx(fitted.intercept_[0] / fitted.coef_[0, 0], abs=0.01)
    assert tuned.after < tuned.before
    assert tuned.record()["metric"] == "loss"


def test_the_lowest_loss_finds_the_shift_of_every_class():
    generator = np.random.default_rng(1)
    shift, logits = np.array([0.0, 1.5, -2.0]), generator.normal(size=(20_000, 3))
    noise = generator.gumbel(size=logits.shape)
    labels = (2 * (logits + shift) + noise).argmax(1)
    assert tune_biases(logits, labels, "loss").biases == pytest.approx(shift, abs=0.1)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 0, 1, 1], [1, 1, 0, 0]])
def test_one_class_or_a_perfect_order_has_finite_biases(labels):
    logits = np.array([[0, -2], [0, -1], [0, 1], [0, 2]], np.float32)
    tuned = tune_biases(logits, np.array(labels), "loss")
    assert np.isfinite(tuned.biases).all()
    if labels == [0, 0, 1, 1]:
        assert ((logits + tuned.biases).argmax(1) == labels).all()
