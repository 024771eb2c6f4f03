"""Commands that join Snakemake and DVC: new, make, sync, accept and code."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from distilrnn.errors import InputError

DEFAULT_PARAMS = Path("params.yaml")
Params = Annotated[Path, typer.Option(help="The experiment's params file.")]

PROFILE = "profiles/local"
"""The Snakemake profile of DVC's stages: cores and GPUs. The variable SNAKEMAKE_PROFILE may name another."""


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
    from distilrnn.orchestration.stages import STAGES, make_folders, targets
    from distilrnn.params.experiment import read_experiment

    experiment = read_experiment(params)
    files = targets(experiment, stage, name)
    make_folders(experiment)
    if not files:
        print(f"{stage}: nothing to make")
        return
    profile = [] if os.environ.get("SNAKEMAKE_PROFILE") else ["--profile", PROFILE]
    command = [
        "snakemake",
        *profile,
        "--configfile",
        str(params),
        "--allowed-rules",
        stage,
        *STAGES[stage].also,
        "--",
        *files,
    ]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", *command])


def code() -> None:
    """Write code.json: the version of the code behind each rule, on which DVC's stages depend."""
    from distilrnn.orchestration.engines import write_code_versions

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
    from distilrnn.orchestration import engines
    from distilrnn.orchestration.stages import make_folders
    from distilrnn.params.experiment import read_experiment

    experiment = read_experiment(params)
    make_folders(experiment)
    stages = engines.stages_file(params)
    engines.write_code_versions()
    changes = engines.dvc_status(engines.CODE_STAGE, str(stages))
    code_changed = changes.pop(f"{engines.CODE_STAGE}:code", None)
    if changes:
        engines.require_registrable(experiment, params, changes, replace)
        engines.run("dvc", "commit", "--force", engines.CODE_STAGE, str(stages))
        engines.add_to_git(experiment, stages)
        print(f"registered in {stages.with_suffix('.lock')} and added to git: commit it")
    else:
        engines.snakemake(params, "--touch", "--forceall", "--cores", "1")
        if code_changed:
            engines.run("dvc", "commit", "--force", engines.CODE_STAGE)
        print("Snakemake and DVC are both up to date")


def accept(params: Params = DEFAULT_PARAMS) -> None:
    """Accept a refactoring: keep the results if the changed code makes the same bytes, without running them again.

    The proof is a tiny experiment (tests/golden/params.yaml), run with the code that made the results and with the code
    of now. Then DVC and Snakemake are told that the results are up to date.
    """
    from distilrnn.orchestration import engines
    from distilrnn.orchestration.golden import prove_equal

    stages = engines.stages_file(params)
    engines.write_code_versions()
    changes = engines.dvc_status(engines.CODE_STAGE, str(stages))
    changes.pop(f"{engines.CODE_STAGE}:code", None)
    if not changes:
        raise InputError(f"{stages}: DVC finds nothing changed: there is nothing to accept")
    others = [stage for stage, changed in changes.items() if not engines.only_code_differs(changed)]
    if others:
        raise InputError(
            f"{engines.names_of(others)}: more than the code has changed: run `dvc repro {stages}`, or "
            "`distilrnn sync` if Snakemake has made the new results"
        )
    files = prove_equal(engines.registered_versions(stages), _machine())
    engines.run("dvc", "commit", "--force", engines.CODE_STAGE, str(stages))
    engines.snakemake(params, "--touch", "--forceall", "--cores", "1")
    print(
        f"all {files} files have the same bytes: the results stay; commit {stages.with_suffix('.lock')} and code.json"
    )


def _machine() -> str:
    """What bytes depend on besides the code: processor and versions."""
    from distilrnn.runtime.machine import processor, versions

    packages = {name: version for name, version in versions().items() if name not in ("snakemake", "dvc")}
    return ", ".join([processor(), *(f"{name} {version}" for name, version in packages.items())])
