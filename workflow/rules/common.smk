"""What all rules share: the experiment, where its files lie, and the code that runs."""

import json
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
from distilrnn.orchestration import code
from distilrnn.orchestration.locks import lock_note
from distilrnn.orchestration.stages import external_files
from distilrnn.params.experiment import validate_experiment
from distilrnn.params.variant import Variant

try:
    EXPERIMENT = validate_experiment(config, ", ".join(map(str, workflow.configfiles)))
except InputError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

if workflow.is_main_process and lock_note():
    print(lock_note(), file=sys.stderr)


def code_version(rule):
    """The version of the code in this repository, wherever the package was imported from before."""
    return code.code_version(rule, Path(workflow.basedir))


ROOT = layout.root(EXPERIMENT)
LOGS = f"logs/{EXPERIMENT.experiment}"


# A variant of a teacher or student has a folder of its own: rnn/temperature=2.
VARIANT = r"[^/=]+(/[^/=]+=[^/]+)?"


wildcard_constraints:
    seed=r"\d+",
    teacher=VARIANT,
    student=VARIANT,
    source=r"[^/]+",
    tokenizer=r"[^/]+",
    shard=r"\d+",
    shards=r"\d+",


def folder(some_files):
    """The folder that a script is given instead of the files in it."""
    return Path(some_files[0]).parent


def is_small_base(wildcards):
    """Whether the base is small, or that of the teacher."""
    name = wildcards.base if hasattr(wildcards, "base") else EXPERIMENT.teachers[wildcards.teacher].base
    return sizes.is_small_base(EXPERIMENT.bases[name])


def is_small_source(wildcards):
    """Whether the source is made without a base, or with a small one."""
    source = EXPERIMENT.transfer.sources[wildcards.source]
    return source.kind != "sample" or sizes.is_small_base(EXPERIMENT.bases[source.base])


def is_small_student(wildcards):
    """Whether the student or baseline is small."""
    return sizes.is_small_student({**EXPERIMENT.baselines, **EXPERIMENT.students}[wildcards.student])


def folders(some_files):
    """The folders of files, each once."""
    return list(dict.fromkeys(Path(file).parent for file in some_files))


def base_of_teacher(wildcards):
    return files.base_files(ROOT, EXPERIMENT.teachers[wildcards.teacher].base)


def tokens_of_teacher(wildcards):
    return files.token_files(ROOT, EXPERIMENT.teachers[wildcards.teacher].base, EXPERIMENT.corpus.splits)


def tokens_of_student(wildcards):
    return files.token_files(ROOT, EXPERIMENT.students[wildcards.student].tokenizer, EXPERIMENT.corpus.splits)


def tokens_of_baseline(wildcards):
    return files.token_files(ROOT, EXPERIMENT.baselines[wildcards.student].tokenizer, EXPERIMENT.corpus.splits)


def teachers_of_student(wildcards):
    """The run of its teacher, name and seed, or every run behind an ensemble."""
    name = wildcards.teacher
    alone = [(name, EXPERIMENT.teacher_seed(name, int(wildcards.seed)))]
    return EXPERIMENT.members(name) if name in EXPERIMENT.ensembles else alone


def logits_for_student(wildcards):
    return [
        f"{ROOT}/logits/{teacher}/seed{seed}/logits.safetensors" for teacher, seed in teachers_of_student(wildcards)
    ]


def pools_of_student(wildcards):
    sources = EXPERIMENT.students[wildcards.student].transfer
    return [file for source in sources for file in files.pool_files(ROOT, source)]


def pool_tokens(student, sources):
    """The tokens of some sources, as a student reads them."""
    return [file for source in sources for file in files.pool_token_files(ROOT, source, student.tokenizer)]


def pool_tokens_of_student(wildcards):
    student = EXPERIMENT.students[wildcards.student]
    return pool_tokens(student, student.transfer)


def pool_logits_of_student(wildcards):
    sources, runs = EXPERIMENT.students[wildcards.student].transfer, teachers_of_student(wildcards)
    return [file for source in sources for file in files.pool_logits_files(EXPERIMENT, source, runs)]


