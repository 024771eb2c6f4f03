"""Commands that keep Snakemake and DVC in agreement: targets, record, sync and stages."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distilrnn.errors import InputError, RunError

if TYPE_CHECKING:
    from distilrnn.params.experiment import Experiment

DEFAULT_PARAMS = Path("params.yaml")
Params = Annotated[Path, typer.Option(help="The experiment's params file.")]

CODE = re.compile(r"^( *)- (workflow/scripts/\w+\.py)\n(?: *- src/.*\n)*", re.MULTILINE)
"""A script among a stage's dependencies, and the modules listed after it."""


def targets(
    phase: Annotated[str, typer.Argument(help="A rule of the workflow, such as teacher.")],
    name: Annotated[str, typer.Argument(help="The base, tokenizer, teacher or student, where the rule has one.")] = "",
    params: Params = DEFAULT_PARAMS,
) -> None:
    """Print the files that a phase makes, one a line: what DVC's stages have Snakemake make."""
    from distilrnn.orchestration.stages import targets as stage_targets
    from distilrnn.params.experiment import read_experiment

    experiment = read_experiment(params)
    print("\n".join(stage_targets(experiment, phase, name)))


def record(
    params: Params = DEFAULT_PARAMS,
    replace: Annotated[
        bool, typer.Option("--replace", help="Record a repeated run: outputs that differ though nothing they need has.")
    ] = False,
) -> None:
    """Record in DVC what a plain run of Snakemake made: dvc.lock and the cache are then as after `dvc repro`."""
    from distilrnn.artifacts import layout
    from distilrnn.orchestration.stages import unexpected_files
    from distilrnn.params.experiment import read_experiment

    experiment = read_experiment(params)
    stages = stages_file(params)
    strangers = unexpected_files(experiment)
    if strangers:
        raise InputError(f"{strangers[0]}: nothing in {params} makes it ({len(strangers)} such files): remove it")
    touch_code()
    if "Nothing to be done" not in snakemake(params, "--dry-run"):
        raise InputError(f"{params}: there are jobs to run: let Snakemake finish, then record")
    made_with = read_experiment(layout.root(experiment) / "params.json")
    if made_with != experiment:
        raise InputError(
            f"{layout.root(experiment)}: was made with other params than {params} has now: "
            f"run `dvc repro {stages}`, or `distilrnn sync` after a checkout"
        )
    repeated = [stage for stage, changes in changed_stages(stages).items() if only_outputs_differ(changes)]
    if repeated and not replace:
        raise InputError(
            f"{', '.join(repeated)}: the outputs are not those recorded for these inputs: "
            f"`dvc checkout {stages}` brings those back; `--replace` records a repeated run in their place"
        )
    run("dvc", "commit", "--force", str(stages))
    add_to_git(experiment, stages)
    print(f"recorded in {stages.with_suffix('.lock')} and results/{experiment.experiment}, added to git: commit them")


def add_to_git(experiment: "Experiment", stages: Path) -> None:
    """Stage dvc.lock and what git keeps of the experiment, which .gitignore may leave out until it is recorded."""
    from distilrnn.orchestration.stages import files_for_git

    run("git", "add", "--force", "--", str(stages.with_suffix(".lock")), *files_for_git(experiment))


def touch_code() -> None:
    """Make the code newer than all that it made: Snakemake compares only what is newer, and then by content.

    Files that `dvc checkout` has brought back are newer than code which was changed before, and would pass for its own.
    """
    from distilrnn.orchestration.code import modules

    for script in Path("workflow/scripts").glob("*.py"):
        for file in [script, *map(Path, modules(str(script)))]:
            file.touch()


def sync(params: Params = DEFAULT_PARAMS) -> None:
    """Tell Snakemake that the files are up to date: after `dvc pull` in a clone, `dvc checkout` or `dvc exp apply`."""
    stages = stages_file(params)
    changed = changed_stages(stages)
    if changed:
        raise InputError(
            f"{', '.join(changed)}: not as {stages.with_suffix('.lock')} has it: "
            f"run `dvc pull {stages}` for what is missing, or `dvc repro {stages}` for what has changed"
        )
    snakemake(params, "--touch", "--forceall", "--cores", "1")
    print("Snakemake and DVC are both up to date")


def stages(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit code 1 if something would be.")] = False,
) -> None:
    """Bring dvc.yaml up to date with what the scripts import, and its copies in experiments/ with it."""
    texts = stages_texts()
    stale = [path for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if check and stale:
        raise RunError(f"{', '.join(map(str, stale))}: not up to date with the code: run `distilrnn stages`")
    for path in stale:
        path.write_text(texts[path], encoding="utf-8")
        print(f"wrote {path}")


def stages_texts() -> dict[Path, str]:
    """What dvc.yaml and its copy beside every other experiment's params.yaml have to be."""
    from distilrnn.orchestration.code import modules

    def with_modules(match: re.Match[str]) -> str:
        indent, script = match.groups()
        return "".join(f"{indent}- {file}\n" for file in [script, *modules(script)])

    root = stages_file(DEFAULT_PARAMS)
    text = CODE.sub(with_modules, root.read_text(encoding="utf-8"))
    return {root: text} | {
        params.with_name("dvc.yaml"): copy_of_stages(text, params)
        for params in sorted(Path("experiments").glob("*/params.yaml"))
    }


def copy_of_stages(text: str, params: Path) -> str:
    """The stages of another experiment: the same, but for where they stand. DVC reads no links in git's history."""
    top = "/".join([".."] * len(params.parent.parts))
    placed = text.replace("- top: .\n", f"- top: {top}\n").replace("- params: params.yaml\n", f"- params: {params}\n")
    return f"# A copy of the root's dvc.yaml, made by `distilrnn stages`: change that one.\n{placed}"


def stages_file(params: Path) -> Path:
    """The dvc.yaml beside a params file; raises InputError."""
    path = params.with_name("dvc.yaml")
    if not path.is_file():
        raise InputError(
            f"{path}: no such file: go to the repository's root; `distilrnn stages` makes it for a new experiment"
        )
    return path


def changed_stages(stages: Path) -> dict[str, list[Any]]:
    """What DVC finds changed, by stage."""
    return json.loads(run("dvc", "status", "--json", str(stages)))


def only_outputs_differ(changes: list[Any]) -> bool:
    """Whether outputs were modified though neither command nor dependencies nor parameters were."""
    kinds = {kind for change in changes for kind in (change if isinstance(change, dict) else [change])}
    return kinds == {"changed outs"} and any("modified" in change["changed outs"].values() for change in changes)


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
