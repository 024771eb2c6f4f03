"""Proof that a change of the code keeps every byte of the results: a tiny experiment, run with old and new code.

Its hashes are kept in tests/golden/bytes.json, with the machine and the code versions that they were computed with. On
another machine, or for other code, the experiment is run once more with the old code, which git has.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from distilrnn.artifacts.files import read_json, write_json
from distilrnn.errors import RunError
from distilrnn.orchestration.code import code_versions

PARAMS = Path("tests/golden/params.yaml")
BYTES = Path("tests/golden/bytes.json")
CODE = ("Snakefile", "workflow", "src", "profiles/default")
"""What a run needs of a repository."""

SECONDS = {"seconds", "sentences_per_second"}
_COSTS = {
    "costs.json",
    "report.html",
    "model-card.md",
    "table.json",
    "table.md",
    "cascade.png",
    "cascade.svg",
    "quality-cost.png",
    "quality-cost.svg",
}
"""Files of measured costs, and those that show them: they differ from run to run."""
COMMITS = 50
"""This many commits are searched for the code that made a result."""


def prove_equal(before: Mapping[str, str], machine: str) -> int:
    """Compare the tiny experiment of the code in the current folder with that of the code versions `before`, by rule.

    `machine` is what bytes depend on besides the code. Returns how many files were compared, and records their hashes.

    Raises:
        RunError: a file differs, git does not have the code before, or a run failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder, "old"), Path(folder, "new")
        expected = recorded_hashes(before, machine)
        if expected is None:
            commit = extract_code(before, old)
            print(f"running the tiny experiment with the code of commit {commit[:10]}", flush=True)
            expected = run_tiny(old / "code")
        print("running the tiny experiment with the code as it is now", flush=True)
        copy_code(new)
        found = run_tiny(new)
    differ = [name for name in sorted({*expected, *found}) if expected.get(name) != found.get(name)]
    if differ:
        raise RunError(
            f"{', '.join(differ[:3])}: not the same bytes as before ({len(differ)} of {len(expected)} files differ): "
            "the change is no refactoring: run `dvc repro`"
        )
    write_json(BYTES, {"machine": machine, "code": code_versions(Path.cwd()), "files": found})
    return len(found)


def comparable(root: Path, ignored: frozenset[str] = frozenset(SECONDS)) -> dict[str, bytes]:
    """What has to be equal in two runs of an experiment: the bytes of each file in its results folder, by path.

    Without measured costs, and in run.json and metrics/<system>.json without the keys `ignored`.
    """
    files = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.name not in _COSTS):
        content = path.read_bytes()
        if path.name == "run.json" or path.parent.name == "metrics":
            content = json.dumps(_without(json.loads(content), ignored)).encode()
        files[path.relative_to(root).as_posix()] = content
    return files


def _without(value: object, keys: frozenset[str]) -> object:
    if isinstance(value, Mapping):
        return {key: _without(inner, keys) for key, inner in value.items() if key not in keys}
    return [_without(inner, keys) for inner in value] if isinstance(value, list) else value


def copy_code(folder: Path) -> None:
    """Copy the code of the repository in the current folder, as it is on disk."""
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    for name in CODE:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(name).is_dir():
            shutil.copytree(name, target, ignore=skipped)
        else:
            shutil.copy(name, target)


def extract_code(versions: Mapping[str, str], folder: Path) -> str:
    """Write the newest committed code that has these versions, and return its commit.

    Raises:
        RunError: no recent commit has this code.
    """
    log = _git("log", f"--max-count={COMMITS}", "--format=%H", "--", *CODE).decode().split()
    for commit in log:
        place = folder / commit
        with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, "--", *CODE))) as archive:
            archive.extractall(place, filter="data")
        if versions.items() <= code_versions(place).items():
            place.rename(folder / "code")
            return commit
        shutil.rmtree(place)
    raise RunError(
        "none of the last commits has the code that made these results, so the bytes cannot be compared: "
        "run `dvc repro`, which makes them again"
    )


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    if done.returncode:
        raise RunError(f"`git {' '.join(arguments)}` failed: {done.stderr.decode().strip()}")
    return done.stdout


def run_tiny(code: Path) -> dict[str, str]:
    """Run the tiny experiment with the code in a folder; return the SHA-256 of each result by path; raises RunError."""
    params = PARAMS.resolve()
    environment = os.environ | {
        "PYTHONPATH": str(code / "src"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--resources", "gpu=1", "--configfile", str(params)]
    done = subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = " ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise RunError(f"the tiny experiment of {PARAMS} failed: {last}")
    (root,) = (code / "results").iterdir()
    return {
        name: sha256(content).hexdigest() for name, content in comparable(root, frozenset({*SECONDS, "code"})).items()
    }


def recorded_hashes(versions: Mapping[str, str], machine: str) -> dict[str, str] | None:
    """The recorded hashes if they are of these code versions and this machine; else None."""
    if not BYTES.is_file():
        return None
    golden = read_json(BYTES, "machine", "code", "files")
    return golden["files"] if golden["machine"] == machine and versions.items() <= golden["code"].items() else None
