"""The scripts as they are started: help at once, and bad values told in a sentence with nothing written."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from distilrnn.cli.options import run
from distilrnn.errors import InputError, RunError
from paths import REPOSITORY

SCRIPTS = REPOSITORY / "workflow" / "scripts"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))
HEAVY = {"torch", "transformers", "datasets", "tokenizers", "sklearn", "scipy", "matplotlib", "pyarrow", "pandas"}


def start(name, *arguments, python=(), stdin=None):
    command = [sys.executable, *python, str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)


def distilrnn(*arguments, stdin=None):
    command = [sys.executable, "-c", "from distilrnn.cli.main import app; app()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)


def test_there_is_a_script_for_each_stage():
    assert set(NAMES) >= {
        "corpus",
        "base",
        "tokens",
        "teacher",
        "logits",
        "student",
        "measure",
        "evaluate",
        "export",
        "report",
    }


@pytest.mark.parametrize("name", NAMES)
def test_help_imports_nothing_heavy(name):
    done = start(name, "--help", python=["-X", "importtime"])
    assert done.returncode == 0
    assert done.stdout.startswith("Usage:")
    described = re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE)
    assert described
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in imported
    assert not imported & HEAVY


def test_help_tells_descriptions_and_defaults():
    text = " ".join(start("student", "--help").stdout.split())
    for words in ("Adam's step size.", "[default: 0.001]", "T of the kl loss.", "[default: 2.0]", "rnn|gru|lstm"):
        assert words in text


TRAINING = ("--tokens", "tokens", "--output", "out")
TEACHER = ("--base", "base", *TRAINING)
BAD = [
    ("teacher", (*TEACHER, "--rank=0"), "--rank is 0"),
    ("teacher", (*TEACHER, "--rank=-3"), "--rank is -3"),
    ("teacher", (*TEACHER, "--learning-rate=-0.1"), "--learning-rate is -0.1"),
    ("teacher", (*TEACHER, "--learning-rate=nan"), "--learning-rate is nan"),
    ("teacher", (*TEACHER, "--alpha=0"), "--alpha is 0"),
    ("teacher", (*TEACHER, "--dropout=1"), "--dropout is 1"),
    ("teacher", (*TEACHER, "--holdout-fraction=1"), "--holdout-fraction is 1"),
    ("teacher", TEACHER, "tokens.json: no such file"),
    ("student", (*TRAINING, "--epochs=0"), "--epochs is 0"),
    ("student", (*TRAINING, "--batch-size=0"), "--batch-size is 0"),
    ("student", (*TRAINING, "--temperature=0"), "--temperature is 0"),
    ("student", (*TRAINING, "--label-weight=1.5"), "--label-weight is 1.5"),
    ("student", (*TRAINING, "--weight-decay=-1"), "--weight-decay is -1"),
    ("student", TRAINING, "tokens.json: no such file"),
    ("logits", (*TEACHER, "--adapter", "none.safetensors"), "no such file"),
    ("base", ("--output", "out"), "no --corpus is given"),
    ("base", ("--output", "out", "--width=30", "--heads=4"), "width 30 is not a multiple of heads 4"),
    ("base", ("--output", "out", "--model=./nowhere"), "no such model directory"),
    ("base", ("--output", "out", "--model=some/model"), "it has no revision"),
    ("corpus", ("--output", "out", "--source=path"), "no path is set"),
    ("corpus", ("--output", "out", "--source=path", "--path=nowhere"), "nowhere: no such folder"),
    ("corpus", ("--output", "out", "--classes=a", "--classes=a"), "classes ['a', 'a'] repeat"),
    ("tokens", ("--corpus=nowhere", "--tokenizer=nowhere", "--output=out"), "nowhere: has no tokenizer.json"),
    ("evaluate", ("--experiment=out/params.json",), "out/params.json"),
    ("measure", ("--experiment=out/params.json",), "out/params.json"),
    ("export", ("--experiment=out/params.json",), "out/params.json"),
    ("report", ("--experiment=out/params.json",), "out/params.json"),
    ("experiment", ("--experiment-json={}", "--output=out/params.json"), "--experiment-json"),
]


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Run a script in this process, which has everything imported, and return exit code and standard error."""

    def start_here(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
        return left.value.code, capsys.readouterr().err

    return start_here


@pytest.mark.parametrize(("name", "arguments", "message"), BAD, ids=[f"{n}-{a[-1]}" for n, a, _ in BAD])
def test_bad_values_are_one_sentence(workplace, run_here, name, arguments, message):
    code, said = run_here(name, *arguments)
    assert code == 2
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert list(workplace.rglob("*")) == []


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("student", (*TRAINING, "--cell=qrnn"), "'rnn', 'gru', 'lstm'"),
        ("student", (*TRAINING, "--pooling=first"), "'last_step', 'last_token', 'mean', 'max'"),
        ("student", (*TRAINING, "--seed=-1"), "--seed"),
        ("student", (*TRAINING, "--threads=0"), "--threads"),
        ("teacher", (*TEACHER, "--rank=four"), "--rank"),
        ("teacher", (*TEACHER, "--init=ones"), "'xavier', 'zero'"),
        ("teacher", ("--output", "out"), "Missing option"),
        ("teacher", (*TEACHER, "--lorarank=3"), "No such option"),
    ],
)
def test_options_that_cannot_be_read_are_named(workplace, run_here, name, arguments, message):
    code, said = run_here(name, *arguments)
    assert code == 2
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert list(workplace.rglob("*")) == []


