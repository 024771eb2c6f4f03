"""Intervals, tests and verdicts against brute force, scipy and statsmodels, and on simulated experiments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import matthews_corrcoef
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from distilrnn.evaluation import significance
from distilrnn.evaluation.records import Claim, SeedsOfSides
from distilrnn.evaluation.significance import (
    bootstrap,
    bootstrap_p,
    compare,
    draw_seeds,
    holm_verdicts,
    interval,
    mcnemar,
    mean_over,
    resampled_confusions,
)


def draw(classes, n=90, seeds=3, skill=0.7, seed=0):
    random = np.random.default_rng(seed)
    labels = random.choice(classes, n)
    predictions = np.where(random.random((seeds, n)) < skill, labels, random.choice(classes, (seeds, n)))
    return predictions, labels


def one_system(predictions):
    return dict(enumerate(predictions))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3])
def test_bootstrap_agrees_with_brute_force(classes):
    """The same distribution as drawing the sentences of each label one by one and scoring with scikit-learn."""
    predictions, labels = draw(classes)
    found = bootstrap({"a": one_system(predictions)}, labels, classes, 2000, 0)["a"]
    random = np.random.default_rng(99)
    brute_accuracy, brute_mcc = [], []
    for _ in range(1000):
        rows = np.concatenate([random.choice(r, len(r)) for k in range(classes) for r in [np.flatnonzero(labels == k)]])
        brute_accuracy.append((predictions[0] == labels)[rows].mean())
        brute_mcc.append(matthews_corrcoef(labels[rows], predictions[0][rows]))
    for ours, brute in ((found.resampled_accuracy[0], brute_accuracy), (found.resampled_mcc[0], brute_mcc)):
        assert ours.mean() == pytest.approx(np.mean(brute), abs=0.005)
        assert ours.std() == pytest.approx(np.std(brute), rel=0.08)
        assert interval(ours, 0.95) == pytest.approx(np.quantile(brute, [0.025, 0.975]), abs=0.02)


def test_bootstrap_keeps_the_labels_of_the_split():
    predictions, labels = draw(3)
    counts = resampled_confusions(predictions, labels, 3, 50, 0)
    assert counts.shape == (3, 50, 3, 3)
    assert (counts.sum(axis=-1) == np.bincount(labels)).all()


def test_bootstrap_is_paired_across_systems_and_seeds():
    """Equal predictions stay equal in every resample, whichever system and seed they are of."""
    predictions, labels = draw(2)
    first = {0: predictions[0], 1: predictions[1]}
    found = bootstrap({"a": first, "b": {7: predictions[1]}}, labels, 2, 600, 0)
    assert found["a"].seeds == (0, 1)
    assert found["b"].seeds == (7,)
    assert (found["a"].resampled_accuracy[1] == found["b"].resampled_accuracy[0]).all()
    assert (found["a"].resampled_mcc[1] == found["b"].resampled_mcc[0]).all()
    assert (found["a"].resampled_mcc[0] != found["b"].resampled_mcc[0]).any()


def test_bootstrap_scores_each_run():
    predictions, labels = draw(3)
    found = bootstrap({"a": one_system(predictions)}, labels, 3, 100, 0)["a"]
    assert found.accuracy == pytest.approx((predictions == labels).mean(axis=1))
    assert found.mcc == pytest.approx([matthews_corrcoef(labels, row) for row in predictions])
    assert (found.right == (predictions == labels)).all()


def test_bootstrap_depends_on_its_seed_alone():
    predictions, labels = draw(2)
    one, same, other = (resampled_confusions(predictions, labels, 2, 700, seed) for seed in (0, 0, 1))
    assert (one == same).all()
    assert (one != other).any()


def test_bootstrap_passes_its_seed_on():
    predictions, labels = draw(2)
    one, same, other = (bootstrap({"a": one_system(predictions)}, labels, 2, 50, seed)["a"] for seed in (0, 0, 1))
    assert (one.resampled_mcc == same.resampled_mcc).all()
    assert (one.resampled_mcc != other.resampled_mcc).any()


def test_resamples_that_fill_no_whole_chunk_are_all_made(monkeypatch):
    predictions, labels = draw(2)
    monkeypatch.setattr(significance, "CHUNK", 7)
    counts = resampled_confusions(predictions, labels, 2, 16, 0)
    assert (counts.sum(axis=(-2, -1)) == len(labels)).all()


def test_interval_by_hand():
    assert interval(np.arange(101.0), 0.9) == pytest.approx([5, 95])


def test_bootstrap_p_counts_both_tails():
    assert bootstrap_p(np.array([1.0] * 97 + [-1.0] * 2)) == pytest.approx(2 * 3 / 100)
    assert bootstrap_p(-np.array([1.0] * 97 + [-1.0] * 2)) == pytest.approx(2 * 3 / 100)
    assert bootstrap_p(np.ones(999)) == pytest.approx(2 / 1000)
    assert bootstrap_p(np.zeros(99)) == 1


@settings(deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=50))
def test_bootstrap_p_is_a_probability_that_ignores_the_order_of_systems(differences):
    p = bootstrap_p(np.array(differences))
    assert 0 < p <= 1
    assert bootstrap_p(-np.array(differences)) == p


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_the_exact_test_of_scipy_and_statsmodels(pairs):
    better, worse = np.array(pairs).T
    found = mcnemar(better, worse)
    b, c = sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs)
    assert (found.b, found.c) == (b, c)
    assert found.p == pytest.approx(statsmodels_mcnemar([[0, b], [c, 0]], exact=True).pvalue)
    if b + c:
        assert found.p == pytest.approx(binomtest(b, b + c).pvalue)


def test_a_drawn_seed_brings_its_own_resample():
    values = np.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    assert mean_over(np.array([[0, 0], [1, 2]]), values).tolist() == [1, 110]


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_spread_of_seeds_is_that_of_their_mean(seeds):
    """Variance over resamples of the seeds = s^2 / seeds, s^2 the unbiased variance of one seed."""
    values = np.random.default_rng(0).normal(size=seeds)
    drawn = draw_seeds(np.random.default_rng(1), seeds, 200_000)
    means = mean_over(drawn, np.tile(values[:, None], 200_000))
    assert means.mean() == pytest.approx(values.mean(), abs=0.01)
    assert means.var() == pytest.approx(values.var(ddof=1) / seeds, rel=0.02)


def test_a_single_seed_is_always_drawn():
    assert (draw_seeds(np.random.default_rng(0), 1, 5) == 0).all()


def test_compare_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    better = {3: np.array([0, 0, 0, 0, 1, 1, 1, 0]), 4: np.array([0, 0, 0, 1, 1, 1, 1, 1])}
    worse = {0: np.array([0, 0, 1, 1, 1, 1, 1, 1])}
    found = bootstrap({"a": better, "b": worse}, labels, 2, 400, 0)
    evidence = compare(found["a"], found["b"], [(3, 0), (4, 0)], confidence=0.95, seed=0)
    assert evidence.seeds == SeedsOfSides(better=[3, 4], worse=[0])
    assert evidence.difference_accuracy == pytest.approx(7 / 8 - 6 / 8)
    mccs = [matthews_corrcoef(labels, row) for row in (*better.values(), *worse.values())]
    assert evidence.difference_mcc == pytest.approx((mccs[0] + mccs[1]) / 2 - mccs[2])
    assert [dict(test) for test in evidence.mcnemar.by_seed] == [
        {"better": 3, "worse": 0, "b": 2, "c": 1, "p": 1.0},
        {"better": 4, "worse": 0, "b": 1, "c": 0, "p": 1.0},
    ]
    assert {key: getattr(evidence.mcnemar, key) for key in "bcp"} == {"b": 3, "c": 1, "p": 1.0}
    low, high = evidence.difference_accuracy_interval
    assert low <= evidence.difference_accuracy <= high


def test_the_median_mcnemar_of_an_even_number_of_seeds():
    labels = np.zeros(12, dtype=int)
    wrong = np.ones(12, dtype=int)
    partly = np.repeat([0, 1], 6)
    found = bootstrap({"a": {0: labels, 1: labels}, "b": {0: wrong, 1: partly}}, labels, 2, 100, 0)
    tests = compare(found["a"], found["b"], [(0, 0), (1, 1)], confidence=0.95, seed=0).mcnemar
    expected = [2 * 0.5**12, 2 * 0.5**6]
    assert [test.p for test in tests.by_seed] == pytest.approx(expected)
    assert tests.p == pytest.approx(np.mean(expected))


def test_compare_depends_on_its_seed_alone():
    labels = np.zeros(30, dtype=int)
    drawn = np.random.default_rng(0).integers(2, size=(6, 30))
    found = bootstrap({"a": dict(enumerate(drawn[:3])), "b": dict(enumerate(drawn[3:]))}, labels, 2, 500, 0)
    first, second, other = (compare(found["a"], found["b"], [(0, 0)], confidence=0.9, seed=k) for k in (5, 5, 6))
    assert first == second
    assert first != other


def test_identical_systems_do_not_differ():
    predictions, labels = draw(2, seeds=1)
    found = bootstrap({"a": {0: predictions[0]}, "b": {0: predictions[0]}}, labels, 2, 300, 0)
    evidence = compare(found["a"], found["b"], [(0, 0)], confidence=0.95, seed=0)
    assert evidence.p == evidence.p_mcc == 1
    assert evidence.difference_accuracy_interval == evidence.difference_mcc_interval == (0, 0)


def test_exchanging_the_sides_changes_only_the_sign():
    a, labels = draw(2, seeds=1, skill=0.8, seed=1)
    b = np.random.default_rng(3).permutation(a, axis=1)
    found = bootstrap({"a": {0: a[0]}, "b": {0: b[0]}}, labels, 2, 500, 0)
    one = compare(found["a"], found["b"], [(0, 0)], confidence=0.9, seed=0)
    other = compare(found["b"], found["a"], [(0, 0)], confidence=0.9, seed=0)
    assert (other.p, other.p_mcc) == (one.p, one.p_mcc)
    assert other.difference_mcc == -one.difference_mcc
    assert other.difference_accuracy_interval == pytest.approx(
        tuple(-x for x in one.difference_accuracy_interval[::-1])
    )


def test_equal_systems_whose_seeds_scatter_are_seldom_told_apart():
    """Two equally good systems, 5 seeds each, 527 sentences, with effects of sentence, seed and their interaction."""
    random = np.random.default_rng(1)
    labels = (np.arange(527) < 0.69 * 527).astype(int)
    experiments, ours, of_mcc, sentences_only, pooled_mcnemar = 80, 0, 0, 0, 0
    for number in range(experiments):
        ease = random.normal(1.2, 1.5, 527)
        systems = {}
        for name in "ab":
            latent = ease + random.normal(0, 0.7, 527) + random.normal(0, 0.2, (5, 1)) + random.normal(0, 1, (5, 527))
            systems[name] = one_system(np.where(latent > 0, labels, 1 - labels))
        found = bootstrap(systems, labels, 2, 499, number)
        a, b = found["a"], found["b"]
        evidence = compare(a, b, [(0, 0)], confidence=0.95, seed=number)
        ours += evidence.p < 0.05
        of_mcc += evidence.p_mcc < 0.05
        sentences_only += bootstrap_p(a.resampled_accuracy.mean(axis=0) - b.resampled_accuracy.mean(axis=0)) < 0.05
        pooled_mcnemar += mcnemar(a.right.ravel(), b.right.ravel()).p < 0.05
    assert ours / experiments <= 0.1
    assert of_mcc / experiments <= 0.1
    assert sentences_only / experiments > 0.2
    assert pooled_mcnemar / experiments > 0.3


def claim(difference=0.05, p=0.001, **changes):
    values = {
        "better": "lora-gpt2",
        "worse": "distilrnn-gpt2",
        "better_kind": "teacher",
        "worse_kind": "distilled",
        "split": "in_domain_dev",
        "family": "order",
        "seeds": {"better": [0, 1], "worse": [0, 1]},
        "difference_accuracy": difference,
        "difference_accuracy_interval": (difference - 0.022, difference + 0.022),
        "difference_mcc": 0.1,
        "difference_mcc_interval": (0.0, 0.2),
        "mcnemar": {"b": 3, "c": 1, "p": 0.5, "by_seed": []},
        "p": p,
        "p_mcc": 0.5,
        **changes,
    }
    return Claim.model_validate(values)


def test_holm_is_statsmodels_and_scales_the_smallest_by_the_number_of_claims():
    ps = [0.04, 0.001, 0.03, 0.5]
    found = [c.p_holm for c in holm_verdicts([claim(p=p) for p in ps], 0.95, 10_000)]
    assert found == pytest.approx([0.09, 0.004, 0.09, 0.5])
    assert found == pytest.approx(multipletests(ps, method="holm")[1])


@pytest.mark.parametrize(
    ("difference", "p", "others", "verdict"),
    [
        (0.05, 0.01, 0, "holds"),
        (-0.05, 0.01, 0, "fails"),
        (0.05, 0.06, 0, "undecided"),
        (0.05, 0.02, 4, "undecided"),
        (-0.05, 0.02, 4, "undecided"),
    ],
)
def test_verdicts_are_corrected_for_all_claims(difference, p, others, verdict):
    claims = [claim(difference, p), *[claim(p=0.9) for _ in range(others)]]
    assert holm_verdicts(claims, 0.95, 10_000)[0].verdict == verdict


def test_the_confidence_sets_the_level():
    assert holm_verdicts([claim(p=0.06)], 0.9, 10_000)[0].verdict == "holds"


def test_no_claims():
    assert holm_verdicts([], 0.95, 100) == []


@pytest.mark.parametrize(("resamples", "possible"), [(38, False), (40, True)])
def test_a_verdict_needs_resamples_for_the_smallest_p_that_there_can_be(resamples, possible):
    """The smallest p is 2 / (resamples + 1)."""
    assert holm_verdicts([claim(p=0.5)], 0.95, resamples)[0].decidable is possible


def test_few_resamples_decide_nothing():
    few = holm_verdicts([claim(p=2 / 101) for _ in range(4)], 0.95, 100)
    assert {(c.verdict, c.decidable) for c in few} == {("undecided", False)}


def test_the_controls_do_not_weaken_the_tests_of_the_order():
    order, controls = [claim(p=0.02)], [claim(p=0.9, family="control") for _ in range(9)]
    found = holm_verdicts([controls[0], *order, *controls[1:]], 0.95, 10_000)
    assert found[1].p_holm == 0.02
    assert found[1].verdict == "holds"
    assert [c.family for c in found] == ["control", "order", *["control"] * 8]


def test_mcc_has_a_test_and_a_verdict_of_its_own():
    """Where one class is rare, always saying the other is as accurate as a system that finds some of both."""
    labels = np.array([0] * 60 + [1] * 240)
    finds = labels.copy()
    finds[:30], finds[60:90] = 1, 0  # half of the rare class, at the price of as many of the frequent one
    found = bootstrap({"finds": {0: finds}, "always": {0: np.ones(300, int)}}, labels, 2, 2000, 0)
    evidence = compare(found["finds"], found["always"], [(0, 0)], confidence=0.95, seed=0)
    assert evidence.difference_accuracy == 0
    assert evidence.p > 0.5
    assert evidence.difference_mcc_interval[0] > 0
    assert evidence.p_mcc == pytest.approx(2 / 2001)
    (decided,) = holm_verdicts([Claim.model_validate(claim().model_dump() | dict(evidence))], 0.95, 2000)
    assert (decided.verdict, decided.verdict_mcc) == ("undecided", "holds")


def test_mcc_is_corrected_over_its_family_by_itself():
    claims = [claim(p=0.9, p_mcc=p) for p in (0.04, 0.001, 0.03, 0.5)]
    found = holm_verdicts([*claims, claim(p_mcc=0.02, family="control")], 0.95, 10_000)
    assert [c.p_mcc_holm for c in found] == pytest.approx([0.09, 0.004, 0.09, 0.5, 0.02])
    assert [c.verdict_mcc for c in found] == ["undecided", "holds", "undecided", "undecided", "holds"]
    assert holm_verdicts([claim(p_mcc=0.001, difference_mcc=-0.1)], 0.95, 10_000)[0].verdict_mcc == "fails"
