"""Everything that an experiment recorded, read back for its table, figures and report."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.artifacts import layout
from distilrnn.artifacts.curves import Curve, read_curve
from distilrnn.artifacts.files import read_json
from distilrnn.errors import InputError
from distilrnn.evaluation.records import Cascade, Claim, Disagreements, Examples, LabelCurve, PoolSummary
from distilrnn.evaluation.selection import compared_systems
from distilrnn.params.experiment import Experiment, read_experiment
from distilrnn.params.splits import DEV, TRAIN, evaluation_splits

STATISTICS = (
    "confidence",
    "resamples",
    "claims",
    "cascades",
    "examples",
    "disagreements",
    "label_curves",
    "pools",
    "variants",
)
"""Keys of statistics.json."""


@dataclass(frozen=True)
class Results:
    """What the report reads; the dictionaries have the shape of the files that they come from."""

    experiment: Experiment
    corpus: dict[str, Any]
    metrics: dict[str, Any]
    details: dict[str, dict[str, Any]]
    """metrics/<system>.json by system, the majority class first."""
    statistics: dict[str, Any]
    costs: dict[str, Any]
    curves: dict[str, dict[int, Curve]]
    """By system and seed; ensembles have none."""
    exports: dict[str, dict[str, Any]]
    """exports/<system>/export.json by student and baseline."""
    systems: list[layout.System]
    """The systems of the comparison, in the order of the table."""

    @cached_property
    def titles(self) -> dict[str, str]:
        """What each system is called in the report, by its name."""
        return {system.name: system.title for system in [layout.MAJORITY, *self.systems]}

    @cached_property
    def claims(self) -> list[Claim]:
        """The claims about them, with evidence and verdicts."""
        return [Claim.model_validate(claim) for claim in self.statistics["claims"]]

    @cached_property
    def cascades(self) -> list[Cascade]:
        """Each distilled system with its teacher, on every split."""
        return [Cascade.model_validate(cascade) for cascade in self.statistics["cascades"]]

    @cached_property
    def examples(self) -> list[Examples]:
        """Right and wrong answers of each student and baseline."""
        return [Examples.model_validate(examples) for examples in self.statistics["examples"]]

    @cached_property
    def disagreements(self) -> list[Disagreements]:
        """Where each distilled system differs from its teacher."""
        return [Disagreements.model_validate(found) for found in self.statistics["disagreements"]]

    @cached_property
    def label_curves(self) -> list[LabelCurve]:
        """Each system by the number of labelled sentences, on every split; none without a section labels."""
        return [LabelCurve.model_validate(curve) for curve in self.statistics["label_curves"]]

    @cached_property
    def pools(self) -> list[PoolSummary]:
        """The sources of unlabelled sentences, and what the compared teachers see in them."""
        return [PoolSummary.model_validate(pool) for pool in self.statistics["pools"]]

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the confusion counts."""
        return self.corpus["classes"]

    @property
    def splits(self) -> list[str]:
        """The evaluation splits."""
        return evaluation_splits(self.corpus["splits"])

    def has_sources(self, split: str) -> bool:
        """Whether the sentences of a split name where they come from."""
        majority = next(iter(self.details["majority"]["seeds"].values()))
        return set(majority[split]["by_source"]) != {""}

    def sentences(self, split: str) -> int:
        """The number of sentences of a split."""
        return self.corpus["splits"][split]["sentences"]

    def validation_majority(self) -> float:
        """The accuracy, on what validation is measured on, of always saying the most frequent class of train.

        A stratified part of train has train's own share of it.
        """
        train = self.corpus["splits"][TRAIN]["classes"]
        measured = self.corpus["splits"][DEV]["classes"] if self.experiment.selection.validation == "dev" else train
        return measured[int(np.argmax(train))] / sum(measured)


def read_results(params: Path) -> Results:
    """Everything beside `params`, which is results/<experiment>/params.json.

    Raises:
        InputError: a file is missing or damaged, or a system lacks a seed.
    """
    experiment = read_experiment(params)
    folder = params.parent
    corpus = read_json(folder / "corpus" / "corpus.json")
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
            "majority": read_json(folder / "metrics" / "majority.json"),
            **{system.name: _read_details(folder, system) for system in systems},
        },
        statistics=read_json(folder / "statistics.json", *STATISTICS),
        costs=read_json(folder / "costs.json"),
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
    )


def _read_details(folder: Path, system: layout.System) -> dict[str, Any]:
    path = folder / "metrics" / f"{system.name}.json"
    details = read_json(path)
    missing = [seed for seed in system.seeds if str(seed) not in details["seeds"]]
    if missing:
        raise InputError(f"{path}: lacks seed {missing[0]}, which params.json names: evaluate the experiment again")
    return details


def pooled_reliability(details: dict[str, Any], split: str) -> dict[str, np.ndarray]:
    """A system's reliability diagram on a split, the seeds' sentences put together.

    Returns:
        `n` [bins], and the means `confidence` and `accuracy` [bins], NaN in an empty bin.
    """
    runs = [run[split]["reliability"] for run in details["seeds"].values()]
    n = np.array([[b["n"] for b in bins] for bins in runs])
    pooled = {"n": n.sum(axis=0)}
    for name in ("confidence", "accuracy"):
        means = np.array([[b[name] or 0.0 for b in bins] for bins in runs])
        with np.errstate(invalid="ignore"):
            pooled[name] = (n * means).sum(axis=0) / pooled["n"]
    return pooled
