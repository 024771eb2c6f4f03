"""What all rules share: the experiment, where its files lie, and the code that runs."""

import shlex
import sys
from pathlib import Path

# The code beside this file, also where the package is installed from another folder: DVC copies the repository for
# `dvc exp run --temp` and `--queue`.
sys.path.insert(0, str(Path(workflow.basedir) / "src"))
shell.prefix("set -euo pipefail; export PYTHONPATH=src${{PYTHONPATH:+:$PYTHONPATH}}; ")

from distilrnn.artifacts import layout
from distilrnn.cli.options import options
from distilrnn.errors import InputError
from distilrnn.orchestration import resources as sizes
from distilrnn.orchestration import stages as files
from distilrnn.orchestration.code import code_version
from distilrnn.orchestration.locks import lock_note
from distilrnn.orchestration.stages import external_files
from distilrnn.params.experiment import validate_experiment
from distilrnn.params.sweep import split_variant

try:
    EXPERIMENT = validate_experiment(config, ", ".join(map(str, workflow.configfiles)))
except InputError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

if workflow.is_main_process and lock_note():
    print(lock_note(), file=sys.stderr)

ROOT = layout.root(EXPERIMENT)
LOGS = f"logs/{EXPERIMENT.experiment}"


# A variant of a teacher or student has a folder of its own: rnn/temperature=2.
VARIANT = r"[^/=]+(/[^/=]+=[^/]+)?"


wildcard_constraints:
    seed=r"\d+",
    teacher=VARIANT,
    student=VARIANT,


def folder(some_files):
    """The folder that a script is given instead of the files in it."""
    return Path(some_files[0]).parent


def is_small_base(wildcards):
    """Whether the base is small, or that of the teacher."""
    name = wildcards.base if hasattr(wildcards, "base") else EXPERIMENT.teachers[wildcards.teacher].base
    return sizes.is_small_base(EXPERIMENT.bases[name])


def is_small_student(wildcards):
    """Whether the student or baseline is small."""
    return sizes.is_small_student({**EXPERIMENT.baselines, **EXPERIMENT.students}[wildcards.student])


def base_of_teacher(wildcards):
    return files.base_files(ROOT, EXPERIMENT.teachers[wildcards.teacher].base)


def tokens_of_teacher(wildcards):
    return files.token_files(ROOT, EXPERIMENT.teachers[wildcards.teacher].base, EXPERIMENT.corpus.splits)


def tokens_of_student(wildcards):
    return files.token_files(ROOT, EXPERIMENT.students[wildcards.student].tokenizer, EXPERIMENT.corpus.splits)


def tokens_of_baseline(wildcards):
    return files.token_files(ROOT, EXPERIMENT.baselines[wildcards.student].tokenizer, EXPERIMENT.corpus.splits)


def logits_for_student(wildcards):
    """Those of its teacher, or of every run behind an ensemble."""
    name = wildcards.teacher
    alone = [(name, EXPERIMENT.teacher_seed(name, int(wildcards.seed)))]
    runs = EXPERIMENT.members(name) if name in EXPERIMENT.ensembles else alone
    return [f"{ROOT}/logits/{teacher}/seed{seed}/logits.safetensors" for teacher, seed in runs]


def tokenizer_files(wildcards):
    name = wildcards.tokenizer
    if name in EXPERIMENT.bases:
        return files.base_files(ROOT, name)
    if name in EXPERIMENT.tokenize.learned:
        return files.tokenizer_files(ROOT, name)
    return external_files(EXPERIMENT.tokenize.tokenizers[name])


def tokenizer_source(wildcards):
    name = wildcards.tokenizer
    if name in EXPERIMENT.bases:
        return ROOT / "bases" / name
    return ROOT / "tokenizers" / name if name in EXPERIMENT.tokenize.learned else EXPERIMENT.tokenize.tokenizers[name]


def base_of_vectors(source):
    """The base whose input embeddings are taken, where the source of vectors is a teacher."""
    teachers = {split_variant(name)[0]: teacher.base for name, teacher in EXPERIMENT.teachers.items()}
    return teachers.get(source)


def vectors_sources(wildcards):
    source = EXPERIMENT.students[wildcards.student].vectors.source
    base = base_of_vectors(source)
    return files.base_files(ROOT, base) if base else external_files(source)


def vectors_of(student):
    """The files of the vectors that a student begins with: none, or those that it shares with others."""
    name = EXPERIMENT.vectors_name(student)
    return files.vectors_files(ROOT, name) if name else []


def vectors_options(student, given):
    if not given:
        return ""
    return f"--vectors {given[0]}" + ("" if student.vectors.tune else " --freeze-vectors")


def long_texts_options():
    limit = EXPERIMENT.tokenize
    if limit.max_length is None:
        return ""
    return f"--max-length {limit.max_length} --long-texts {limit.long_texts} --longest-text {limit.longest_text}"


def caption(figure):
    """The name of a picture's caption: the curves of every system share one."""
    return "curves" if Path(figure).name.startswith("curves") else Path(figure).stem
