"""The path of every file of an experiment, for Snakemake, DVC and the report alike.

results/<experiment>/
    params.json                                   the params, validated and complete
    corpus/<split>.tsv  corpus/unlabelled.txt  corpus/corpus.json
    bases/<base>/{config.json,model.safetensors,tokenizer.json,tokenizer_config.json,base.json}
    tokenizers/<tokenizer>/{tokenizer.json,run.json}                       those that are learned
    tokens/<tokenizer>/{<split>.arrow,tokens.json,tokenizer.json}
    teachers/<teacher>/seed<k>/{adapter.safetensors,curves.csv,run.json}
    logits/<teacher>/seed<k>/{logits.safetensors,run.json}
    vectors/<student>/{vectors.safetensors,run.json}                       pre-trained vectors, shared by all seeds
    transfer/<source>/{sentences.txt,keys.safetensors,transfer.json}
    transfer_tokens/<source>/<tokenizer>/{tokens.safetensors,tokens.json}
    logits/transfer/<source>/<teacher>/seed<k>/shard<i>-of-<n>/{logits.safetensors,run.json}
    encoders/<student>/{encoder.safetensors,curves.csv,run.json}           pre-trained encoders, shared by all seeds
    students/<student>/<teacher>/seed<k>/{student.safetensors,logits.safetensors,curves.csv,run.json}
    baselines/<student>/seed<k>/{...the same four}
    linear/<teacher>/seed<k>/{linear.safetensors,logits.safetensors,run.json}
        <teacher> and <student> of a variant: <name>/<settings>, such as rnn/temperature=2 or rnn/labels=100; among
        the students and linear classifiers, <teacher> may also be an ensemble; the linear one of the labels is in
        linear/labels/seed0, with fewer labels in linear/labels/labels=100/seed0
    costs.json  scores/<system>.json  metrics/<system>.json  metrics.json  curves/<system>.csv  statistics.json
    exports/<system>/{student.onnx,student.int8.onnx,tokenizer.json,export.json}
    table.md  table.json  figures/*.{png,svg}  report.html  model-card.md
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from distilrnn.params.experiment import Experiment
from distilrnn.params.systems import LINEAR, distilled_name, ensemble_name, teacher_name, tuning_mode
from distilrnn.params.variant import Variant

BASE_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "base.json")
TEACHER_FILES = ("adapter.safetensors", "curves.csv", "run.json")
LOGITS_FILES = ("logits.safetensors", "run.json")
STUDENT_FILES = ("student.safetensors", "logits.safetensors", "curves.csv", "run.json")
LINEAR_FILES = ("linear.safetensors", "logits.safetensors", "run.json")
TOKENIZER_FILES = ("tokenizer.json", "run.json")
VECTORS_FILES = ("vectors.safetensors", "run.json")
ENCODER_FILES = ("encoder.safetensors", "curves.csv", "run.json")
EXPORT_FILES = ("student.onnx", "student.int8.onnx", "tokenizer.json", "export.json")


Kind = Literal["majority", "teacher", "ensemble", "distilled", "linear", "baseline"]
TUNING_TITLES = {"lora": "LoRA", "full": "fully tuned", "probe": "probe"}
CELLS = ("rnn", "gru", "lstm")


@dataclass(frozen=True)
class System:
    """What is compared: a teacher, an ensemble of teachers, a student, a linear classifier or the majority class."""

    name: str
    """<mode>-<teacher> (lora-gpt2), ensemble-<ensemble>, distil<student>-<teacher> (distilrnn-gpt2), <student> (rnn),
    linear or distillinear-<teacher>.

    All variants of an entry share the name: one of them is compared (see evaluation/selection.py)."""
    kind: Kind
    teacher: str | None
    """A key of the experiment's teachers, or the name of an ensemble; None for what is trained on the labels alone."""
    student: str | None
    """A key of the experiment's students or baselines."""
    seeds: tuple[int, ...]
    variant: str = ""
    """Its settings where the params give lists, such as 'temperature=2,teacher.rank=4'; '' without lists."""
    labels: int | None = None
    """The labelled sentences that it, and its teacher, learn from; None: all."""

    @property
    def teacher_entry(self) -> str:
        """The teacher or ensemble as params.yaml names it; '' where there is none."""
        return "" if self.teacher is None else Variant.parse(self.teacher).entry

    @property
    def student_entry(self) -> str:
        """The student as params.yaml names it; '' where there is none."""
        return "" if self.student is None else Variant.parse(self.student).entry

    @property
    def is_distilled(self) -> bool:
        """Whether it was trained on a teacher's probabilities."""
        return self.teacher is not None and self.kind in ("distilled", "linear")

    @property
    def is_trained(self) -> bool:
        """Whether it has a checkpoint of its own: all but ensembles and the majority class."""
        return self.kind not in ("ensemble", "majority")

    @property
    def has_curves(self) -> bool:
        """Whether it was trained in epochs."""
        return self.is_trained and self.kind != "linear"

    @property
    def checkpoint(self) -> str:
        """The name of its checkpoint's file."""
        return {"teacher": "adapter", "linear": "linear"}.get(self.kind, "student") + ".safetensors"

    @property
    def title(self) -> str:
        """What it is, in a few words for people: 'RNN distilled from tiny'."""
        teacher, student = self.teacher_entry, self.student_entry
        if self.kind == "majority":
            return "Majority class"
        if self.kind == "teacher":
            return f"Teacher {teacher} ({TUNING_TITLES[tuning_mode(self.name)]})"
        if self.kind == "ensemble":
            return f"Ensemble {teacher}"
        learner = "Linear" if self.kind == "linear" else student.upper() if student in CELLS else student
        return f"{learner} distilled from {teacher}" if teacher else f"{learner} on labels"

    @property
    def label(self) -> str:
        """Name and variant; unique."""
        return f"{self.name}/{self.variant}" if self.variant else self.name


