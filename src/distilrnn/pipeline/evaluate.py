"""Rule evaluate: metrics and statistics of every system, from the logits and records of all runs.

Reads  corpus/, and of every system and seed logits.safetensors, run.json and curves.csv (see `layout`)
Writes metrics/<system>.json  metrics.json  statistics.json  curves/<system>.csv
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.artifacts import layout
from distilrnn.artifacts.curves import CURVE_COLUMNS, Curve, read_curve, to_csv
from distilrnn.artifacts.files import write_atomically, write_json
from distilrnn.artifacts.layout import MAJORITY, System
from distilrnn.artifacts.logits import average
from distilrnn.evaluation import significance
from distilrnn.evaluation.cascade import cascades
from distilrnn.evaluation.examples import disagreements, examples
from distilrnn.evaluation.inputs import Corpus, Run, read_corpus, read_logits, read_run, require_every_run
from distilrnn.evaluation.label_efficiency import label_curves
from distilrnn.evaluation.metrics import FIDELITY, SCALARS, evaluate, fidelity, mean_and_std, prior_logits
from distilrnn.evaluation.pools import summarise_pools
from distilrnn.evaluation.records import Cascade, Claim, Disagreements, Examples, Family
from distilrnn.evaluation.selection import compared_systems
from distilrnn.evaluation.system_metrics import (
    Measured,
    RunMetrics,
    SplitMetrics,
    Statistics,
    SystemMetrics,
    TrainingFigures,
    VariantScores,
)
from distilrnn.params.experiment import Experiment, read_experiment
from distilrnn.params.splits import HELD_OUT, SHORT, main_split

UNTRAINED = Run(TrainingFigures(), {"total": 0, "trainable": 0})

Logits = dict[str, dict[int, dict[str, np.ndarray]]]
"""float [n, K] by label of the system, seed and split; row i is sentence i of the split."""

Means = dict[str, dict[str, float | None]]
"""By split and metric."""

Runs = dict[str, dict[int, Run]]
"""By label of the system, and seed."""


def evaluate_experiment(params: Path) -> tuple[dict[str, Any], Statistics]:
    """Evaluate the experiment whose params.json is given, and write the results beside it.

    Returns:
        The contents of metrics.json and statistics.json.

    Raises:
        InputError: a file is missing or damaged, a system lacks a seed, or logits are not of this corpus. Nothing is
            written then.
    """
    experiment, folder = read_experiment(params), params.parent
    corpus = read_corpus(folder / "corpus", experiment.selection)
    require_every_run(experiment, folder)
    systems = layout.systems(experiment)
    logits, runs = {}, {}
    for system in systems:
        if system.is_trained:
            logits[system.label] = {
                seed: read_logits(
                    layout.logits_folder(folder, system, seed) / "logits.safetensors",
                    corpus,
                    seed,
                    has_train=system.kind == "teacher",
                )
                for seed in system.seeds
            }
            runs[system.label] = {
                seed: read_run(_checkpoint(folder, system, seed, "run.json"), corpus) for seed in system.seeds
            }
    add_ensembles(experiment, systems, logits, runs)
    chosen = compared_systems(experiment, folder)
    by_labels = {number: compared_systems(experiment, folder, number) for number in sorted(experiment.labels.sentences)}
    if by_labels:
        by_labels[corpus.train_sentences - len(corpus.held_out)] = chosen
    every, claims = evaluate_systems(experiment, systems, chosen, corpus, logits, runs)
    details = {system.name: every[system.label] for system in [MAJORITY, *chosen]}
    curves = {
        system.name: mean_curve([read_curve(_checkpoint(folder, system, seed, "curves.csv")) for seed in system.seeds])
        for system in chosen
        if system.has_curves
    }

    metrics = {name: summary(detail) for name, detail in details.items()}
    settings = experiment.evaluate
    found = Statistics(
        confidence=settings.confidence,
        resamples=settings.resamples,
        claims=claims,
        cascades=[
            cascade
            for system in chosen
            if system.is_distilled
            for cascade in cascades_of(experiment, systems, system, corpus, logits)
        ],
        examples=[examples_of(system, corpus, logits) for system in chosen if system.student],
        disagreements=[
            disagreements_of(experiment, systems, system, corpus, logits) for system in chosen if system.is_distilled
        ],
        pools=summarise_pools(
            experiment, folder, [system for system in chosen if system.kind == "teacher"], corpus.classes
        ),
        label_curves=label_curves(by_labels, every, list(corpus.splits)),
        variants=[
            variant(every[system.label], system, chosen)
            for system in systems
            if system.variant and system.labels is None
        ],
    )
    for name, detail in details.items():
        detail.write(folder / "metrics" / f"{name}.json")
        write_json(folder / "scores" / f"{name}.json", scores(detail))
    for name, rows in curves.items():
        write_atomically(folder / "curves" / f"{name}.csv", to_csv(rows))
    found.write(folder / "statistics.json")
    write_json(folder / "metrics.json", metrics)
    return metrics, found


def _checkpoint(folder: Path, system: System, seed: int, file: str) -> Path:
    return layout.checkpoint_folder(folder, system, seed) / file


def scores(detail: SystemMetrics) -> dict[str, dict[str, float]]:
    """What DVC shows and compares: mean accuracy and MCC by split."""
    return {
        SHORT[split]: {name: round(detail.score(name, split), 4) for name in ("accuracy", "mcc")}
        for split in detail.mean
    }


def add_ensembles(experiment: Experiment, systems: Sequence[System], logits: Logits, runs: Runs) -> None:
    """Add each ensemble's logits and training costs, from its members'."""
    labels = {system.teacher: system.label for system in systems if system.kind == "teacher"}
    for system in systems:
        if system.kind == "ensemble":
            members = [(labels[teacher], seed) for teacher, seed in experiment.members(str(system.teacher))]
            behind = [runs[label][seed] for label, seed in members]
            seconds = sum(run.training.seconds or 0.0 for run in behind)
            parameters = {name: sum(run.parameters[name] for run in behind) for name in UNTRAINED.parameters}
            logits[system.label] = {0: average([logits[label][seed] for label, seed in members])}
            runs[system.label] = {0: Run(TrainingFigures(seconds=seconds), parameters)}


def evaluate_systems(
    experiment: Experiment,
    systems: Sequence[System],
    chosen: Sequence[System],
    corpus: Corpus,
    logits: Logits,
    runs: Runs,
) -> tuple[dict[str, SystemMetrics], list[Claim]]:
    """The metrics of every system by label, majority first, and the decided claims about the chosen ones."""
    settings = experiment.evaluate
    systems = [MAJORITY, *systems]
    prior = {split: prior_logits(corpus.train_counts, len(s.labels)) for split, s in corpus.splits.items()}
    logits = {MAJORITY.name: {0: prior}, **logits}
    runs = {MAJORITY.name: {0: UNTRAINED}, **runs}
    resampled = {
        split: significance.bootstrap(
            {s.label: {k: logits[s.label][k][split].argmax(axis=1) for k in s.seeds} for s in systems},
            corpus.splits[split].labels,
            len(corpus.classes),
            settings.resamples,
            settings.bootstrap_seed,
        )
        for split in corpus.splits
    }
    details = {}
    for system in systems:
        seeds = {k: _scores(experiment, systems, corpus, system, k, logits) for k in system.seeds}
        intervals = {
            metric: {
                split: significance.interval(
                    getattr(resampled[split][system.label], f"resampled_{metric}").mean(axis=0), settings.confidence
                )
                for split in corpus.splits
            }
            for metric in ("accuracy", "mcc")
        }
        mean, std = _over_seeds(list(seeds.values()))
        of_runs = runs[system.label]
        details[system.label] = SystemMetrics(
            system=system.name,
            kind=system.kind,
            teacher=system.teacher,
            student=system.student,
            seeds={str(k): RunMetrics(splits=seeds[k], **dict(of_runs[k].training)) for k in system.seeds},
            mean=mean,
            std=std,
            accuracy_interval=intervals["accuracy"],
            mcc_interval=intervals["mcc"],
            parameters=of_runs[system.seeds[0]].parameters,
        )
    return details, _claims(experiment, chosen, resampled)


def _scores(
    experiment: Experiment, systems: Sequence[System], corpus: Corpus, system: System, seed: int, logits: Logits
) -> dict[str, SplitMetrics]:
    """The metrics of one run by split, a distilled student's fidelity to its own teacher among them."""
    scores = {}
    for name, split in corpus.splits.items():
        own = logits[system.label][seed][name]
        scores[name] = evaluate(
            own,
            split.labels,
            split.sources,
            corpus.classes,
            confidence=experiment.evaluate.confidence,
            calibration_bins=experiment.evaluate.calibration_bins,
        )
        if system.is_distilled:
            teacher = teacher_of(systems, system)
            of_teacher = logits[teacher.label][layout.teacher_seed(experiment, system, seed)][name]
            scores[name] = scores[name].model_copy(update={"fidelity": fidelity(own, of_teacher)})
    return scores


