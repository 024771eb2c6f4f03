"""Where every file of an experiment lies: the one place that Snakemake, DVC and the report ask.

results/<experiment>/
    params.json                                   the params, validated and complete
    corpus/<split>.tsv  corpus/unlabelled.txt  corpus/corpus.json
    bases/<base>/{config.json,model.safetensors,tokenizer.json,tokenizer_config.json,base.json}
    tokens/<tokenizer>/{<split>.arrow,tokens.json,tokenizer.json}
    teachers/<teacher>/seed<k>/{adapter.safetensors,curves.csv,run.json}
    logits/<teacher>/seed<k>/{logits.safetensors,run.json}
    students/<student>/<teacher>/seed<k>/{student.safetensors,logits.safetensors,curves.csv,run.json}
    baselines/<student>/seed<k>/{...the same four}
    costs.json  metrics/<system>.json  metrics.json  curves/<system>.csv  statistics.json
    table.md  table.json  figures/*.{png,svg}  report.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from distilrnn.corpus import SPLITS
from distilrnn.params.experiment import Experiment

EVALUATION_SPLITS = SPLITS[1:]

BASE_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "base.json")
TEACHER_FILES = ("adapter.safetensors", "curves.csv", "run.json")
LOGITS_FILES = ("logits.safetensors", "run.json")
STUDENT_FILES = ("student.safetensors", "logits.safetensors", "curves.csv", "run.json")


@dataclass(frozen=True)
class System:
    """One row of the comparison: a teacher, a distilled student, or a baseline."""

    name: str
    """<mode>-<teacher> (lora-gpt2), distil<student>-<teacher> (distilrnn-gpt2) or <student> (rnn)."""
    kind: str
    """teacher, distilled or baseline."""
    teacher: str | None
    student: str | None
    seeds: tuple[int, ...]


def systems(experiment: Experiment) -> list[System]:
    """Every system of the experiment, in the order of the table: teachers, distilled students, baselines."""
    teachers = [("teacher", name, None, teacher.seeds) for name, teacher in experiment.teachers.items()]
    distilled = [
        ("distilled", teacher, student, experiment.seeds)
        for student in experiment.students
        for teacher in experiment.teachers
    ]
    baselines = [("baseline", None, student, experiment.seeds) for student in experiment.students]
    rows = zip(experiment.system_names(), teachers + distilled + baselines, strict=True)
    return [System(name, *row) for name, row in rows]


def root(experiment: Experiment, results: Path = Path("results")) -> Path:
    """The folder of everything that the experiment makes."""
    return results / experiment.experiment


def checkpoint_folder(folder: Path, system: System, seed: int) -> Path:
    """The folder of one trained system: `folder` is the experiment's own."""
    if system.kind == "teacher":
        return folder / "teachers" / str(system.teacher) / f"seed{seed}"
    if system.kind == "distilled":
        return folder / "students" / str(system.student) / str(system.teacher) / f"seed{seed}"
    return folder / "baselines" / str(system.student) / f"seed{seed}"


def logits_folder(folder: Path, system: System, seed: int) -> Path:
    """The folder of the system's logits.safetensors: a teacher's are computed by a rule of their own."""
    if system.kind == "teacher":
        return folder / "logits" / str(system.teacher) / f"seed{seed}"
    return checkpoint_folder(folder, system, seed)


def runs(experiment: Experiment) -> Iterator[tuple[System, int]]:
    """Every (system, seed) of the experiment."""
    for system in systems(experiment):
        for seed in system.seeds:
            yield system, seed
