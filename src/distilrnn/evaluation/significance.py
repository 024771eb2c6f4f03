"""Uncertainty: bootstrap intervals, and whether one system is better than another.

Two things vary when an experiment is repeated: the sentences of the split and the seeds of the systems. The bootstrap
resamples both:

- Sentences: stratified (as many of each label as the split has), and the same resamples for every system and seed, so
  that differences are paired (Efron & Tibshirani 1993, ch. 13 and 16; Berg-Kirkpatrick et al. 2012, EMNLP).
- Seeds: crossed with the sentences, as in the pigeonhole bootstrap (Owen 2007, Ann. Appl. Stat. 1, 386), which errs on
  the careful side. Of s seeds, s - 1 are drawn, because drawing s would understate the variance of their mean by the
  factor (s - 1) / s (Rao & Wu 1988, JASA 83, 231). Each system's seeds are drawn by themselves, so their numbers may
  differ. A system with one seed shows no spread: the verdict is about that training run, and its sentence says so.

The verdict does not rest on McNemar's test over all pairs of sentence and seed: those are not independent. Where two
systems are equally good but their seeds scatter (simulated in test_significance.py), that test finds a difference in
more than a third of the experiments, a bootstrap of the sentences alone in a quarter, and this one in about one of
twenty, as it should. McNemar's test is reported for each pair of seeds. For the same reason MCC is tested by this
bootstrap too, and not by exchanging the answers of two runs at random, which takes the seeds as given.

Shapes: s seeds of one system, n sentences, K classes, r resamples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from distilrnn.evaluation.metrics import accuracy, confusion, mcc
from distilrnn.evaluation.records import (
    Claim,
    Evidence,
    Interval,
    McNemarTest,
    McNemarTests,
    SeedPairTest,
    SeedsOfSides,
    Verdict,
)

CHUNK = 1000
"""Resamples made at a time: bounds the memory to some MB per 1000 sentences."""


@dataclass(frozen=True)
class BootstrapRuns:
    """The runs of one system (one per seed) on one split, and what the bootstrap made of them."""

    seeds: tuple[int, ...]
    """s of them."""
    right: np.ndarray
    """Whether a prediction is right, bool [s, n]."""
    accuracy: np.ndarray
    """[s]."""
    mcc: np.ndarray
    """[s]."""
    resampled_accuracy: np.ndarray
    """[s, r]: column i is the same resample of the sentences for every system and seed."""
    resampled_mcc: np.ndarray
    """[s, r]."""


def bootstrap(
    predictions: Mapping[str, Mapping[int, np.ndarray]], labels: np.ndarray, classes: int, resamples: int, seed: int
) -> dict[str, BootstrapRuns]:
    """Every system's runs under the stratified bootstrap of the sentences, paired across systems and seeds.

    Args:
        predictions: int [n] by system and seed.
        labels: int [n].
        classes: K.
        resamples: r.
        seed: of the resampling.
    """
    every = np.stack([row for by_seed in predictions.values() for row in by_seed.values()])
    resampled = resampled_confusions(every, labels, classes, resamples, seed)
    resampled_accuracy, resampled_mcc = accuracy(resampled), mcc(resampled)
    runs, start = {}, 0
    for system, by_seed in predictions.items():
        rows = slice(start, start + len(by_seed))
        counts = np.stack([confusion(labels, row, classes) for row in every[rows]])
        runs[system] = BootstrapRuns(
            seeds=tuple(by_seed),
            right=every[rows] == labels,
            accuracy=accuracy(counts),
            mcc=mcc(counts),
            resampled_accuracy=resampled_accuracy[rows],
            resampled_mcc=resampled_mcc[rows],
        )
        start = rows.stop
    return runs


def resampled_confusions(
    predictions: np.ndarray, labels: np.ndarray, classes: int, resamples: int, seed: int
) -> np.ndarray:
    """The confusions [p, r, K, K] of p runs on r resamples of the sentences, from predictions [p, n].

    For one label they are a product: (times each sentence was drawn) x (whether a class was predicted for it). float32
    holds such counts exactly, so the result does not depend on the order of summation.
    """
    generator = np.random.default_rng(seed)
    counts = np.zeros((len(predictions), resamples, classes, classes), dtype=np.float32)
    for start in range(0, resamples, CHUNK):
        stop = min(start + CHUNK, resamples)
        for label in np.unique(labels):
            of_label = predictions[:, labels == label]
            drawn = _times_drawn(generator, stop - start, of_label.shape[1])
            is_predicted = of_label[:, None, :] == np.arange(classes)[:, None]
            counts[:, start:stop, label] = np.tensordot(is_predicted.astype(np.float32), drawn, (2, 1)).swapaxes(1, 2)
    return counts


def _times_drawn(generator: np.random.Generator, resamples: int, items: int) -> np.ndarray:
    """How often each item comes up in as many draws with replacement, float32 [resamples, items]."""
    drawn = generator.integers(items, size=(resamples, items)) + np.arange(resamples)[:, None] * items
    return np.bincount(drawn.ravel(), minlength=resamples * items).reshape(resamples, items).astype(np.float32)


def interval(values: np.ndarray, confidence: float) -> Interval:
    """The percentile interval of resampled values [r] (Efron & Tibshirani 1993, ch. 13)."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_p(differences: np.ndarray) -> float:
    """Two-sided p of no difference, from resampled differences [r]: where the percentile interval begins to exclude 0.

    One is added to both counts (Davison & Hinkley 1997, eq. 4.11), so that p is at least 2 / (r + 1).
    """
    tail = min((differences <= 0).sum(), (differences >= 0).sum())
    return min(1.0, float(2 * (tail + 1) / (len(differences) + 1)))


