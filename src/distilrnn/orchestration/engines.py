"""Snakemake, DVC and git as programs: what each finds changed, and what one is told of the other's work."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from distilrnn.artifacts import layout
from distilrnn.artifacts.files import to_json, write_atomically
from distilrnn.errors import InputError, RunError
from distilrnn.orchestration.code import code_versions
from distilrnn.orchestration.experiments import write_stages
from distilrnn.orchestration.snakemake import unrecorded
from distilrnn.orchestration.stages import all_outputs, files_for_git, unexpected_files
from distilrnn.params.experiment import Experiment, read_experiment

CODE_STAGE = "workflow/dvc.yaml"
CODE_FILE = Path("code.json")
Changes = dict[str, list[Any]]
"""What `dvc status --json` says: by stage, kinds of changes, most with the files that they concern."""


def dvc_status(*stages: str) -> Changes:
    """What DVC finds changed, by stage."""
    return json.loads(run("dvc", "status", "--json", *stages))


def snakemake(params: Path, *arguments: str) -> str:
    """Run Snakemake on an experiment and return what it says."""
    return run("snakemake", "--configfile", str(params), *arguments)


def run(module: str, *arguments: str) -> str:
    """Run a program of this environment and return what it writes; raises RunError with its last words."""
    program = [module] if module == "git" else [sys.executable, "-m", module]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        telling = [line for line in lines if line.lower().startswith(("note:", "error:"))] or lines[-5:]
        raise RunError(f"`{module} {' '.join(arguments)}` failed: {' '.join(telling)}")
    return done.stdout + ("" if module == "dvc" else done.stderr)


def stages_file(params: Path) -> Path:
    """The dvc.yaml beside a params file, which is written if it is not there yet; raises InputError."""
    stages = params.with_name("dvc.yaml")
    return stages if stages.is_file() else write_stages(params.parent)


def write_code_versions(file: Path = CODE_FILE) -> None:
    """Write the code versions of the repository in the current folder, if the file does not have them yet."""
    text = to_json(code_versions(Path.cwd()))
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        write_atomically(file, text)


def registered_versions(stages: Path) -> dict[str, str]:
    """The code versions that made the registered results, by rule."""
    lock = yaml.safe_load(stages.with_suffix(".lock").read_text(encoding="utf-8"))
    versions = {}
    for stage in lock["stages"].values():
        versions.update(stage.get("params", {}).get(str(CODE_FILE), {}))
    return versions


def in_cache(stages: Path, names: Iterable[str]) -> Iterator[bool]:
    """For each registered output of some stages, whether `dvc checkout` can restore it."""
    cache = Path(run("dvc", "cache", "dir").strip(), "files", "md5")
    lock = yaml.safe_load(stages.with_suffix(".lock").read_text(encoding="utf-8"))["stages"]
    for name in names:
        for out in lock.get(name.rsplit(":", 1)[-1], {}).get("outs", []):
            yield (cache / out["md5"][:2] / out["md5"][2:]).exists()


def only_outputs_differ(changes: list[Any]) -> bool:
    """Whether outputs were modified although neither command nor dependencies nor parameters were."""
    kinds = {kind for change in changes for kind in (change if isinstance(change, dict) else [change])}
    return kinds == {"changed outs"} and any("modified" in change["changed outs"].values() for change in changes)


def only_code_differs(changes: list[Any]) -> bool:
    """Whether a stage's code version alone has changed."""
    return all(
        isinstance(change, dict)
        and change.keys() == {"changed deps"}
        and change["changed deps"].keys() == {str(CODE_FILE)}
        for change in changes
    )


def require_registrable(experiment: Experiment, params: Path, changes: Changes, replace: bool) -> None:
    """Refuse to register what Snakemake did not make from the present parameters and code; raises InputError."""
    stages = params.with_name("dvc.yaml")
    root = layout.root(experiment)
    unexpected = unexpected_files(experiment)
    if unexpected:
        more = f" (and {len(unexpected) - 1} more)" if len(unexpected) > 1 else ""
        raise InputError(f"{unexpected[0]}: not an output of {params}{more}: delete it")
    if "Nothing to be done" not in snakemake(params, "--dry-run", "--cores", "1"):
        raise InputError(
            f"{params}: Snakemake has jobs to run, and DVC finds {names_of(changes)} changed: run `snakemake` or `dvc "
            f"repro {stages}` to make what is out of date, or `dvc checkout {stages}` (in a clone `dvc pull {stages}`) "
            "to go back to what is registered"
        )
    # Git keeps the parameters of a registered experiment, so a clone never makes them; they are compared below.
    missing = unrecorded(file for file in all_outputs(experiment) if Path(file) != root / "params.json")
    if missing:
        raise InputError(
            f"{missing[0]}: Snakemake has no record of making it ({len(missing)} such files), and DVC finds "
            f"{names_of(changes)} changed: run `dvc repro {stages}`"
        )
    if read_experiment(root / "params.json") != experiment:
        raise InputError(f"{root}: was made with other parameters than {params} has now: run `dvc repro {stages}`")
    repeated = [stage for stage, changed in changes.items() if only_outputs_differ(changed)]
    if repeated and not replace and any(in_cache(stages, repeated)):
        raise InputError(
            f"{names_of(repeated)}: outputs changed although their inputs did not: `dvc checkout {stages}` restores "
            "the registered ones; `distilrnn sync --replace` registers the new ones"
        )


def add_to_git(experiment: Experiment, stages: Path) -> None:
    """Stage what git keeps of a registered experiment, which .gitignore may leave out until then."""
    code = Path(CODE_STAGE)
    files = [stages, stages.with_suffix(".lock"), code, code.with_suffix(".lock"), CODE_FILE]
    run("git", "add", "--force", "--", *map(str, files), *files_for_git(experiment))


def names_of(stages: Iterable[str]) -> str:
    """The names of some stages, for a message."""
    names = [stage.rsplit(":", 1)[-1] for stage in stages]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