def teacher_of(systems: Sequence[System], system: System) -> System:
    """The teacher or ensemble that a distilled student learned from."""
    return next(s for s in systems if s.kind in ("teacher", "ensemble") and s.teacher == system.teacher)


def cascades_of(
    experiment: Experiment, systems: Sequence[System], system: System, corpus: Corpus, logits: Logits
) -> list[Cascade]:
    """The cascades of a distilled system and its teacher, on every split."""
    teacher = teacher_of(systems, system)
    of_teacher = {seed: layout.teacher_seed(experiment, system, seed) for seed in system.seeds}
    pairs = [(logits[system.label][seed], logits[teacher.label][of_teacher[seed]]) for seed in system.seeds]
    labels = {split: of_split.labels for split, of_split in corpus.splits.items()}
    return cascades(system.name, teacher.name, pairs, {**labels, HELD_OUT: corpus.held_out_labels})


def examples_of(system: System, corpus: Corpus, logits: Logits) -> Examples:
    """Right and wrong answers of a system's first seed on the main split."""
    split = main_split(corpus.splits)
    of_split, own = corpus.splits[split], logits[system.label][system.seeds[0]][split]
    return examples(system.name, split, own, of_split.labels, of_split.sentences, corpus.classes)


def disagreements_of(
    experiment: Experiment, systems: Sequence[System], system: System, corpus: Corpus, logits: Logits
) -> Disagreements:
    """Where the first seed of a distilled system differs from its teacher, on the main split."""
    teacher, seed, split = teacher_of(systems, system), system.seeds[0], main_split(corpus.splits)
    own = logits[system.label][seed][split]
    of_teacher = logits[teacher.label][layout.teacher_seed(experiment, system, seed)][split]
    of_split = corpus.splits[split]
    differ = own.argmax(axis=1) != of_teacher.argmax(axis=1)
    right = of_teacher.argmax(axis=1) == of_split.labels
    return Disagreements(
        student=system.name,
        teacher=teacher.name,
        split=split,
        share=float(differ.mean()),
        teacher_right=float(right[differ].mean()) if differ.any() else 0.0,
        sentences=disagreements(own, of_teacher, of_split.labels, of_split.sentences, corpus.classes),
    )


