"""What evaluation reads of an experiment, checked: the corpus, and the logits and record of every run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distilrnn.artifacts import layout
from distilrnn.artifacts.files import require_equal
from distilrnn.artifacts.logits import load_logits
from distilrnn.artifacts.runs import TrainingRecord
from distilrnn.data.corpus import iterate_split, read_split, read_summary
from distilrnn.data.holdout import split_holdout
from distilrnn.errors import InputError
from distilrnn.evaluation.system_metrics import TrainingFigures
from distilrnn.params.common import HoldoutParams
from distilrnn.params.experiment import Experiment
from distilrnn.params.splits import DEV, HELD_OUT, TRAIN, evaluation_splits


@dataclass(frozen=True)
class Split:
    """What a split says of its n sentences."""

    labels: np.ndarray
    """int [n]."""
    sources: list[str]
    sentences: list[str]


@dataclass(frozen=True)
class Corpus:
    """What evaluation needs of a corpus."""

    hash: str
    classes: list[str]
    train_counts: list[int]
    """Training sentences of each class."""
    splits: dict[str, Split]
    """The evaluation splits."""
    train_sentences: int
    held_out: np.ndarray
    """int: the rows of train on which epochs were chosen; empty where that was dev."""
    held_out_labels: np.ndarray
    """int [n]: the labels of what epochs were chosen on."""


@dataclass(frozen=True)
class Run:
    """What the metrics tell of the training of one system with one seed."""

    training: TrainingFigures
    parameters: dict[str, int]
    """total and trainable."""


def read_corpus(folder: Path, selection: HoldoutParams) -> Corpus:
    """The corpus that an experiment is evaluated on; raises InputError."""
    written = read_summary(folder)
    splits = {}
    train = np.array([e.label for e in iterate_split(folder / f"{TRAIN}.tsv", len(written.classes))])
    for name in evaluation_splits(written.splits):
        examples = read_split(folder / f"{name}.tsv", len(written.classes))
        splits[name] = Split(
            np.array([e.label for e in examples]), [e.source for e in examples], [e.sentence for e in examples]
        )
    _, held_out = split_holdout(train, selection)
    labels = splits[DEV].labels if selection.validation == "dev" else train[held_out]
    counts = written.splits[TRAIN].classes
    return Corpus(written.hash, written.classes, counts, splits, len(train), held_out, labels)


def require_every_run(experiment: Experiment, folder: Path) -> None:
    """Refuse an experiment of which a system lacks a seed; raises InputError."""
    for system, seed in layout.runs(experiment):
        checkpoint = layout.checkpoint_folder(folder, system, seed)
        logits = layout.logits_folder(folder, system, seed) / "logits.safetensors"
        curves = [checkpoint / "curves.csv"] if system.has_curves else []
        for path in (logits, checkpoint / "run.json", *curves):
            if not path.is_file():
                raise InputError(
                    f"{path}: no such file, so {system.name} lacks seed {seed}: "
                    "make it, or take the seed out of the params"
                )


def read_logits(path: Path, corpus: Corpus, seed: int, *, has_train: bool) -> dict[str, np.ndarray]:
    """A run's logits [n, K] on the evaluation splits and HELD_OUT, in the order of the corpus.

    Args:
        path: the logits file.
        corpus: of the experiment.
        seed: of the run.
        has_train: whether the file holds all of train (a teacher's), or the held-out sentences (any other's).

    Raises:
        InputError: the logits are of another corpus, other classes, another seed or other sentences, or not finite.
    """
    sentences = {split: len(of_corpus.labels) for split, of_corpus in corpus.splits.items()}
    more = {TRAIN: corpus.train_sentences} if has_train else {HELD_OUT: len(corpus.held_out_labels)}
    logits, header = load_logits(path, corpus.hash, corpus.classes, {**sentences, **more})
    require_equal(str(header.get("seed")), str(seed), path, "seed")
    if has_train:
        train = logits.pop(TRAIN)
        logits[HELD_OUT] = train[corpus.held_out] if len(corpus.held_out) else logits[DEV]
    return logits


def read_run(path: Path, corpus: Corpus) -> Run:
    """What metrics need of a run.json; raises InputError where it is of another corpus or lacks a key."""
    run = TrainingRecord.read(path)
    require_equal(run.corpus_hash, corpus.hash, path, "corpus")
    training = TrainingFigures(
        best_epoch=run.best_epoch,
        train_accuracy=run.train.accuracy,
        validation_accuracy=run.validation_at_best.accuracy,
        seconds=run.seconds,
    )
    return Run(training, {"total": run.parameters.total, "trainable": run.parameters.trainable})