def draw_seeds(generator: np.random.Generator, seeds: int, resamples: int) -> np.ndarray:
    """The positions of the seeds in each resample, int [r, s - 1]; a single seed is always drawn."""
    return generator.integers(seeds, size=(resamples, max(seeds - 1, 1)))


def mean_over(drawn: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean over the drawn seeds [r, s - 1] of resampled values [s, r], in each resample: [r]."""
    return values[drawn, np.arange(len(drawn))[:, None]].mean(axis=1)


def mcnemar(better: np.ndarray, worse: np.ndarray) -> McNemarTest:
    """McNemar's exact test: the two-sided binomial test of the sentences on which two runs differ.

    Args:
        better: whether the first run is right, bool [n].
        worse: the same for the second.
    """
    b, c = int((better & ~worse).sum()), int((worse & ~better).sum())
    return McNemarTest(b=b, c=c, p=float(binomtest(b, b + c).pvalue) if b + c else 1.0)


def compare(
    better: BootstrapRuns, worse: BootstrapRuns, pairs: Sequence[tuple[int, int]], *, confidence: float, seed: int
) -> Evidence:
    """The evidence on the hypothesis that the first system is better than the second.

    Args:
        better: the first system's runs.
        worse: the second system's, from the same call of `bootstrap`.
        pairs: the seeds (first's, second's) that belong together, for McNemar's test by seed.
        confidence: coverage of the intervals.
        seed: of the draws of seeds.

    Returns:
        Differences in accuracy and MCC (first minus second, of the means over seeds) with their intervals and p;
        McNemar's test by pair of seeds.
    """
    generator = np.random.default_rng([seed, 1])  # a stream apart from that of the sentences
    resamples = better.resampled_accuracy.shape[1]
    of_better = draw_seeds(generator, len(better.right), resamples)
    of_worse = draw_seeds(generator, len(worse.right), resamples)
    accuracies = mean_over(of_better, better.resampled_accuracy) - mean_over(of_worse, worse.resampled_accuracy)
    mccs = mean_over(of_better, better.resampled_mcc) - mean_over(of_worse, worse.resampled_mcc)
    tests = [(i, j, mcnemar(better.right[better.seeds.index(i)], worse.right[worse.seeds.index(j)])) for i, j in pairs]
    return Evidence(
        seeds=SeedsOfSides(better=list(better.seeds), worse=list(worse.seeds)),
        difference_accuracy=float(better.accuracy.mean() - worse.accuracy.mean()),
        difference_accuracy_interval=interval(accuracies, confidence),
        difference_mcc=float(better.mcc.mean() - worse.mcc.mean()),
        difference_mcc_interval=interval(mccs, confidence),
        mcnemar=McNemarTests(
            b=sum(test.b for _, _, test in tests),
            c=sum(test.c for _, _, test in tests),
            p=float(np.median([test.p for _, _, test in tests])),
            by_seed=[SeedPairTest(better=i, worse=j, **dict(test)) for i, j, test in tests],
        ),
        p=bootstrap_p(accuracies),
        p_mcc=bootstrap_p(mccs),
    )


def holm_verdicts(claims: Sequence[Claim], confidence: float, resamples: int) -> list[Claim]:
    """The claims with corrected p, verdicts and `decidable`, in their order.

    Holm's correction (Holm 1979) is over each family by itself, and over accuracy and MCC by themselves. A claim is
    decided when the corrected p is below 1 - confidence: it holds when the difference is positive, and fails when it is
    negative. Otherwise it is undecided.
    """
    corrected: dict[int, Claim] = {}
    for family in dict.fromkeys(claim.family for claim in claims):
        places = [place for place, claim in enumerate(claims) if claim.family == family]
        members = [claims[place] for place in places]
        decidable = len(members) * 2 / (resamples + 1) < 1 - confidence
        of_accuracy, of_mcc = holm([claim.p for claim in members]), holm([claim.p_mcc for claim in members])
        for place, claim, p, p_mcc in zip(places, members, of_accuracy, of_mcc, strict=True):
            changes = {
                "p_holm": float(p),
                "verdict": _verdict(claim.difference_accuracy, p, confidence),
                "p_mcc_holm": float(p_mcc),
                "verdict_mcc": _verdict(claim.difference_mcc, p_mcc, confidence),
                "decidable": decidable,
            }
            corrected[place] = claim.model_copy(update=changes)
    return [corrected[place] for place in range(len(claims))]


def _verdict(difference: float, p: float, confidence: float) -> Verdict:
    if p >= 1 - confidence:
        return "undecided"
    return "holds" if difference > 0 else "fails"


def holm(ps: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction (Holm 1979, Scand. J. Statist. 6, 65): adjusted p, in the order given."""
    order = np.argsort(ps, kind="stable")
    stepped = np.asarray(ps, dtype=float)[order] * np.arange(len(ps), 0, -1)
    adjusted = np.empty(len(ps))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return adjusted
