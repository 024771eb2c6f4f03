"""Which variant of a system stands in the comparison: the best on validation, never on what is reported."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from distilrnn.artifacts.layout import System, checkpoint_folder, systems
from distilrnn.artifacts.runs import TrainingRecord
from distilrnn.params.experiment import Experiment


def select_variants(candidates: list[System], validation: Mapping[str, float]) -> list[System]:
    """One system of each name, in their order: the one that validation finds best, the first of equals.

    A distilled student is chosen among those whose teacher was chosen, so that the comparison shows its own teacher.

    Args:
        candidates: every system of an experiment, teachers before students.
        validation: how good each is at its best point, mean over seeds, by label, more being better; ensembles need
            none.
    """
    chosen: dict[str, System] = {}
    teachers: set[str | None] = set()
    for name in dict.fromkeys(system.name for system in candidates):
        variants = [system for system in candidates if system.name == name]
        if variants[0].is_distilled:
            variants = [system for system in variants if system.teacher in teachers]
        best = variants[0] if len(variants) == 1 else max(variants, key=lambda system: validation[system.label])
        chosen[name] = best
        if best.kind in ("teacher", "ensemble"):
            teachers.add(best.teacher)
    return list(chosen.values())


def compared_systems(experiment: Experiment, folder: Path, labels: int | None = None) -> list[System]:
    """The systems of the comparison, from the runs in the experiment's `folder`; raises InputError.

    They learned from all labelled sentences, or from as many as `labels` says (ensembles never do).
    """
    every = [system for system in systems(experiment) if system.labels == labels]
    if labels is None and len(every) == len(experiment.system_names()):
        return every
    metric = experiment.selection.metric
    variants = Counter(s.name for s in every)
    compared = (s for s in every if s.is_trained and variants[s.name] > 1)
    return select_variants(every, {s.label: _validation(folder, s, metric) for s in compared})


def _validation(folder: Path, system: System, metric: str) -> float:
    runs = [TrainingRecord.read(checkpoint_folder(folder, system, k) / "run.json") for k in system.seeds]
    sign = -1 if metric == "loss" else 1
    return fmean(sign * getattr(run.validation_at_best, metric) for run in runs)
