"""Ten kills at random moments (KILL_ROUNDS=2: twenty) through real Snakemake: the same command again ends with the
bytes of a calm run.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from distilrnn.orchestration.stages import targets
from distilrnn.params.experiment import validate_experiment
from outputs import assert_same, outputs
from processes import jobs
from workflow_repository import PARAMS, Repository, new_repository

pytestmark = pytest.mark.slow

ROOT = Path("results/killed")
COMMAND = ("snakemake", "--cores", "1", "--resources", "gpu=1", "--retries", "3", "--", f"{ROOT}/metrics.json")
STUDENT = {
    "tokenizer": "tiny",
    "model": {"embedding": 16, "hidden": 16, "dropout": 0.1},
    "training": {"epochs": 40, "batch_size": 4, "schedule": "linear"},
}
PARAMS = PARAMS | {
    "experiment": "killed",
    "corpus": {"train_size": 100, "dev_size": 30, "unlabelled_size": 200},
    "bases": {"tiny": {"vocabulary": 300, "width": 16, "layers": 1, "heads": 2, "context": 256, "epochs": 1}},
    "teachers": {"tiny": {"base": "tiny", "training": {"epochs": 40, "batch_size": 4, "schedule": "linear"}}},
    "students": {"rnn": STUDENT},
    "measure": {"sentences": 10},
}
ROUNDS = int(os.environ.get("KILL_ROUNDS", "1"))
KILLS = {"teacher": (2, 1, 2), "logits": (2,), "student": (1, 2)}
"""How often a rule is struck each time that the command is given, in each round."""
LOGS = {"teacher": "teacher/tiny-seed0", "logits": "logits/tiny-seed0", "student": "student/rnn-tiny-seed0"}
LARGEST_STATE = 2_000_000
"""Bytes: weights, Adam's two moments and the best weights of a model of some ten thousand parameters."""


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The experiment up to its tokens: what comes before the trainings."""
    repository = new_repository(tmp_path_factory.mktemp("kills") / "start", stand_in=False)
    repository.set_params(PARAMS)
    repository.run(*COMMAND[:-1], *targets(validate_experiment(PARAMS, "params.yaml"), "tokens", "tiny"))
    return repository


def wait_for_a_moment(repository: Repository, snakemake: subprocess.Popen, rule: str, chance: random.Random) -> None:
    """Until a random moment of the rule's script: some time after it has begun, or after some more epochs."""
    epochs = 0 if rule == "logits" else chance.choice([0, 1, 2, 3])
    seconds = chance.uniform(0, 0.2 if epochs else 2)
    log = repository.path / "logs/killed" / f"{LOGS[rule]}.log"
    process = psutil.Process(snakemake.pid)
    while rule not in jobs(process):
        assert snakemake.poll() is None, snakemake.stdout.read()
        time.sleep(0.05)
    while epochs and rule in jobs(process) and (not log.exists() or log.read_text().count(" epoch ") < epochs):
        time.sleep(0.02)
    time.sleep(seconds)


def strike(repository: Repository, rule: str, times: int, chance: random.Random) -> Iterator[str]:
    """Give the command, kill the script alone, which Snakemake then starts again, and at the last time all of it.

    Yields what was at work at each kill.
    """
    with subprocess.Popen(
        COMMAND,
        cwd=repository.path,
        env=repository.environment(),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as snakemake:
        for time_left in reversed(range(times)):
            wait_for_a_moment(repository, snakemake, rule, chance)
            struck = jobs(psutil.Process(snakemake.pid))
            if not time_left:
                os.killpg(snakemake.pid, signal.SIGKILL)
            for job in struck.values():
                with suppress(psutil.NoSuchProcess):
                    job.kill()
                    job.wait()
            yield next(iter(struck), "between two jobs")


def is_locked(repository: Repository) -> bool:
    """Whether a killed Snakemake left its lock."""
    return any((repository.path / ".snakemake/locks").glob("*"))


def test_kills_at_random_moments_change_nothing(start, tmp_path):
    calm = start.copy(tmp_path / "calm")
    calm.run(*COMMAND)
    killed = start.copy(tmp_path / "killed")
    chance, struck, unlocked = random.Random(20), Counter(), 0
    for rule, times in ((rule, times) for rule, of_round in KILLS.items() for times in of_round * ROUNDS):
        struck.update(strike(killed, rule, times, chance))
        assert sum(file.stat().st_size for file in killed.path.glob(".resume/*")) < LARGEST_STATE
        if is_locked(killed):
            if not unlocked:
                assert "`snakemake --unlock` removes it" in killed.run(*COMMAND, code=1).output
            killed.run("snakemake", "--unlock")
            unlocked += 1
    killed.run(*COMMAND)
    print(dict(struck), f"{unlocked} locks were left")
    assert struck.total() == 10 * ROUNDS
    assert unlocked
    assert all(struck[rule] for rule in KILLS)
    assert_same(outputs(killed.path / ROOT), outputs(calm.path / ROOT))
    assert list((killed.path / ".resume").iterdir()) == []
    assert "Nothing to be done" in killed.run(*COMMAND).output