MAJORITY = System("majority", "majority", None, None, (0,))
"""The row of every table that has learned nothing but the class frequencies of train."""


def systems(experiment: Experiment) -> list[System]:
    """Every system, variants included, in the table's order.

    Teachers, ensembles, distilled students and linear classifiers, baselines, the linear classifier of the labels.
    """
    e, found = experiment, []
    for teacher, params in e.teachers.items():
        of = Variant.parse(teacher)
        name = teacher_name(params.tuning.mode, of.entry)
        found.append(System(name, "teacher", teacher, None, params.seeds, of.label, of.labels))
    found += [System(ensemble_name(name), "ensemble", name, None, (0,)) for name in e.ensembles]
    for student in e.students:
        for teacher in e.teachers_of(student):
            own, of = Variant.parse(student), Variant.parse(teacher)
            name, label = distilled_name(own.entry, of.entry), own.taught_by(of).label
            found.append(System(name, "distilled", teacher, student, e.seeds, label, own.labels))
    for student in e.baselines:
        own = Variant.parse(student)
        found.append(System(own.entry, "baseline", None, student, e.seeds, own.label, own.labels))
    for teacher in [*e.teachers, *e.ensembles]:
        of = Variant.parse(teacher)
        name, label = distilled_name(LINEAR, of.entry), Variant(LINEAR).taught_by(of).label
        seeds = e.teachers[teacher].seeds if teacher in e.teachers else (0,)
        found.append(System(name, "linear", teacher, None, seeds, label, of.labels))
    for number in [None, *e.labels.sentences]:
        label = "" if number is None else Variant(LINEAR).with_labels(number).label
        found.append(System(LINEAR, "linear", None, None, (0,), label, number))
    order = {name: place for place, name in enumerate(e.system_names())}
    return sorted(found, key=lambda system: order[system.name])


def teacher_seed(experiment: Experiment, system: System, seed: int) -> int:
    """The seed of the teacher that a distilled system of `seed` learned from; an ensemble's is 0.

    A linear classifier depends on no seed but its teacher's, and bears that one.
    """
    if system.kind == "linear":
        return seed
    return experiment.teacher_seed(str(system.teacher), seed)


def root(experiment: Experiment, results: Path = Path("results")) -> Path:
    """The experiment's results folder."""
    return results / experiment.experiment


def teacher_folder(folder: Path, teacher: str, seed: int | str) -> Path:
    """The folder of a tuned teacher in the experiment's `folder`; here and below, names may be wildcards."""
    return folder / "teachers" / teacher / f"seed{seed}"


def teacher_logits_folder(folder: Path, teacher: str, seed: int | str) -> Path:
    """The folder of a teacher's logits, which a rule of their own computes."""
    return folder / "logits" / teacher / f"seed{seed}"


def student_folder(folder: Path, student: str, teacher: str, seed: int | str) -> Path:
    """The folder of a distilled student."""
    return folder / "students" / student / teacher / f"seed{seed}"


def baseline_folder(folder: Path, student: str, seed: int | str) -> Path:
    """The folder of a student that learned from the labels alone."""
    return folder / "baselines" / student / f"seed{seed}"


def linear_folder(folder: Path, name: str, seed: int | str) -> Path:
    """The folder of a linear classifier (see `linear_name`)."""
    return folder / "linear" / name / f"seed{seed}"


def checkpoint_folder(folder: Path, system: System, seed: int) -> Path:
    """The folder of one trained system (not an ensemble) in the experiment's `folder`."""
    teacher, student = str(system.teacher), str(system.student)
    if system.kind == "teacher":
        return teacher_folder(folder, teacher, seed)
    if system.kind == "distilled":
        return student_folder(folder, student, teacher, seed)
    if system.kind == "linear":
        return linear_folder(folder, linear_name(system), seed)
    return baseline_folder(folder, student, seed)


def linear_name(system: System) -> str:
    """The name of a linear classifier's folder: its teacher's, or 'labels'."""
    if system.teacher is not None:
        return system.teacher
    return str(Variant("labels") if system.labels is None else Variant("labels").with_labels(system.labels))


def logits_folder(folder: Path, system: System, seed: int) -> Path:
    """The folder of the system's logits.safetensors."""
    if system.kind == "teacher":
        return teacher_logits_folder(folder, str(system.teacher), seed)
    return checkpoint_folder(folder, system, seed)


def export_folder(folder: Path, system: str) -> Path:
    """The folder of an exported student or baseline."""
    return folder / "exports" / system


def runs(experiment: Experiment) -> Iterator[tuple[System, int]]:
    """Every (system, seed) that is trained."""
    for system in systems(experiment):
        if system.is_trained:
            for seed in system.seeds:
                yield system, seed
