"""Two that work in one folder at once: the second says who holds it; what a kill leaves is recovered as it says."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager

import psutil
import pytest

from processes import jobs
from workflow_repository import new_repository

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path):
    return new_repository(tmp_path / "repository")


@contextmanager
def at_work(repository, *command):
    """A command that is still running its first job; it is killed with all that it has started."""
    with subprocess.Popen(
        command,
        cwd=repository.path,
        env=repository.environment() | {"STAND_IN_SECONDS": "600"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            while not jobs(psutil.Process(process.pid)).keys() - {"experiment"}:  # the only script that does not wait
                assert process.poll() is None
                time.sleep(0.1)
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def recovers(repository, *command, made=()):
    """Whether the command goes on after what its refusal says to do, and makes these files: without any, all."""
    assert "`snakemake --unlock` removes it" in repository.run(*command, code=None).output
    repository.snakemake("--unlock")
    repository.run(*command)
    return repository.nothing_to_do(*made)


def test_dvc_beside_snakemake(repository):
    with at_work(repository, "snakemake", "--cores", "1") as pid:
        refused = repository.dvc("repro", code=None)
        assert refused.code
        assert f"another run is at work in this folder: process {pid}, `" in refused.output
        assert not (repository.path / "ran.txt").exists()
    assert recovers(repository, "dvc", "repro", "corpus", made=["results/demo/corpus/corpus.json"])


def test_snakemake_and_dvc_beside_dvc(repository):
    with at_work(repository, "dvc", "repro"):
        assert "another run is at work in this folder: process " in repository.snakemake(code=1).output
        second = repository.dvc("repro", code=None)
        assert second.code
        assert "is busy, it is being blocked by" in second.output or "Unable to acquire lock" in second.output
        assert not (repository.path / "ran.txt").exists()
    assert recovers(repository, "snakemake", "--cores", "1")
    assert repository.dvc("repro").output
    assert repository.agree()


def test_sync_beside_snakemake(repository):
    with at_work(repository, "snakemake", "--cores", "1"):
        assert "Snakemake has jobs to run" in repository.distilrnn("sync", code=2).output
    assert recovers(repository, "snakemake", "--cores", "1")
