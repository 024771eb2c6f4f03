"""What became of each source of unlabelled sentences, and what the teachers see in it."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from scipy.special import softmax

from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.layout import System
from distilrnn.artifacts.transfer import Pool, PoolLogits, logits_folder, read_pool, read_sentences, shard_folders
from distilrnn.evaluation.records import JudgedPool, PoolAnswer, PoolSummary
from distilrnn.params.experiment import Experiment

SHOWN = 8
"""Sentences of each source that the report shows."""


def summarise_pools(
    experiment: Experiment, folder: Path, teachers: Sequence[System], classes: Sequence[str]
) -> list[PoolSummary]:
    """Every source of the experiment in `folder`; raises InputError where a file is missing or of another pool."""
    found = []
    for source in experiment.transfer.sources:
        pool = read_pool(folder / "transfer" / source)
        counts, shown = pool.counts, _shown(folder / "transfer" / source, pool)
        judges = teachers if experiment.transfer.sources[source].scored else ()
        found.append(
            PoolSummary(
                source=source,
                kind=pool.source["kind"],
                read=counts.read,
                duplicates=counts.duplicates,
                in_reported=counts.in_reported,
                in_held_out=counts.in_held_out,
                in_train=counts.in_train,
                unusable=counts.unusable,
                beyond_bound=counts.beyond_bound,
                sentences=counts.sentences,
                judged=[_judged(experiment, folder, source, pool, teacher, classes, shown) for teacher in judges],
            )
        )
    return found


def _shown(folder: Path, pool: Pool) -> dict[int, str]:
    """Some sentences of a pool by their row, drawn at random and the same every time."""
    size = pool.counts.sentences
    rows = np.sort(np.random.RandomState(0).choice(size, min(SHOWN, size), replace=False)).tolist()
    wanted = set(rows)
    sentences = islice(enumerate(read_sentences(folder)), rows[-1] + 1)
    return {row: sentence for row, sentence in sentences if row in wanted}


def _judged(
    experiment: Experiment,
    folder: Path,
    source: str,
    pool: Pool,
    teacher: System,
    classes: Sequence[str],
    shown: dict[int, str],
) -> JudgedPool:
    counts = dict.fromkeys(classes, 0)
    for seed in teacher.seeds:
        for shard in _shards(experiment, folder, source, teacher, seed):
            for name, count in read_json(shard / "run.json", "classes")["classes"].items():
                counts[name] += count
    shards = _shards(experiment, folder, source, teacher, teacher.seeds[0])
    logits = PoolLogits(shards, pool.hash, classes, pool.counts.sentences).rows(np.array(list(shown)))
    answers = [
        PoolAnswer(sentence=sentence, answer=classes[of_one.argmax()], probability=float(of_one.max()))
        for sentence, of_one in zip(shown.values(), softmax(logits.astype(np.float64), axis=1), strict=True)
    ]
    total = sum(counts.values())
    return JudgedPool(
        teacher=teacher.name, shares={name: count / total for name, count in counts.items()}, answers=answers
    )


def _shards(experiment: Experiment, folder: Path, source: str, teacher: System, seed: int) -> list[Path]:
    return shard_folders(logits_folder(folder, source, str(teacher.teacher), seed), experiment.transfer.shards)
