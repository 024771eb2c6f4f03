"""Everything that an experiment recorded, read back for its table, figures and report."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.artifacts import layout
from distilrnn.artifacts.costs import Costs, read_costs
from distilrnn.artifacts.curves import Curve, read_curve
from distilrnn.artifacts.files import read_json
from distilrnn.data.corpus import CorpusSummary, read_summary
from distilrnn.data.encoded import EncodedCounts
from distilrnn.data.encoded import read_summary as read_tokens
from distilrnn.errors import InputError
from distilrnn.evaluation.selection import compared_systems
from distilrnn.evaluation.system_metrics import ReliabilityBin, Statistics, SystemMetrics
from distilrnn.params.experiment import Experiment, read_experiment
from distilrnn.params.splits import DEV, TRAIN, evaluation_splits


@dataclass(frozen=True)
class Results:
    """What the report reads; the dictionaries have the shape of the files that they come from."""

    experiment: Experiment
    corpus: CorpusSummary
    metrics: dict[str, Any]
    details: dict[str, SystemMetrics]
    """metrics/<system>.json by system, the majority class first."""
    statistics: Statistics
    costs: dict[str, Costs]
    curves: dict[str, dict[int, Curve]]
    """By system and seed; ensembles have none."""
    exports: dict[str, dict[str, Any]]
    """exports/<system>/export.json by student and baseline."""
    systems: list[layout.System]
    """The systems of the comparison, in the order of the table."""
    tokens: dict[str, dict[str, EncodedCounts]]
    """How long the texts are, and how many of them are cut: by tokenizer and split."""

    @cached_property
    def titles(self) -> dict[str, str]:
        """What each system is called in the report, by its name."""
        return {system.name: system.title for system in [layout.MAJORITY, *self.systems]}

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the confusion counts."""
        return self.corpus.classes

    @property
    def splits(self) -> list[str]:
        """The evaluation splits."""
        return evaluation_splits(self.corpus.splits)

    def has_sources(self, split: str) -> bool:
        """Whether the sentences of a split name where they come from."""
        return set(self.details["majority"].on(split)[0].by_source) != {""}

    def sentences(self, split: str) -> int:
        """The number of sentences of a split."""
        return self.corpus.splits[split].sentences

    def validation_majority(self) -> float:
        """The accuracy, on what validation is measured on, of always saying the most frequent class of train.

        A stratified part of train has train's own share of it.
        """
        train = self.corpus.splits[TRAIN].classes
        measured = self.corpus.splits[DEV].classes if self.experiment.selection.validation == "dev" else train
        return measured[int(np.argmax(train))] / sum(measured)


def read_results(params: Path) -> Results:
    """Everything beside `params`, which is results/<experiment>/params.json.

    Raises:
        InputError: a file is missing or damaged, or a system lacks a seed.
    """
    experiment = read_experiment(params)
    folder = params.parent
    corpus = read_summary(folder / "corpus")
    metrics = read_json(folder / "metrics.json")
    systems = compared_systems(experiment, folder)
    for name in ["majority", *(system.name for system in systems)]:
        if name not in metrics:
            raise InputError(f"{folder / 'metrics.json'}: has no {name}: evaluate the experiment again")
    return Results(
        experiment=experiment,
        corpus=corpus,
        metrics=metrics,
        details={
            "majority": SystemMetrics.read(folder / "metrics" / "majority.json"),
            **{system.name: _read_details(folder, system) for system in systems},
        },
        statistics=Statistics.read(folder / "statistics.json"),
        costs=read_costs(folder / "costs.json"),
        curves={
            system.name: {
                seed: read_curve(layout.checkpoint_folder(folder, system, seed) / "curves.csv") for seed in system.seeds
            }
            for system in systems
            if system.has_curves
        },
        exports={
            system.name: read_json(layout.export_folder(folder, system.name) / "export.json", "bytes", "scores")
            for system in systems
            if system.student
        },
        systems=systems,
        tokens={
            name: read_tokens(folder / "tokens" / name).splits
            for name in [*experiment.bases, *experiment.tokenize.tokenizers]
        },
    )


def _read_details(folder: Path, system: layout.System) -> SystemMetrics:
    path = folder / "metrics" / f"{system.name}.json"
    details = SystemMetrics.read(path)
    missing = [seed for seed in system.seeds if str(seed) not in details.seeds]
    if missing:
        raise InputError(f"{path}: lacks seed {missing[0]}, which params.json names: evaluate the experiment again")
    return details


def pooled_reliability(runs: Sequence[Sequence[ReliabilityBin]]) -> dict[str, np.ndarray]:
    """The reliability diagrams of a system's runs as one, the seeds' sentences put together.

    Returns:
        `n` [bins], and the means `confidence` and `accuracy` [bins], NaN in an empty bin.
    """
    n = np.array([[one.n for one in run] for run in runs])
    pooled = {"n": n.sum(axis=0)}
    for name in ("confidence", "accuracy"):
        means = np.array([[getattr(one, name) or 0.0 for one in run] for run in runs])
        with np.errstate(invalid="ignore"):
            pooled[name] = (n * means).sum(axis=0) / pooled["n"]
    return pooled
