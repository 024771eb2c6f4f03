"""What evaluation reads of an experiment, checked: the corpus, and the logits and record of every run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.artifacts import layout
from distilrnn.artifacts.files import read_json, require_equal
from distilrnn.artifacts.logits import load_logits
from distilrnn.data.corpus import read_split, read_summary
from distilrnn.errors import InputError
from distilrnn.params.experiment import Experiment
from distilrnn.params.splits import TRAIN, evaluation_splits


@dataclass(frozen=True)
class Split:
    """What a split says of its n sentences."""

    labels: np.ndarray
    """int [n]."""
    sources: list[str]


@dataclass(frozen=True)
class Corpus:
    """What evaluation needs of a corpus."""

    hash: str
    classes: list[str]
    train_counts: list[int]
    """Training sentences of each class."""
    splits: dict[str, Split]
    """The evaluation splits."""


@dataclass(frozen=True)
class Run:
    """What the metrics tell of the training of one system with one seed."""

    training: dict[str, Any]
    """best_epoch, train_accuracy, validation_accuracy and seconds."""
    parameters: dict[str, int]
    """total and trainable."""


def read_corpus(folder: Path) -> Corpus:
    """The corpus that an experiment is judged on; raises InputError."""
    written = read_summary(folder)
    splits = {}
    for name in evaluation_splits(written["splits"]):
        examples = read_split(folder / f"{name}.tsv", len(written["classes"]))
        splits[name] = Split(np.array([e.label for e in examples]), [e.source for e in examples])
    return Corpus(written["hash"], written["classes"], written["splits"][TRAIN]["classes"], splits)


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


def read_logits(path: Path, corpus: Corpus, seed: int) -> dict[str, np.ndarray]:
    """A run's logits [n, K] on the evaluation splits, in the order of the corpus.

    Raises:
        InputError: the logits are of another corpus, other classes, another seed or other sentences, or not finite.
    """
    sentences = {split: len(of_corpus.labels) for split, of_corpus in corpus.splits.items()}
    logits, header = load_logits(path, corpus.hash, corpus.classes, sentences)
    require_equal(str(header.get("seed")), str(seed), path, "seed")
    return logits


def read_run(path: Path, corpus: Corpus) -> Run:
    """What metrics need of a run.json; raises InputError where it is of another corpus or lacks a key."""
    run = read_json(path)
    try:
        kept = {
            "best_epoch": run["best_epoch"],
            "train_accuracy": run["train"]["accuracy"],
            "validation_accuracy": run["validation_at_best"]["accuracy"],
            "seconds": run["seconds"],
        }
        parameters = {name: run["parameters"][name] for name in ("total", "trainable")}
    except (KeyError, TypeError):
        raise InputError(f"{path}: lacks something that a run records: train this system again") from None
    require_equal(run.get("corpus_hash"), corpus.hash, path, "corpus")
    return Run(kept, parameters)
