"""Snakemake and DVC on the same files: real processes and real git, with stand-ins for the scripts."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from workflow_repository import PARAMS, REAL, Repository, new_repository

pytestmark = pytest.mark.slow

ONE_STUDENT = {"demo/students/rnn/tiny/seed0"}
WHAT_FOLLOWS = {"measure", "evaluate", "export", "report"}


def with_temperature(temperature: float) -> dict:
    """The experiment with another temperature for the student rnn, which its baseline does not know."""
    students = PARAMS["students"] | {"rnn": {"tokenizer": "tiny", "distil": {"temperature": temperature}}}
    return PARAMS | {"students": students}


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory) -> Repository:
    """A repository in which Snakemake made everything, and which was then recorded and committed."""
    repository = new_repository(tmp_path_factory.mktemp("recorded") / "repository")
    repository.snakemake()
    repository.distilrnn("sync")
    repository.commit("Results")
    repository.ran()
    return repository


@pytest.fixture
def recorded(recorded_once, tmp_path) -> Repository:
    """A copy of it, to change."""
    return recorded_once.copy(tmp_path / "repository")


def test_after_snakemake_and_record_both_are_up_to_date(recorded):
    assert recorded.agree()
    assert recorded.nothing_to_do("--cores", "1")
    assert recorded.run("git", "status", "--short").output == ""
    assert "value" in recorded.dvc("metrics", "show").output


def test_after_repro_both_are_up_to_date(tmp_path):
    repository = new_repository(tmp_path / "repository")
    repository.dvc("repro")
    assert repository.agree()


def test_touched_files_rerun_nothing(recorded):
    for file in recorded.path.rglob("*"):
        if file.is_file() and not {".git", ".dvc", ".snakemake"} & set(file.relative_to(recorded.path).parts):
            file.touch()
    assert recorded.agree()


def test_a_changed_input_reruns_what_needs_it(recorded):
    with (recorded.path / "results/demo/tokens/tiny/tokens.json").open("a") as file:
        file.write(" ")
    assert recorded.planned() == {"teacher", "logits", "student", "baseline", *WHAT_FOLLOWS}


def test_snakemake_reruns_one_changed_student_alone(recorded):
    recorded.set_params(with_temperature(4.0))
    recorded.snakemake()
    assert recorded.ran() == ONE_STUDENT | WHAT_FOLLOWS
    recorded.distilrnn("sync")
    assert recorded.agree()


def test_dvc_reruns_one_changed_student_alone_and_goes_back(recorded):
    student = recorded.path / "results/demo/students/rnn/tiny/seed0/student.safetensors"
    before = student.read_text()
    recorded.set_params(with_temperature(4.0))
    recorded.dvc("repro")
    assert recorded.ran() == ONE_STUDENT | WHAT_FOLLOWS | {"demo/baselines/rnn/seed0"}
    assert student.read_text() != before
    assert recorded.agree()
    assert "params.yaml" in recorded.dvc("params", "diff").output
    assert "value" in recorded.dvc("metrics", "diff").output
    recorded.commit("Another temperature")

    recorded.run("git", "checkout", "--quiet", "HEAD~1")
    refused = recorded.distilrnn("sync", code=2)
    assert "Snakemake has jobs to run" in refused.output
    recorded.dvc("repro")
    assert student.read_text() == before
    recorded.distilrnn("sync")
    assert recorded.agree()


def test_record_refuses_outputs_of_another_checkout(recorded):
    student = recorded.path / "results/demo/students/rnn/tiny/seed0/student.safetensors"
    student.write_text("of another checkout")
    recorded.snakemake("--touch", "--forceall")
    refused = recorded.distilrnn("sync", code=2)
    assert "student@rnn" in refused.output and "dvc checkout" in refused.output
    recorded.distilrnn("sync", "--replace")
    assert recorded.agree()


@pytest.mark.parametrize("synced", [False, True])
def test_record_refuses_outputs_of_other_code_though_they_were_brought_back_since(recorded, synced):
    if synced:
        recorded.distilrnn("sync")
    with (recorded.path / "workflow/scripts/student.py").open("a") as script:
        script.write("CHANGED = True\n")
    for folder in ("students", "baselines"):
        shutil.rmtree(recorded.path / "results/demo" / folder)
    recorded.dvc("checkout", "--force")
    assert "Snakemake has jobs to run" in recorded.distilrnn("sync", code=2).output
    assert recorded.planned() == {"student", "baseline", *WHAT_FOLLOWS}


def test_record_refuses_files_that_nothing_makes(recorded):
    old = recorded.path / "results/demo/students/old/run.json"
    old.parent.mkdir()
    old.write_text("{}")
    assert "results/demo/students/old/run.json" in recorded.distilrnn("sync", code=2).output


def test_clone_pull_and_sync_bring_both_up_to_date(recorded, tmp_path):
    recorded.dvc("remote", "add", "--default", "here", str(tmp_path / "remote"))
    recorded.dvc("push")
    recorded.commit("A remote")
    recorded.run("git", "clone", "--quiet", str(recorded.path), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    assert "value" in clone.dvc("metrics", "diff", "HEAD~2", code=None).output
    assert "dvc pull" in clone.distilrnn("sync", code=2).output
    clone.dvc("pull")
    clone.distilrnn("sync")
    assert clone.agree()
    clone.set_params(with_temperature(4.0))
    assert clone.planned() == {"experiment", "student", *WHAT_FOLLOWS}


def test_an_experiment_of_dvc_can_be_applied(recorded):
    recorded.dvc("exp", "run", "--temp", "--name", "warm", "--set-param", "students.rnn.distil.temperature=4.0")
    assert recorded.run("git", "status", "--short").output == ""
    assert recorded.agree()
    recorded.dvc("exp", "apply", "warm")
    assert yaml.safe_load((recorded.path / "params.yaml").read_text()) == with_temperature(4.0)
    recorded.distilrnn("sync")
    assert recorded.agree()


def test_changed_code_reruns_what_imports_it(recorded):
    module = recorded.path / "src/distilrnn/only_for_reports.py"
    script = recorded.path / "workflow/scripts/report.py"
    script.write_text(script.read_text() + "\nimport distilrnn.only_for_reports\n")
    module.write_text("")
    recorded.snakemake()
    assert recorded.ran() == {"report"}
    recorded.distilrnn("sync")
    recorded.commit("A module for reports")
    module.write_text("# a comment\n")
    recorded.dvc("repro")
    assert recorded.ran() == set()
    module.write_text("CHANGED = True\n")
    recorded.dvc("repro")
    assert recorded.ran() == {"report"}
    assert recorded.agree()


def test_a_stage_runs_its_own_rule_alone(recorded):
    """As in a fresh clone, where Snakemake knows nothing and the code is newer than what it made."""
    recorded.run("rm", "-r", ".snakemake", "results/demo/students", "results/demo/bases")
    for file in (recorded.path / "src").rglob("*.py"):
        file.touch()
    recorded.distilrnn("make", "student", "rnn")
    assert recorded.ran() == ONE_STUDENT


def test_another_experiment_is_not_merged_over_the_first(recorded):
    other = {**PARAMS, "experiment": "other", "students": {"lstm": {"tokenizer": "tiny", "model": {"cell": "lstm"}}}}
    recorded.set_params(other, "experiments/other/params.yaml")
    recorded.commit("Another experiment")
    recorded.snakemake("--configfile", "experiments/other/params.yaml")
    assert {path.name for path in (recorded.path / "results/other/students").iterdir()} == {"lstm"}
    recorded.distilrnn("sync", "--params", "experiments/other/params.yaml")
    assert recorded.agree()
    assert recorded.nothing_to_do("--configfile", "experiments/other/params.yaml")
    other["students"]["lstm"]["distil"] = {"temperature": 3.0}
    recorded.set_params(other, "experiments/other/params.yaml")
    recorded.ran()
    recorded.dvc("repro", "--single-item", "experiments/other/dvc.yaml:student@lstm")
    assert recorded.ran() == {"other/students/lstm/tiny/seed0"}


def test_tokenizers_beside_the_bases_have_a_stage(recorded):
    (recorded.path / "words.json").write_text("{}")
    recorded.set_params(PARAMS | {"tokenize": {"max_length": 20, "tokenizers": {"words": "words.json"}}})
    recorded.dvc("repro", "--single-item", "tokens-extra@words")
    assert recorded.ran() == {"demo/tokens/words"}


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
        assert f"process {first.pid}" in second.output and "LockException" in second.output
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


def test_the_real_scripts_make_what_the_rules_say(tmp_path):
    repository = new_repository(tmp_path / "repository", stand_in=False)
    repository.set_params(REAL)
    repository.snakemake()
    repository.distilrnn("sync")
    assert repository.agree()


def test_lint_finds_nothing(recorded):
    assert "good condition" in recorded.snakemake("--lint").output