def transfer_of_student(wildcards, input):
    """The options that name its pools, in the order of its sources and, of each, of the teachers' runs."""
    if not input.pools:
        return ""
    runs = [Path(place).parent for place in folders(input.pool_logits)]
    words = [f"--pool {place}" for place in folders(input.pools)]
    words += [f"--pool-tokens {place}" for place in folders(input.pool_tokens)]
    words += [f"--pool-logits {place}" for place in dict.fromkeys(runs)]
    transfer = EXPERIMENT.transfer
    words += [f"--shards {transfer.shards}", f"--transfer-seed {transfer.seed}"]
    return " ".join(words + [f"--balance {transfer.balance}"] if transfer.balance else words)


def teachers_of_linear(wildcards):
    """The teachers' runs behind a linear classifier; none behind the one of the labels."""
    name = wildcards.teacher
    if Variant.parse(name).entry == "labels":
        return []
    return EXPERIMENT.members(name) if name in EXPERIMENT.ensembles else [(name, int(wildcards.seed))]


def logits_for_linear(wildcards):
    return [f"{ROOT}/logits/{teacher}/seed{seed}/logits.safetensors" for teacher, seed in teachers_of_linear(wildcards)]


def pools_of_linear(wildcards):
    sources = EXPERIMENT.linear_sources() if teachers_of_linear(wildcards) else ()
    return [file for source in sources for file in files.pool_files(ROOT, source)]


def pool_logits_of_linear(wildcards):
    runs = teachers_of_linear(wildcards)
    return [
        file for source in EXPERIMENT.linear_sources() for file in files.pool_logits_files(EXPERIMENT, source, runs)
    ]


def pools_of_source(wildcards):
    sources = files.augmented_sources(EXPERIMENT.transfer.sources[wildcards.source])
    return [file for source in sources for file in files.pool_files(ROOT, source)]


def base_of_source(wildcards):
    source = EXPERIMENT.transfer.sources[wildcards.source]
    return files.base_files(ROOT, source.base) if source.kind == "sample" else []


def transfer_bounds():
    most = EXPERIMENT.transfer.max_sentences
    return f"--transfer-seed {EXPERIMENT.transfer.seed}" + (f" --max-sentences {most}" if most else "")


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
    teachers = {Variant.parse(name).entry: teacher.base for name, teacher in EXPERIMENT.teachers.items()}
    return teachers.get(source)


def vectors_sources(wildcards):
    source = EXPERIMENT.students[wildcards.student].vectors.source
    base = base_of_vectors(source)
    return files.base_files(ROOT, base) if base else external_files(source)


def vectors_of(student):
    """The files of the vectors that a student begins with: none, or those that it shares with others."""
    name = EXPERIMENT.vectors_name(student)
    return files.vectors_files(ROOT, name) if name else []


def encoder_of(student):
    """The files of a student's pre-trained encoder: none, or those that it shares with others."""
    name = EXPERIMENT.encoder_name(student)
    return files.encoder_files(ROOT, name) if name else []


def encoder_options(given):
    return f"--encoder {given[0]}" if given else ""


def pool_tokens_of_encoder(wildcards):
    student = EXPERIMENT.students[wildcards.student]
    return pool_tokens(student, student.read_in_pretraining)


def vectors_options(student, given):
    if not given:
        return ""
    return f"--vectors {given[0]}" + ("" if student.vectors.tune else " --freeze-vectors")


def budget_options(name):
    """How many labelled sentences a variant learns from, where these are not all."""
    budget = EXPERIMENT.budget(name)
    return options(budget) if budget.labels else ""


def long_texts_options():
    limit = EXPERIMENT.tokenize
    if limit.max_length is None:
        return ""
    return f"--max-length {limit.max_length} --long-texts {limit.long_texts} --longest-text {limit.longest_text}"


def caption(figure):
    """The name of a picture's caption: the curves of every system share one."""
    return "curves" if Path(figure).name.startswith("curves") else Path(figure).stem
