"""Folders of experiments: params.yaml and, for DVC, the dvc.yaml beside it."""

import re
from pathlib import Path

import yaml

from distilrnn.artifacts.files import write_atomically
from distilrnn.errors import InputError
from distilrnn.params.experiment import Experiment, read_experiment, validate_experiment

STAGES_FILE = "dvc.yaml"
PARAMS_FILE = "params.yaml"


def write_experiment(params: str, folder: Path | None = None, root: Path = Path()) -> tuple[Experiment, list[Path]]:
    """Write a new experiment's params.yaml, and the dvc.yaml with which DVC runs it.

    Args:
        params: The text of params.yaml, comments and all. Its key `experiment` names results/<experiment>/.
        folder: The folder to write, relative to `root`; experiments/<experiment> by default.
        root: The repository's root.

    Returns:
        The checked experiment, and the two files that were written.

    Raises:
        InputError: the parameters are wrong, the folder already has params.yaml, or `root` is not the repository's
            root. Nothing is written then.
    """
    experiment = validate_experiment(yaml.safe_load(params), "the new experiment")
    folder = Path("experiments", experiment.experiment) if folder is None else folder
    file = root / folder / PARAMS_FILE
    if file.exists():
        raise InputError(f"{file}: is already there: choose another name, or remove it")
    text = stages_text(folder, root)
    write_atomically(file, params)
    stages = write_stages(folder, root, text)
    return experiment, [file, stages]


def write_stages(folder: Path, root: Path = Path(), text: str | None = None) -> Path:
    """Write the dvc.yaml of the experiment in `folder`, and return its path; raises InputError."""
    stages = root / folder / STAGES_FILE
    write_atomically(stages, stages_text(folder, root) if text is None else text)
    return stages


def stages_text(folder: Path, root: Path = Path()) -> str:
    """The dvc.yaml of the experiment in `folder`: the root's, with two other variables at its top.

    It is a copy since DVC follows no symbolic links in git's history, and has no way to include a file.
    Raises InputError where `root` has no dvc.yaml.
    """
    source = root / STAGES_FILE
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{source}: no such file: go to the repository's root") from None
    top = "/".join([".."] * len(folder.parts)) or "."
    placed = text.replace("- top: .\n", f"- top: {top}\n")
    return placed.replace(f"- params: {PARAMS_FILE}\n", f"- params: {folder / PARAMS_FILE}\n")


def renamed(params: Path, name: str) -> str:
    """The text of a params file with another name of the experiment; raises InputError."""
    read_experiment(params)
    text, count = re.subn(r"^experiment:.*$", f"experiment: {name}", params.read_text(encoding="utf-8"), flags=re.M)
    if count != 1:
        raise InputError(f"{params}: has no line `experiment: …` of its own: write the new params file by hand")
    return text
