"""`distilrnn doctor`: what it finds in real folders, and what it says to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from distilrnn.cli import doctor
from distilrnn.runtime import gpu_leases
from distilrnn.training.history import History
from distilrnn.training.resume import ResumeFile, State
from workflow_repository import PARAMS, new_repository


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return new_repository(tmp_path_factory.mktemp("doctor") / "repository", stand_in=False)


@pytest.fixture
def repository(made, tmp_path):
    return made.copy(tmp_path / "repository")


QUICK = {"HF_HUB_OFFLINE": "1"}


def ask(repository, *arguments, code=0, **environment):
    """The findings, by name; of several with one name the states and texts as lists."""
    done = repository.run("distilrnn", "doctor", "--json", *arguments, code=code, **(QUICK | environment))
    findings = {}
    for finding in json.loads(done.output):
        findings.setdefault(finding["name"], []).append(finding)
    return findings


def test_a_good_clone_stops_nothing_and_the_report_holds_everything(repository):
    findings = ask(repository)
    assert not [one for some in findings.values() for one in some if one["state"] == "stop"]
    versions = {"python", "distilrnn", "torch", "transformers", "datasets", "snakemake", "dvc"}
    places = {"snakemake on PATH", "dvc on PATH", "git on PATH", "git commit", "CPU", "GPU", "memory", "disk"}
    assert versions | places | {"hub", "DVC remote", "lock", ".resume", "params"} <= set(findings)
    assert len(findings["git commit"][0]["found"]) == 40
    assert findings["params"][0]["found"] == "params.yaml: experiment demo"
    assert "dvc remote add" in findings["DVC remote"][0]["advice"]


def test_the_table_is_readable_in_80_columns(repository):
    done = repository.run("distilrnn", "doctor", COLUMNS="80", **QUICK)
    lines = done.output.splitlines()
    assert max(map(len, lines)) == 80
    assert any("params.yaml: experiment demo" in line for line in lines)
    assert not any("…" in line for line in lines)  # nothing is cut


def test_what_stops_a_run_is_said_with_what_to_do_and_exit_code_1(repository):
    (repository.path / ".snakemake" / "locks").mkdir(parents=True)
    (repository.path / ".snakemake" / "locks" / "0.input.lock").touch()
    bases = {"tiny": {}, "big": {"model": "models/big.gguf"}, "far": {"model": "no/such", "revision": "0" * 40}}
    tokenizers = {"words": "words.json"}
    repository.set_params(PARAMS | {"bases": bases, "tokenize": {"tokenizers": tokenizers}})
    findings = ask(repository, code=1)
    assert findings["lock"][0]["state"] == "stop"
    assert "snakemake --unlock" in findings["lock"][0]["found"]
    stopped = {one["found"].split(":")[0]: one for one in findings["input"] if one["state"] == "stop"}
    assert set(stopped) == {"bases.big.model", "bases.far.model", "tokenize.tokenizers.words"}
    assert "bring it there" in stopped["bases.big.model"]["advice"]
    assert "the hub is out of reach" in stopped["bases.far.model"]["found"]


def test_a_params_file_that_is_wrong_or_missing_stops(workplace):
    (workplace / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"seeds": [-1]}))
    (found,) = doctor.experiment(Path("params.yaml"))
    assert found.state == "stop"
    assert "params.yaml: seeds" in found.found
    (found,) = doctor.experiment(Path("none.yaml"))
    assert found.state == "stop"
    assert "no such params file" in found.found
    assert "repository's root" in found.advice


def test_a_tokenizer_that_is_learned_is_no_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = PARAMS | {"tokenize": {"tokenizers": {"own": {"learn": "word"}}}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    assert [finding.state for finding in doctor.experiment(Path("params.yaml"))] == ["ok"]


def stop_a_training(folder):
    state = State(History(), torch.zeros(2, dtype=torch.float64), step=7)
    ResumeFile(Path("results/demo/teachers/tiny/seed0"), {}, folder).save({}, torch.optim.SGD([torch.zeros(1)]), state)


def test_a_stopped_training_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [finding.found for finding in doctor.resumable()] == ["no stopped training"]
    stop_a_training(Path(".resume"))
    (found,) = doctor.resumable()
    assert found.found == "results-demo-teachers-tiny-seed0: 7 steps are done"
    assert found.state == "note"


@pytest.mark.slow
def test_another_run_stopped_training_and_a_remote_are_told(repository, tmp_path):
    repository.run("dvc", "remote", "add", "-d", "storage", str(tmp_path / "kept"))
    folder = repository.path / ".resume"
    stop_a_training(folder)
    (folder / "other-1234abcd.safetensors").write_bytes(b"nothing")
    (repository.path / ".snakemake" / "locks").mkdir(parents=True)
    (repository.path / ".snakemake" / "locks" / "0.input.lock").touch()
    script = repository.path / "snakemake"
    script.write_text("input()")
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, cwd=repository.path) as other:
        findings = ask(repository)
        other.communicate(b"\n")
    assert f"process {other.pid}" in findings["lock"][0]["found"]
    assert findings["lock"][0]["state"] == "note"
    assert "storage" in findings["DVC remote"][0]["found"]
    assert findings["DVC remote"][0]["state"] == "ok"
    damaged, stopped = findings[".resume"]
    assert "results-demo-teachers-tiny-seed0: 7 steps are done" in stopped["found"]
    assert "damaged" in damaged["found"]


@pytest.mark.slow
def test_gpus_and_who_holds_them_are_told(repository, tmp_path):
    gpus = {gpu_leases.DEVICES: "GPU-a,GPU-b", gpu_leases.VISIBLE: "0", gpu_leases.FOLDER: str(tmp_path / "leases")}
    job = "import time\nfrom distilrnn.runtime.gpu_leases import leased\nwith leased(1): time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", job], stdout=subprocess.PIPE, env=os.environ | gpus) as holder:
        holder.stdout.readline()
        findings = ask(repository, **gpus)
        holder.kill()
    found = [one["found"] for one in findings["GPU leases"]]
    assert found == [f"GPU-a: held by process {holder.pid}", "GPU-b: free, not for this process"]


def test_a_missing_program_package_or_pin_is_told(workplace, monkeypatch):
    monkeypatch.setenv("PATH", str(workplace))
    found = {finding.name: finding for finding in doctor.programs()}
    assert {name: one.state for name, one in found.items()} == {
        "python on PATH": "stop",
        "snakemake on PATH": "stop",
        "dvc on PATH": "note",
        "git on PATH": "note",
    }
    assert "export PATH=" in found["snakemake on PATH"].advice
    (workplace / "requirements.txt").write_text("snakemake==0.1\n# torch==0.1\n")
    monkeypatch.setattr(doctor, "PACKAGES", ("snakemake", "torch", "no-such-package"))
    found = {finding.name: finding for finding in doctor.versions()}
    assert (found["snakemake"].state, found["torch"].state, found["no-such-package"].state) == ("note", "ok", "stop")
    assert "requirements.txt has 0.1" in found["snakemake"].found


def test_a_hub_that_does_not_answer_is_no_failure():
    assert not doctor._answers("http://127.0.0.1:9/")
    assert not doctor._answers("no address")


def test_outside_a_repository_it_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "from distilrnn.cli.main import app; app()", "doctor", "--json"],
        cwd=tmp_path,
        env=os.environ | QUICK | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 1
    assert done.stderr == ""
    assert findings["params"]["advice"] == "go to the repository's root"
    assert findings["git commit"]["state"] == findings["DVC remote"]["state"] == "note"


def test_the_kernels_and_their_switch_are_told(monkeypatch):
    found = {}
    for setting in ("", "plain", "dropout", "fast"):
        monkeypatch.setenv("DISTILRNN_KERNELS", setting)
        found[setting] = next(f for f in doctor.devices() if f.name == "kernels")
    assert {name: finding.state for name, finding in found.items()} == {
        "": "ok",
        "plain": "note",
        "dropout": "note",
        "fast": "stop",
    }
    assert "lora_linear" in found[""].found
    assert "none" in found["plain"].found