def _over_seeds(scores: Sequence[Mapping[str, SplitMetrics]]) -> tuple[Means, Means]:
    """Mean and standard deviation of every scalar metric, by split."""
    mean: Means = {}
    std: Means = {}
    for split, first in scores[0].items():
        names = SCALARS if first.fidelity is None else (*SCALARS, *FIDELITY)
        both = {name: mean_and_std([score[split].scalar(name) for score in scores]) for name in names}
        mean[split] = {name: value for name, (value, _) in both.items()}
        std[split] = {name: value for name, (_, value) in both.items()}
    return mean, std


def _claims(
    experiment: Experiment, systems: Sequence[System], resampled: Mapping[str, Mapping[str, significance.BootstrapRuns]]
) -> list[Claim]:
    """Every hypothesis on every split, with its verdict."""
    settings = experiment.evaluate
    claims = []
    for hypothesis in hypotheses(experiment, systems):
        better, worse = hypothesis.better, hypothesis.worse
        for split, by_system in resampled.items():
            evidence = significance.compare(
                by_system[better.label],
                by_system[worse.label],
                hypothesis.pairs,
                confidence=settings.confidence,
                seed=settings.bootstrap_seed,
            )
            claims.append(
                Claim(
                    better=better.name,
                    worse=worse.name,
                    better_kind=better.kind,
                    worse_kind=worse.kind,
                    split=split,
                    family=hypothesis.family,
                    **dict(evidence),
                )
            )
    return significance.holm_verdicts(claims, settings.confidence, settings.resamples)