def test_the_exit_code_reaches_the_shell(workplace):
    done = start("student", *TRAINING, "--epochs=0")
    assert done.returncode == 2
    assert done.stderr == "error: --epochs is 0: input should be greater than or equal to 1\n"
    assert list(workplace.rglob("*")) == []


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("a is b: do c"), 2, "error: a is b: do c\n"),
        (RunError("a is b: do c"), 1, "error: a is b: do c\n"),
        (KeyboardInterrupt(), 130, "interrupted: run the same command again to go on\n"),
    ],
)
def test_errors_become_a_sentence_and_an_exit_code(monkeypatch, capsys, error, code, said):
    def command():
        raise error

    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(SystemExit) as left:
        run(command)
    assert left.value.code == code
    assert capsys.readouterr().err == said


def test_predict_answers_in_a_pipe(tiny, workplace):
    checkpoint = tiny.student / "student.safetensors"
    done = distilrnn("predict", checkpoint, "--json", "--threads=1", stdin="The cat sleeps.\nThe dog bark.\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["sentence"] for line in done.stdout.splitlines()] == ["The cat sleeps.", "The dog bark."]


@pytest.mark.slow
def test_a_student_needs_neither_transformers_nor_datasets(tiny, workplace):
    """What a student job imports before its first step."""
    arguments = ["--tokens", tiny.tokens, "--teacher-logits", tiny.logits, "--output", "out", "--epochs=1"]
    done = start("student", *arguments, "--embedding=4", "--hidden=4", "--threads=1", python=["-X", "importtime"])
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "torch" in imported
    assert not imported & {"transformers", "datasets", "sklearn", "matplotlib"}
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "curves.csv",
        "logits.safetensors",
        "run.json",
        "student.safetensors",
    ]
    # Not a terminal: plain lines, one an epoch.
    assert [line for line in done.stdout.splitlines() if "epoch 1/1" in line and "sentences/s" in line]


@pytest.mark.slow
def test_teacher_logits_and_predict_run_as_scripts(tiny, workplace):
    shared = ("--tokens", tiny.tokens, "--threads=1")
    done = start("teacher", "--base", tiny.base, *shared, "--output", "teacher", "--epochs=1", "--rank=2")
    assert done.returncode == 0, done.stderr
    assert re.search(r"45,632 parameters, 2,432 trainable: 94\.67% fewer", done.stdout)
    adapter = ("--adapter", "teacher/adapter.safetensors")
    done = start("logits", "--base", tiny.base, *adapter, *shared, "--output", "logits")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("180 sentences at ")
    done = distilrnn("predict", *adapter[1:], "--base", tiny.base, "The cat sleeps.")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\t")[0] in ("acceptable", "unacceptable")
