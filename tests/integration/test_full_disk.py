"""The real scripts when there is no room: one sentence, exit code 1, nothing half-written, and the next run goes on."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from paths import REPOSITORY

pytestmark = pytest.mark.slow

SCRIPTS = REPOSITORY / "workflow" / "scripts"
SAID = re.compile(
    r"error: \S+: could not be written \(the file is too big\): make room or choose another folder, then run again\n"
)


def command(tiny, script, output, *more):
    """The script on the small experiment."""
    tokens, training = ("--tokens", tiny.tokens), ("--threads=1", "--precision=fp32", "--batch-size=16")
    options = {
        "corpus": ("--train-size=100", "--dev-size=40", "--unlabelled-size=300"),
        "base": ("--corpus", tiny.corpus, "--vocabulary=300", "--width=16", "--layers=1", "--heads=2", "--epochs=1"),
        "tokens": ("--corpus", tiny.corpus, "--tokenizer", tiny.base),
        "teacher": ("--base", tiny.base, *tokens, *training, "--epochs=1", "--rank=2"),
        "logits": ("--base", tiny.base, "--adapter", tiny.adapter, *tokens, "--threads=1"),
        "student": (*tokens, *training, "--epochs=1", "--embedding=8", "--hidden=8"),
    }
    return [sys.executable, SCRIPTS / f"{script}.py", *options[script], *more, "--output", output]


def contents(folder):
    """Every file, hidden ones too; the seconds in run.json differ."""
    files = (path for path in Path(folder).rglob("*") if path.is_file() and path.name != "run.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


LIMITS = [("corpus", 4000), ("base", 30_000), ("tokens", 3000), ("teacher", 4000), ("logits", 1000)]


@pytest.mark.parametrize(("script", "limit"), [*LIMITS, ("student", 4000)])
def test_no_room_for_an_output(tiny, workplace, script, limit):
    """No file may be longer than `limit` bytes: what is longer is not there, what is there is whole."""
    done = subprocess.run(
        command(tiny, script, "out"),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1, done.stderr
    assert SAID.fullmatch(done.stderr), done.stderr
    left = contents("out")
    subprocess.run(command(tiny, script, "out"), capture_output=True, check=True)
    whole = contents("out")
    assert max(map(len, whole.values())) > limit >= max(map(len, left.values()), default=0)
    assert left.items() < whole.items()
    assert not any(path.is_file() for path in Path(".resume").glob("*"))


@pytest.mark.parametrize("script", ["teacher", "student"])
def test_room_that_runs_out_in_the_middle_of_a_training(tiny, workplace, script):
    """The state of the epoch before stays, and the next run goes on from it."""
    epochs = 40
    subprocess.run(command(tiny, script, "whole", f"--epochs={epochs}"), capture_output=True, check=True)
    again = command(tiny, script, "out", f"--epochs={epochs}")
    with subprocess.Popen(again, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert any("epoch 2/" in line for line in process.stdout)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, 1000))
        said = process.communicate()[1]
    assert process.returncode == 1
    assert SAID.fullmatch(said), said
    assert contents("out") == {}
    assert len(list(Path(".resume").iterdir())) == 1
    done = subprocess.run(again, capture_output=True, text=True, check=True)
    assert int(re.search(r"going on from epoch (\d+), step 1", done.stdout).group(1)) > 2
    assert contents("out") == contents("whole")
    assert list(Path(".resume").iterdir()) == []
