"""Metrics against scikit-learn, scipy and hand-computed examples, for any number of classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.dummy import DummyClassifier
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    matthews_corrcoef,
    roc_auc_score,
)
from statsmodels.stats.proportion import proportion_confint

from distilrnn.evaluation.metrics import (
    accuracy,
    confusion,
    evaluate,
    expected_calibration_error,
    fidelity,
    mcc,
    mean_and_std,
    prior_logits,
    reliability,
    roc_auc,
)
from distilrnn.evaluation.system_metrics import Fidelity


def draw(classes, n=200, seed=0):
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.choice(classes, n - classes)])
    logits = (random.normal(size=(n, classes)) + np.eye(classes)[labels]).astype(np.float32)
    sources = [f"s{number}" for number in random.integers(4, size=n)]
    return logits, labels, sources, [f"class{k}" for k in range(classes)]


@st.composite
def cases(draw):
    classes = draw(st.integers(2, 4))
    n = draw(st.integers(1, 40))
    labels = np.array(draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    predictions = np.array(draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    return classes, labels, predictions


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_metrics_agree_with_scikit_learn(classes):
    logits, labels, sources, names = draw(classes)
    found = evaluate(logits, labels, sources, names)
    predictions = logits.argmax(axis=1)
    probabilities = softmax(logits.astype(np.float64), axis=1)
    scores = probabilities[:, 1] if classes == 2 else probabilities
    every = list(range(classes))
    assert found.n == 200
    assert found.accuracy == (predictions == labels).mean()
    assert found.mcc == pytest.approx(matthews_corrcoef(labels, predictions))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, predictions))
    assert list(found.f1) == names
    assert list(found.f1.values()) == pytest.approx(f1_score(labels, predictions, average=None))
    assert found.roc_auc == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"))
    assert found.brier == pytest.approx(brier_score_loss(labels, probabilities, labels=every, scale_by_half=True))
    assert found.log_loss == pytest.approx(log_loss(labels, probabilities))
    assert found.confusion == confusion_matrix(labels, predictions).tolist()


def test_reliability_is_that_of_the_probabilities_in_ten_bins():
    logits, labels, sources, names = draw(3)
    found = evaluate(logits, labels, sources, names)
    assert found.reliability == reliability(softmax(logits.astype(np.float64), axis=1), labels, 10)
    assert len(found.reliability) == 10


def test_a_class_that_neither_occurs_nor_is_predicted_has_f1_0(recwarn):
    logits = np.array([[2.0, 0.0, -9.0], [0.0, 2.0, -9.0]], dtype=np.float32)
    assert evaluate(logits, np.array([0, 1]), ["s", "s"], ["a", "b", "c"]).f1 == {"a": 1.0, "b": 1.0, "c": 0.0}
    assert not recwarn.list


def test_the_accuracy_interval_is_wilsons():
    logits, labels, sources, names = draw(2)
    found = evaluate(logits, labels, sources, names, confidence=0.9)
    right = int((logits.argmax(axis=1) == labels).sum())
    assert found.accuracy_interval == pytest.approx(proportion_confint(right, 200, alpha=0.1, method="wilson"))


def test_two_class_brier_is_the_squared_error_of_the_probability():
    logits = np.log(np.array([[0.2, 0.8], [0.7, 0.3]]))
    assert evaluate(logits, np.array([1, 1]), ["s"] * 2, ["no", "yes"]).brier == pytest.approx((0.04 + 0.49) / 2)


@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(deadline=None)
@given(cases())
def test_confusion_accuracy_and_mcc(case):
    classes, labels, predictions = case
    counts = confusion(labels, predictions, classes)
    assert counts.sum() == len(labels)
    assert accuracy(counts) == counts.trace() / len(labels) == (labels == predictions).mean()
    assert -1 - 1e-12 <= mcc(counts) <= 1 + 1e-12
    assert mcc(counts) == pytest.approx(matthews_corrcoef(labels, predictions), abs=1e-9)
    assert mcc(counts) == pytest.approx(mcc(counts.T))


@settings(deadline=None, max_examples=30)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_sentences_does_not_matter(case, random):
    classes, labels, predictions = case
    logits = np.random.default_rng(0).normal(size=(len(labels), classes)) + 2 * np.eye(classes)[predictions]
    sources = [f"s{row % 3}" for row in range(len(labels))]
    order = random.sample(range(len(labels)), len(labels))
    names = [str(k) for k in range(classes)]
    one = evaluate(logits, labels, sources, names)
    other = evaluate(logits[order], labels[order], [sources[i] for i in order], names)
    for name in ("accuracy", "mcc", "balanced_accuracy", "roc_auc", "ece", "brier", "log_loss"):
        assert other.scalar(name) == pytest.approx(one.scalar(name))
    assert other.confusion == one.confusion
    assert other.by_source == one.by_source
    low, high = one.accuracy_interval
    assert 0 <= low <= one.accuracy <= high <= 1


@settings(deadline=None)
@given(cases(), st.permutations(range(4)))
def test_mcc_and_accuracy_do_not_depend_on_the_order_of_classes(case, order):
    classes, labels, predictions = case
    renamed = np.argsort(np.argsort(order[:classes]))
    one, other = confusion(labels, predictions, classes), confusion(renamed[labels], renamed[predictions], classes)
    assert mcc(other) == pytest.approx(mcc(one))
    assert accuracy(other) == accuracy(one)


def test_mcc_of_many_confusions_at_once():
    random = np.random.default_rng(0)
    counts = random.integers(0, 20, size=(2, 7, 3, 3))
    expected = [[mcc(matrix) for matrix in row] for row in counts]
    assert mcc(counts).shape == (2, 7)
    assert mcc(counts) == pytest.approx(np.array(expected))


def test_reliability_and_ece_by_hand():
    probabilities = np.array([[0.5, 0.5], [0.45, 0.55], [0.9, 0.1], [0.2, 0.8], [0.0, 1.0]])
    labels = np.array([0, 0, 0, 1, 0])
    bins = reliability(probabilities, labels, 4)
    assert [b.n for b in bins] == [0, 1, 1, 3]
    assert [(b.lower, b.upper) for b in bins] == [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]
    assert bins[0].confidence is None
    assert bins[0].accuracy is None
    assert [b.confidence for b in bins[1:]] == pytest.approx([0.5, 0.55, 0.9])
    assert [b.accuracy for b in bins[1:]] == pytest.approx([1, 0, 2 / 3])
    assert expected_calibration_error(bins) == pytest.approx((0.5 + 0.55 + 3 * (0.9 - 2 / 3)) / 5)


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(2, 30))
def test_every_confidence_falls_into_the_bin_that_spans_it(value, bins):
    probabilities = np.array([[value, 1 - value]])
    (filled,) = (b for b in reliability(probabilities, np.array([0]), bins) if b.n)
    assert filled.lower < filled.confidence <= filled.upper


def test_saturated_logits_keep_their_rank():
    logits = np.array([[0.0, 60.0], [0.0, 70.0], [0.0, 80.0], [0.0, 90.0]], dtype=np.float32)
    assert roc_auc(logits, np.array([0, 0, 1, 1])) == 1


def test_a_class_without_sentence_leaves_roc_auc_undefined():
    logits, labels, sources, names = draw(3)
    kept = labels < 2
    found = evaluate(logits[kept], labels[kept], [s for s, k in zip(sources, kept, strict=True) if k], names)
    assert found.roc_auc is None
    recall = [(logits[labels == k].argmax(axis=1) == k).mean() for k in range(2)]
    assert found.balanced_accuracy == pytest.approx(np.mean(recall))


@pytest.mark.parametrize("classes", [2, 3])
def test_by_source_is_the_metric_of_the_sources_own_sentences(classes):
    logits, labels, sources, names = draw(classes)
    found = evaluate(logits, labels, sources, names).by_source
    assert list(found) == sorted(set(sources))
    assert sum(values.n for values in found.values()) == len(labels)
    for source, values in found.items():
        own = np.array(sources) == source
        predictions = logits.argmax(axis=1)
        assert values.accuracy == (predictions == labels)[own].mean()
        assert values.mcc == pytest.approx(matthews_corrcoef(labels[own], predictions[own]))


@pytest.mark.parametrize("classes", [2, 4])
def test_fidelity(classes):
    student, *_ = draw(classes, seed=1)
    teacher, *_ = draw(classes, seed=2)
    found = fidelity(student, teacher)
    assert found.agreement == (student.argmax(axis=1) == teacher.argmax(axis=1)).mean()
    rows = [entropy(softmax(t), softmax(s)) for s, t in zip(student.astype(float), teacher.astype(float), strict=True)]
    assert found.kl == pytest.approx(np.mean(rows))
    assert fidelity(teacher, teacher) == Fidelity(agreement=1, kl=0)


def test_the_majority_system_is_scikit_learns_prior():
    train = np.repeat([0, 1, 2], [3, 10, 7])
    prior = DummyClassifier(strategy="prior").fit(train[:, None], train)
    logits = prior_logits([3, 10, 7], 5)
    assert softmax(logits, axis=1) == pytest.approx(prior.predict_proba(np.zeros((5, 1))))
    assert logits.argmax(axis=1).tolist() == prior.predict(np.zeros((5, 1))).tolist() == [1] * 5
    found = evaluate(logits, np.array([0, 1, 1, 1, 2]), ["s"] * 5, ["a", "b", "c"])
    assert (found.accuracy, found.mcc, found.roc_auc) == (0.6, 0, 0.5)


def test_mean_and_std():
    assert mean_and_std([1, 2, 4]) == pytest.approx((7 / 3, np.sqrt(7 / 3)))
    assert mean_and_std([1, 3]) == pytest.approx((2, np.sqrt(2)))
    assert mean_and_std([0.5]) == (0.5, None)
    assert mean_and_std([0.5, None]) == (None, None)
