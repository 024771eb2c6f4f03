"""A copy of this repository to run real Snakemake, DVC and git in, with stand-ins for the scripts."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from paths import REPOSITORY

SOURCE = REPOSITORY
COPIED = (
    "Snakefile",
    "dvc.yaml",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvcignore",
    ".gitignore",
    "profiles",
    "workflow",
    "src",
    "tests/golden/params.yaml",
)
STAND_IN = Path(__file__).with_name("workflow_stand_in.py")

PARAMS = {
    "experiment": "demo",
    "seeds": [0],
    "corpus": {"train_size": 60},
    "bases": {"tiny": {"epochs": 1}},
    "tokenize": {"max_length": None},
    "selection": {"validation": "train_holdout"},
    "linear": {"c": [1]},
    "teachers": {"tiny": {"base": "tiny", "seeds": [0]}},
    "students": {
        "rnn": {"tokenizer": "tiny", "distil": {"temperature": 2.0}},
        "gru": {"tokenizer": "tiny", "model": {"cell": "gru"}},
    },
    "evaluate": {"resamples": 100},
}

REAL = {
    "experiment": "real",
    "seeds": [0],
    "corpus": {"train_size": 60, "dev_size": 30, "unlabelled_size": 200},
    "bases": {"tiny": {"vocabulary": 300, "width": 16, "layers": 1, "heads": 2, "context": 256, "epochs": 1}},
    "tokenize": {"max_length": None},
    "selection": {"validation": "train_holdout"},
    "linear": {"c": [1]},
    "teachers": {"tiny": {"base": "tiny", "training": {"epochs": 1}}},
    "students": {"rnn": {"tokenizer": "tiny", "model": {"embedding": 8, "hidden": 8}, "training": {"epochs": 1}}},
    "evaluate": {"resamples": 100},
    "measure": {"sentences": 10},
}
"""As small as the real scripts take it."""


@dataclass(frozen=True)
class Done:
    """A process that has ended."""

    code: int
    output: str


@dataclass(frozen=True)
class Repository:
    """A folder with the workflow in it."""

    path: Path

    def run(self, *command: str, code: int | None = 0, **environment: str) -> Done:
        """Run a command in the folder; where `code` is given, it has to exit with it."""
        done = subprocess.run(
            command, cwd=self.path, env=self.environment() | environment, capture_output=True, text=True, check=False
        )
        output = done.stdout + done.stderr
        assert code is None or done.returncode == code, f"{' '.join(command)}: exit code {done.returncode}\n{output}"
        return Done(done.returncode, output)

    def environment(self) -> dict[str, str]:
        """This process's environment, without this machine's settings of git and DVC."""
        home = self.path.parent / "home"
        home.mkdir(exist_ok=True)
        identity = {"NAME": "Ada", "EMAIL": "ada@example.org"}
        return os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.path / "src"),
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "DVC_SITE_CACHE_DIR": str(home / "site"),
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in identity.items()},
        }

    def snakemake(self, *arguments: str, code: int | None = 0, **environment: str) -> Done:
        """Run Snakemake as a person does."""
        return self.run("snakemake", "--cores", "2", "--resources", "gpu=1", *arguments, code=code, **environment)

    def dvc(self, *arguments: str, code: int | None = 0) -> Done:
        """Run DVC."""
        return self.run("dvc", *arguments, code=code)

    def distilrnn(self, *arguments: str, code: int | None = 0) -> Done:
        """Run the package's own command."""
        return self.run("distilrnn", *arguments, code=code)

    def commit(self, message: str) -> None:
        """Commit everything to git."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def ran(self) -> set[str]:
        """What the stand-ins were run for since this was last asked: output folders, or names of scripts."""
        file = self.path / "ran.txt"
        lines = set(file.read_text().splitlines()) if file.is_file() else set()
        file.unlink(missing_ok=True)
        return {line.removeprefix("results/") for line in lines}

    def set_params(self, params: dict, file: str = "params.yaml") -> None:
        """Write a params file."""
        (self.path / file).parent.mkdir(parents=True, exist_ok=True)
        (self.path / file).write_text(yaml.safe_dump(params, sort_keys=False))

    def nothing_to_do(self, *arguments: str) -> bool:
        """Whether Snakemake finds everything up to date."""
        return "Nothing to be done" in self.snakemake("--dry-run", *arguments).output

    def planned(self) -> set[str]:
        """The rules that Snakemake would run."""
        jobs = re.findall(r"^(\w+) +\d+$", self.snakemake("--dry-run").output, re.MULTILINE)
        return set(jobs) - {"all", "total"}

    def agree(self) -> bool:
        """Whether Snakemake and DVC both find everything up to date."""
        return self.nothing_to_do() and "up to date" in self.dvc("status").output

    def copy(self, path: Path) -> "Repository":
        """The same folder once more, time stamps and all."""
        shutil.copytree(self.path, path, symlinks=True)
        return Repository(path)


def imports_of(script: str) -> str:
    """Code that is never run, and imports what a script imports: its code version then depends on the same modules."""
    lines = re.findall(r"^ *(from distilrnn\..*)$", script, re.MULTILINE)
    return "\n\ndef never_called():\n" + "".join(f"    {line}\n" for line in [*lines, "pass"])


def new_repository(path: Path, stand_in: bool = True) -> Repository:
    """The files of this repository in a folder of their own, under git."""
    for name in COPIED:
        source, target = SOURCE / name, path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, target)
    repository = Repository(path)
    if stand_in:
        for script in (path / "workflow" / "scripts").glob("*.py"):
            if script.name != "experiment.py":
                script.write_text(STAND_IN.read_text() + imports_of(script.read_text()))
    repository.set_params(PARAMS)
    repository.distilrnn("code")
    repository.run("git", "init", "--quiet")
    (path / ".git" / "info" / "exclude").write_text("ran.txt\n")
    repository.commit("The workflow")
    return repository