@dataclass(frozen=True)
class Hypothesis:
    """One system is better than another."""

    better: System
    worse: System
    family: Family
    pairs: list[tuple[int, int]]
    """Their seeds that belong together."""


def hypotheses(experiment: Experiment, systems: Sequence[System]) -> Iterator[Hypothesis]:
    """Of every distilled student: its teacher is better; it is better than its baseline (family order).

    And it is better than what a user would take instead: a linear classifier, the majority class (family control).
    """
    baselines = {s.student_entry: s for s in systems if s.kind == "baseline"}
    students = [system for system in systems if system.kind == "distilled"]
    for distilled in students:
        teacher, baseline = teacher_of(systems, distilled), baselines[distilled.student_entry]
        pairs = [(experiment.teacher_seed(str(teacher.teacher), k), k) for k in distilled.seeds]
        yield Hypothesis(teacher, distilled, "order", pairs)
        yield Hypothesis(distilled, baseline, "order", [(k, k) for k in distilled.seeds])
    for distilled in students:
        for control in [
            *(s for s in systems if s.kind == "linear" and s.teacher in (None, distilled.teacher)),
            MAJORITY,
        ]:
            pairs = [(k, control.seeds[place % len(control.seeds)]) for place, k in enumerate(distilled.seeds)]
            yield Hypothesis(distilled, control, "control", pairs)


def variant(detail: SystemMetrics, system: System, chosen: Sequence[System]) -> VariantScores:
    """One of the variants that lists in the params make, as it is ranked: by validation, means over seeds."""
    validation, spread = mean_and_std([run.validation_accuracy for run in detail.runs])
    return VariantScores(
        system=system.name,
        variant=system.variant,
        chosen=system in chosen,
        seeds=len(detail.runs),
        validation_accuracy=validation,
        validation_accuracy_std=spread,
        seconds=mean_and_std([run.seconds for run in detail.runs])[0],
        splits={split: _measured(detail, split) for split in detail.mean},
    )


def _measured(detail: SystemMetrics, split: str) -> Measured:
    return Measured(
        accuracy=detail.score("accuracy", split),
        accuracy_std=detail.std[split]["accuracy"],
        accuracy_interval=detail.accuracy_interval[split],
        mcc=detail.score("mcc", split),
        mcc_std=detail.std[split]["mcc"],
        mcc_interval=detail.mcc_interval[split],
    )


def summary(detail: SystemMetrics) -> dict[str, Any]:
    """A system's entry in metrics.json: what does not depend on the machine, means over seeds."""
    epochs = [run.best_epoch for run in detail.runs]  # None of what is not trained in epochs
    return {
        **{
            split: {name: detail.mean[split][name] for name in SCALARS}
            | {f"{name}_std": detail.std[split][name] for name in ("accuracy", "mcc")}
            for split in detail.mean
        },
        "parameters": detail.parameters,
        "best_epoch": mean_and_std(epochs)[0],
    }


def mean_curve(curves: Sequence[Curve]) -> list[dict[str, float]]:
    """The mean over runs of every column, by epoch; a run that ended early counts as far as it went."""
    rows = []
    for epoch in sorted({epoch for curve in curves for epoch in curve["epoch"]}):
        reached = [{name: curve[name][curve["epoch"] == epoch] for name in CURVE_COLUMNS} for curve in curves]
        means = {name: np.concatenate([row[name] for row in reached]).mean() for name in CURVE_COLUMNS}
        rows.append({**means, "epoch": int(epoch) if epoch == int(epoch) else float(epoch), "step": int(means["step"])})
    return rows
