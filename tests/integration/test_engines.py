"""Snakemake and DVC on the same files: real processes and real git, with stand-ins for the scripts."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from workflow_repository import PARAMS, Repository, new_repository

pytestmark = pytest.mark.slow

ONE_STUDENT = {"demo/students/rnn/tiny/seed0"}
WHAT_FOLLOWS = {"measure", "evaluate", "export", "report"}
OTHER = "experiments/other/params.yaml"


def with_temperature(temperature: float) -> dict:
    """The experiment with another temperature for the student rnn, which its baseline does not know."""
    students = PARAMS["students"] | {"rnn": {"tokenizer": "tiny", "distil": {"temperature": temperature}}}
    return PARAMS | {"students": students}


@pytest.fixture(scope="session")
def registered_once(tmp_path_factory) -> Repository:
    """A repository in which Snakemake made everything, which was then registered and committed."""
    repository = new_repository(tmp_path_factory.mktemp("registered") / "repository")
    repository.snakemake()
    repository.distilrnn("sync")
    repository.commit("Results")
    repository.ran()
    return repository


@pytest.fixture
def registered(registered_once, tmp_path) -> Repository:
    """A copy of it, to change."""
    return registered_once.copy(tmp_path / "repository")


def test_after_snakemake_and_sync_both_are_up_to_date_and_dvc_is_readable(registered):
    assert registered.agree()
    assert registered.run("git", "status", "--short").output == ""
    shown = registered.dvc("metrics", "show").output
    assert {"majority", "lora-tiny", "distilrnn-tiny", "rnn"} <= set(re.findall(r"scores/([\w-]+)\.json", shown))
    plots = registered.dvc("plots", "show").output
    assert "failed to load" not in shown + plots
    assert "index.html" in plots
    page = (registered.path / "dvc_plots/index.html").read_text()
    assert "curves/distilrnn-tiny.csv" in page
    assert "validation_accuracy" in page
    for file in registered.path.rglob("*"):
        if file.is_file() and not {".git", ".dvc", ".snakemake"} & set(file.relative_to(registered.path).parts):
            file.touch()
    assert registered.agree()


def test_what_an_edit_of_the_code_reruns(registered):
    """Comments, docstrings, help and messages: nothing; a figure: the report; a loss: students, not teachers."""
    for module in ("artifacts/files.py", "models/teacher.py", "data/holdout.py", "params/common.py"):
        file = registered.path / "src/distilrnn" / module
        text = file.read_text().replace('"""', '"""Reworded: ', 1) + "\n\n# A comment\n"
        text, messages = re.subn(r'(raise InputError\(\s*f?")', r"\1Reworded: ", text)
        text, helps = re.subn(r'(description=")', r"\1Reworded: ", text)
        assert messages + helps
        file.write_text(text)
    registered.dvc("repro")
    assert registered.ran() == set()
    assert registered.agree()
    registered.commit("Reworded")

    with (registered.path / "src/distilrnn/report/figures.py").open("a") as file:
        file.write("\n\nCHANGED = True\n")
    assert registered.planned() == {"report"}
    with (registered.path / "src/distilrnn/training/distillation.py").open("a") as file:
        file.write("\n\nCHANGED = True\n")
    assert registered.planned() == {"student", "baseline", *WHAT_FOLLOWS}
    registered.dvc("repro")
    made = registered.ran()
    assert made >= ONE_STUDENT | WHAT_FOLLOWS
    assert not any("teachers" in run or "logits" in run for run in made)
    changed = registered.run("git", "diff", "--unified=0", "code.json").output
    assert set(re.findall(r'^\+ +"(\w+)"', changed, re.MULTILINE)) == {"student", "baseline", "report"}
    assert registered.agree()


def test_a_refactoring_is_accepted_and_a_change_of_bytes_is_not(registered):
    module = registered.path / "src/distilrnn/training/losses.py"
    module.write_text(module.read_text() + "\n\nREFACTORED = True\n")
    assert "teacher" in registered.planned()
    accepted = registered.distilrnn("accept").output
    assert "have the same bytes" in accepted
    assert "the code of commit" in accepted
    assert registered.ran() == set()
    assert registered.agree()
    registered.commit("A refactoring")
    assert json.loads((registered.path / "tests/golden/bytes.json").read_text())["code"] == json.loads(
        (registered.path / "code.json").read_text()
    )

    script = registered.path / "workflow/scripts/student.py"
    script.write_text(script.read_text().replace("sort_keys=True", "sort_keys=False, indent=1"))
    refused = registered.distilrnn("accept", code=1)
    assert "baselines/gru" in refused.output
    assert "the code of commit" not in refused.output
    assert "student@rnn" in registered.dvc("status").output
    registered.set_params(with_temperature(4.0))
    assert "more than the code has changed" in registered.distilrnn("accept", code=2).output


def test_snakemake_reruns_one_changed_student_alone(registered):
    with (registered.path / "results/demo/tokens/tiny/tokens.json").open("a") as file:
        file.write(" ")
    assert registered.planned() == {"teacher", "logits", "student", "baseline", "linear", *WHAT_FOLLOWS}
    registered.dvc("checkout", "--force")
    registered.set_params(with_temperature(4.0))
    registered.snakemake()
    assert registered.ran() == ONE_STUDENT | WHAT_FOLLOWS
    registered.distilrnn("sync")
    assert registered.agree()


def test_dvc_reruns_one_changed_student_alone_and_goes_back(registered):
    student = registered.path / "results/demo/students/rnn/tiny/seed0/student.safetensors"
    before = student.read_text()
    registered.set_params(with_temperature(4.0))
    registered.dvc("repro")
    assert registered.ran() == ONE_STUDENT | WHAT_FOLLOWS | {"demo/baselines/rnn/seed0"}
    assert student.read_text() != before
    assert registered.agree()
    assert "params.yaml" in registered.dvc("params", "diff").output
    difference = registered.dvc("metrics", "diff").output
    assert "scores/rnn.json" in difference
    assert "failed to load" not in difference
    registered.commit("Another temperature")

    registered.run("git", "checkout", "--quiet", "HEAD~1")
    refused = registered.distilrnn("sync", code=2)
    assert "Snakemake has jobs to run" in refused.output
    assert "dvc checkout" in refused.output
    registered.dvc("repro")
    assert student.read_text() == before
    registered.distilrnn("sync")
    assert registered.agree()


def test_another_threshold_needs_no_other_teacher(registered):
    selection = PARAMS["selection"] | {"threshold": "accuracy"}
    registered.set_params(PARAMS | {"selection": selection})
    assert registered.planned() == {"experiment", "student", "baseline", "linear", *WHAT_FOLLOWS}
    registered.dvc("repro")
    made = {job.split("/")[1] for job in registered.ran() - WHAT_FOLLOWS}
    assert made == {"students", "baselines", "linear"}
    assert registered.agree()


def test_sync_refuses_what_snakemake_did_not_make(registered):
    old = registered.path / "results/demo/students/old/run.json"
    old.parent.mkdir()
    old.write_text("{}")
    student = registered.path / "results/demo/students/rnn/tiny/seed0/student.safetensors"
    student.write_text("of another checkout")
    assert "results/demo/students/old/run.json" in registered.distilrnn("sync", code=2).output
    old.unlink()
    old.parent.rmdir()
    registered.snakemake("--touch", "--forceall")
    refused = registered.distilrnn("sync", code=2)
    assert "student@rnn" in refused.output
    assert "dvc checkout" in refused.output
    registered.distilrnn("sync", "--replace")
    assert registered.agree()


@pytest.mark.parametrize("remembers", [False, True])
def test_sync_refuses_outputs_of_other_code_that_were_brought_back_since(registered, remembers):
    if not remembers:
        shutil.rmtree(registered.path / ".snakemake")
    with (registered.path / "workflow/scripts/student.py").open("a") as script:
        script.write("CHANGED = True\n")
    for folder in ("students", "baselines"):
        shutil.rmtree(registered.path / "results/demo" / folder)
    registered.dvc("checkout", "--force")
    said = registered.distilrnn("sync", code=2).output
    assert ("Snakemake has jobs to run" if remembers else "Snakemake has") in said
    if remembers:
        assert registered.planned() == {"student", "baseline", *WHAT_FOLLOWS}


def test_clone_pull_and_sync_bring_both_up_to_date(registered, tmp_path):
    registered.dvc("remote", "add", "--default", "here", str(tmp_path / "remote"))
    registered.dvc("push")
    registered.set_params({**PARAMS, "experiment": "other"}, OTHER)
    registered.commit("A remote, and an experiment that was not run")
    registered.run("git", "clone", "--quiet", str(registered.path), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    status = clone.dvc("status").output
    # Two students; each stage has its name, a heading, and a line for what is missing.
    assert len(status.splitlines()) <= 110
    assert "other" not in status
    said = clone.dvc("metrics", "show").output + clone.dvc("metrics", "diff", "HEAD~1").output
    assert "scores/rnn.json" in said
    assert "failed to load" not in said
    assert "dvc pull" in clone.distilrnn("sync", code=2).output
    clone.dvc("pull")
    clone.distilrnn("sync")
    assert clone.agree()
    clone.set_params(with_temperature(4.0))
    assert clone.planned() == {"experiment", "student", *WHAT_FOLLOWS}


def test_a_run_in_a_clone_without_data_is_registered_by_sync(registered, tmp_path):
    registered.run("git", "clone", "--quiet", str(registered.path), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    clone.snakemake("--cores", "2")
    clone.distilrnn("sync")
    assert clone.agree()


def test_an_experiment_of_dvc_can_be_applied(registered):
    registered.dvc("exp", "run", "--temp", "--name", "warm", "--set-param", "students.rnn.distil.temperature=4.0")
    assert registered.run("git", "status", "--short").output == ""
    assert registered.agree()
    registered.dvc("exp", "apply", "warm")
    assert yaml.safe_load((registered.path / "params.yaml").read_text()) == with_temperature(4.0)
    registered.distilrnn("sync")
    assert registered.agree()


def test_a_stage_runs_its_own_rule_alone(registered):
    """As in a fresh clone, where Snakemake knows nothing and the code is newer than what it made."""
    registered.run("rm", "-r", ".snakemake", "results/demo/students", "results/demo/bases")
    for file in (registered.path / "src").rglob("*.py"):
        file.touch()
    registered.distilrnn("make", "student", "rnn")
    assert registered.ran() == ONE_STUDENT


def test_another_experiment_is_not_merged_over_the_first(registered):
    registered.distilrnn("new", "other")
    text = (registered.path / OTHER).read_text()
    assert yaml.safe_load(text) == PARAMS | {"experiment": "other"}
    assert "is already there" not in registered.distilrnn("new", "other").output
    other = {**PARAMS, "experiment": "other", "students": {"lstm": {"tokenizer": "tiny", "model": {"cell": "lstm"}}}}
    registered.set_params(other, OTHER)
    registered.commit("Another experiment")
    registered.snakemake("--configfile", OTHER)
    assert {path.name for path in (registered.path / "results/other/students").iterdir()} == {"lstm"}
    registered.distilrnn("sync", "--params", OTHER)
    assert registered.agree()
    assert registered.nothing_to_do("--configfile", OTHER)
    other["students"]["lstm"]["distil"] = {"temperature": 3.0}
    registered.set_params(other, OTHER)
    registered.ran()
    registered.dvc("repro", "--single-item", "experiments/other/dvc.yaml:student@lstm")
    assert registered.ran() == {"other/students/lstm/tiny/seed0"}


def test_extra_tokenizers_have_a_stage(registered):
    (registered.path / "words.json").write_text("{}")
    registered.set_params(PARAMS | {"tokenize": {"max_length": 20, "tokenizers": {"words": "words.json"}}})
    registered.dvc("repro", "--single-item", "tokens-extra@words")
    assert registered.ran() == {"demo/tokens/words"}


def test_bad_params_are_one_sentence_and_nothing_is_written(tmp_path):
    repository = new_repository(tmp_path / "repository")
    repository.set_params(PARAMS | {"seeds": [0, 0]})
    refused = repository.snakemake(code=2)
    sentences = [line for line in refused.output.splitlines() if line.startswith("error: ")]
    assert sentences == ["error: params.yaml: seeds: seeds [0, 0] repeat: name each seed once"]
    assert "Traceback" not in refused.output
    assert "seeds [0, 0] repeat" in repository.dvc("repro", code=None).output
    assert not (repository.path / "results").exists()


def test_two_runs_at_once_and_a_killed_one(tmp_path):
    repository = new_repository(tmp_path / "repository")
    first = subprocess.Popen(
        ["snakemake", "--cores", "1"],
        cwd=repository.path,
        env=repository.environment() | {"STAND_IN_SECONDS": "600"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(repository.path / ".snakemake/locks/0.output.lock", first)
        second = repository.snakemake(code=1)
        assert f"process {first.pid}" in second.output
        assert "LockException" in second.output
        assert not (repository.path / "ran.txt").exists()
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert "snakemake --unlock" in repository.snakemake(code=1).output
    assert "snakemake --unlock" in repository.dvc("repro", code=None).output
    repository.snakemake("--unlock")
    repository.snakemake()
    assert repository.nothing_to_do()


def wait_for(file: Path, process: subprocess.Popen) -> None:
    """Until the file is there; fails if the process ends before."""
    while not file.exists():
        assert process.poll() is None
        time.sleep(0.1)


def test_lint_finds_nothing(registered):
    assert "good condition" in registered.snakemake("--lint").output
