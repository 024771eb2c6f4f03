"""Commands that join Snakemake and DVC: new, make, sync, accept and code."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distilrnn.errors import InputError, RunError

if TYPE_CHECKING:
    from distilrnn.params.experiment import Experiment

DEFAULT_PARAMS = Path("params.yaml")
Params = Annotated[Path, typer.Option(help="The experiment's params file.")]

PROFILE = "profiles/local"
"""The Snakemake profile of DVC's stages: cores and GPUs. The variable SNAKEMAKE_PROFILE may name another."""
CODE_STAGE = "workflow/dvc.yaml"
CODE_FILE = Path("code.json")


def new(
    name: Annotated[str, typer.Argument(help="Name of the experiment: its folders in experiments/ and results/.")],
    like: Annotated[Path, typer.Option("--from", help="The params file to copy.")] = DEFAULT_PARAMS,
) -> None:
    """Add an experiment: experiments/NAME/params.yaml to edit, and the dvc.yaml with which DVC runs it.

    Where params.yaml is there already, only dvc.yaml is written.
    """
    from distilrnn.orchestration.experiments import renamed, write_experiment, write_stages

    params = Path("experiments", name, "params.yaml")
    if params.exists():
        print(f"wrote {write_stages(params.parent)}")
        return
    _, written = write_experiment(renamed(like, name), params.parent)
    print(f"wrote {' and '.join(map(str, written))}; to run it: snakemake --profile {PROFILE} --configfile {params}")


def make(
    stage: Annotated[str, typer.Argument(help="A rule of the workflow, such as teacher.")],
    name: Annotated[str, typer.Argument(help="The base, tokenizer, teacher or student, if the rule has one.")] = "",
    params: Params = DEFAULT_PARAMS,
) -> None:
    """Let Snakemake run one rule alone: the command of each DVC stage.

    Cores and GPUs come from profiles/local, or from the profile that the variable SNAKEMAKE_PROFILE names.
    """
    from distilrnn.orchestration.stages import make_folders, targets
    from distilrnn.params.experiment import read_experiment

    experiment = read_experiment(params)
    files = targets(experiment, stage, name)
    make_folders(experiment)
    if not files:
        print(f"{stage}: nothing to make")
        return
    profile = [] if os.environ.get("SNAKEMAKE_PROFILE") else ["--profile", PROFILE]
    command = ["snakemake", *profile, "--configfile", str(params), "--allowed-rules", stage, "--", *files]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", *command])


def code() -> None:
    """Write code.json: the version of the code behind each rule, on which DVC's stages depend."""
    write_code_versions()


def sync(
    params: Params = DEFAULT_PARAMS,
    replace: Annotated[
        bool, typer.Option("--replace", help="Register a repeated run: outputs that changed although no input did.")
    ] = False,
) -> None:
    """Bring Snakemake and DVC into agreement.

    After a run of Snakemake, its results are registered with DVC, as `dvc repro` would have. After `dvc pull`, `dvc
    checkout` or `dvc exp apply`, Snakemake is told that the files are up to date.
    """
    from distilrnn.orchestration.stages import make_folders
    from distilrnn.params.experiment import read_experiment

    experiment = read_experiment(params)
    make_folders(experiment)
    stages = stages_file(params)
    write_code_versions()
    changes = dvc_status(CODE_STAGE, str(stages))
    code_changed = changes.pop(f"{CODE_STAGE}:code", None)
    if changes:
        require_registrable(experiment, params, changes, replace)
        run("dvc", "commit", "--force", CODE_STAGE, str(stages))
        add_to_git(experiment, stages)
        print(f"registered in {stages.with_suffix('.lock')} and added to git: commit it")
    else:
        snakemake(params, "--touch", "--forceall", "--cores", "1")
        if code_changed:
            run("dvc", "commit", "--force", CODE_STAGE)
        print("Snakemake and DVC are both up to date")


def add_to_git(experiment: "Experiment", stages: Path) -> None:
    """Stage what git keeps of a registered experiment, which .gitignore may leave out until then."""
    from distilrnn.orchestration.stages import files_for_git

    code = Path(CODE_STAGE)
    files = [stages, stages.with_suffix(".lock"), code, code.with_suffix(".lock"), CODE_FILE]
    run("git", "add", "--force", "--", *map(str, files), *files_for_git(experiment))


def require_registrable(experiment: "Experiment", params: Path, changes: dict[str, list[Any]], replace: bool) -> None:
    """Refuse to register what Snakemake did not make from the present parameters and code; raises InputError."""
    from distilrnn.artifacts import layout
    from distilrnn.orchestration.snakemake import unrecorded
    from distilrnn.orchestration.stages import all_outputs, unexpected_files
    from distilrnn.params.experiment import read_experiment

    stages = params.with_name("dvc.yaml")
    root = layout.root(experiment)
    unexpected = unexpected_files(experiment)
    if unexpected:
        more = f" (and {len(unexpected) - 1} more)" if len(unexpected) > 1 else ""
        raise InputError(f"{unexpected[0]}: not an output of {params}{more}: delete it")
    if "Nothing to be done" not in snakemake(params, "--dry-run", "--cores", "1"):
        raise InputError(
            f"{params}: Snakemake has jobs to run, and DVC finds {names_of(changes)} changed: run `snakemake` or `dvc "
            f"repro {stages}` to make what is out of date, or `dvc checkout {stages}` to go back to what is registered"
        )
    missing = unrecorded(all_outputs(experiment))
    if missing:
        raise InputError(
            f"{missing[0]}: Snakemake has no record of making it ({len(missing)} such files), and DVC finds "
            f"{names_of(changes)} changed: run `dvc repro {stages}`"
        )
    if read_experiment(root / "params.json") != experiment:
        raise InputError(f"{root}: was made with other parameters than {params} has now: run `dvc repro {stages}`")
    repeated = [stage for stage, changed in changes.items() if only_outputs_differ(changed)]
    if repeated and not replace:
        raise InputError(
            f"{names_of(repeated)}: outputs changed although their inputs did not: `dvc checkout {stages}` restores "
            "the registered ones; `distilrnn sync --replace` registers the new ones"
        )


def names_of(stages: Iterable[str]) -> str:
    """The names of some stages, for a message."""
    names = [stage.rsplit(":", 1)[-1] for stage in stages]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def write_code_versions(file: Path = CODE_FILE) -> None:
    """Write the code versions of the repository in the current folder, if the file does not have them yet."""
    from distilrnn.artifacts.files import to_json, write_atomically
    from distilrnn.orchestration.code import code_versions

    text = to_json(code_versions(Path.cwd()))
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        write_atomically(file, text)


def stages_file(params: Path) -> Path:
    """The dvc.yaml beside a params file, which is written if it is not there yet; raises InputError."""
    from distilrnn.orchestration.experiments import write_stages

    stages = params.with_name("dvc.yaml")
    return stages if stages.is_file() else write_stages(params.parent)


def dvc_status(*stages: str) -> dict[str, list[Any]]:
    """What DVC finds changed, by stage."""
    return json.loads(run("dvc", "status", "--json", *stages))


def only_outputs_differ(changes: list[Any]) -> bool:
    """Whether outputs were modified although neither command nor dependencies nor parameters were."""
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
