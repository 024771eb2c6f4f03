"""The command doctor: what a run finds on this machine and in this folder, and what to do about it."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from distilrnn.errors import InputError, RunError

if TYPE_CHECKING:
    from distilrnn.params.experiment import Experiment

PACKAGES = ("distilrnn", "torch", "transformers", "datasets", "tokenizers", "snakemake", "dvc")
HUB_SECONDS = 3.0
LITTLE_DISK, LITTLE_MEMORY = 5e9, 2e9  # bytes; the demo's results take less, a teacher of 125M parameters more

Check = Callable[[], "Iterator[Finding]"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "note", "stop"]
    """stop: a run would end with an error; note: worth knowing, a run goes on."""
    found: str
    advice: str = ""
    """What to do, where there is something to do."""


def doctor(
    params: Annotated[Path, typer.Option(help="The experiment's params file.")] = Path("params.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for a bug report.")] = False,
) -> None:
    """Check the environment and the inputs, and suggest fixes. Exits with 1 if a run would fail."""
    findings = [*(finding for check in CHECKS for finding in check()), *experiment(params)]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        _print_table(findings)
    if any(finding.state == "stop" for finding in findings):
        raise typer.Exit(1)


def _print_table(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "note": "yellow", "stop": "bold red"}
    table = Table("", "", "", show_header=False)
    for finding in findings:
        text = Text(finding.found)
        if finding.advice:
            text.append(f"\n-> {finding.advice}", style="bold")
        table.add_row(Text(finding.state, style=colours[finding.state]), Text(finding.name), text)
    Console(highlight=False).print(table)


def versions() -> Iterator[Finding]:
    """Python, the packages, and whether they are the pinned ones."""
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    pinned = _pinned(Path("requirements.txt"))
    for package in PACKAGES:
        try:
            found = version(package)
        except PackageNotFoundError:
            yield Finding(package, "stop", "not installed", "pip install -r requirements.txt -e .")
            continue
        wanted = pinned.get(package, found)
        if wanted in (found, found.partition("+")[0]):  # 2.13.0+cpu is a build of 2.13.0
            yield Finding(package, "ok", found)
        else:
            text = f"{found}; requirements.txt has {wanted}, with which the results here were made"
            yield Finding(package, "note", text, "pip install -r requirements.txt")


def _pinned(file: Path) -> dict[str, str]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return {}
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, flags=re.MULTILINE))


def programs() -> Iterator[Finding]:
    """What rules and stages start by name."""
    here = Path(sys.executable).parent
    wanted = {"python": "every rule", "snakemake": "the workflow", "dvc": "`dvc repro`", "git": "DVC and the report"}
    for name, use in wanted.items():
        path = shutil.which(name)
        stops = name in ("python", "snakemake")
        if path is None:
            advice = "install git" if name == "git" else f"activate the environment: export PATH={here}:$PATH"
            yield Finding(f"{name} on PATH", "stop" if stops else "note", f"not found; {use} needs it", advice)
        elif name != "git" and Path(path).parent != here:
            advice = f"activate the environment: export PATH={here}:$PATH"
            yield Finding(f"{name} on PATH", "note", f"{path} is of another environment than this command", advice)
        else:
            yield Finding(f"{name} on PATH", "ok", path)


def commit() -> Iterator[Finding]:
    """The code that runs."""
    found = _output("git", "rev-parse", "HEAD")
    if found is None:
        yield Finding("git commit", "note", "none: this folder is not in git", "dvc needs git; snakemake does not")
        return
    changed = (_output("git", "--no-optional-locks", "status", "--porcelain") or "").splitlines()
    yield Finding(
        "git commit", "ok", f"{found.strip()}, {len(changed)} files changed since" if changed else found.strip()
    )


def devices() -> Iterator[Finding]:
    """Where models compute, in which format, and who holds the GPUs."""
    import torch

    from distilrnn.runtime import gpu_leases
    from distilrnn.runtime.device import multiplies_bf16
    from distilrnn.runtime.machine import processor

    bf16 = "bf16" if multiplies_bf16("cpu") else "no native bf16: fp32"
    yield Finding("CPU", "ok", f"{processor()}, {os.cpu_count()} cores, {bf16}")
    yield _kernels()
    machine, usable = gpu_leases.machine_devices(), gpu_leases.usable_devices()
    limit = os.environ.get(gpu_leases.VISIBLE)
    if not torch.cuda.is_available():
        found = f"PyTorch {torch.__version__} sees none: everything runs on the CPU"
        if machine and limit is None:
            advice = "install a build of PyTorch with CUDA that fits the driver"
            yield Finding("GPU", "note", f"{found}, though there are {len(machine)}", advice)
        else:
            yield Finding("GPU", "ok", f"{found} ({gpu_leases.VISIBLE}={limit!r})" if limit is not None else found)
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        bf16 = "bf16" if multiplies_bf16("cuda") else "no native bf16: fp32"
        yield Finding("GPU", "ok", f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, {bf16}")
    if torch.cuda.is_available() and not usable:
        advice = f"put nvidia-smi on PATH, or name the GPUs in {gpu_leases.DEVICES}, so that no two jobs share one"
        yield Finding("GPU leases", "note", "PyTorch sees a GPU, but its UUID is not known", advice)
    for device in machine:
        try:
            process = gpu_leases.holder(device)
        except RunError as error:
            yield Finding("GPU leases", "stop", str(error))
            return
        state = "free" if process is None else f"held by process {process}"
        yield Finding("GPU leases", "ok", f"{device}: {state}{'' if device in usable else ', not for this process'}")


def _kernels() -> Finding:
    """Which of our own operations take the place of torch's."""
    from distilrnn.models.kernels import KERNELS, VARIABLE, switched_on

    setting = os.environ.get(VARIABLE, "")
    try:
        on = switched_on(setting)
    except InputError as error:
        return Finding("kernels", "stop", str(error))
    if on == KERNELS:
        return Finding("kernels", "ok", f"{', '.join(on)}; {VARIABLE}=plain turns them off")
    found = f"{VARIABLE}={setting}: {', '.join(on) or 'none'}"
    return Finding("kernels", "note", found, f"unset {VARIABLE} for full speed")


def room() -> Iterator[Finding]:
    """Memory and disk."""
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free"
    little = memory.available < LITTLE_MEMORY
    advice = "close other programs, or start Snakemake with --resources mem_mb=…" if little else ""
    yield Finding("memory", "note" if little else "ok", found, advice)
    disk = shutil.disk_usage(".")
    found = f"{disk.free / 1e9:.1f} of {disk.total / 1e9:.1f} GB free in this folder"
    little = disk.free < LITTLE_DISK
    yield Finding("disk", "note" if little else "ok", found, "make room" if little else "")
    if not os.access(".", os.W_OK):
        yield Finding("disk", "stop", "this folder is read-only", "copy the repository to a folder of your own")


def hub() -> Iterator[Finding]:
    """Whether models and data sets can be downloaded."""
    yield Finding("hub", *_hub())


@cache
def _hub() -> tuple[Literal["ok", "note"], str, str]:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "note", "not asked: HF_HUB_OFFLINE is set", "unset it to download a model"
    if _answers(constants.ENDPOINT):
        return "ok", f"{constants.ENDPOINT} answers", ""
    advice = "the embedded demo needs no hub; for other bases name a local folder or GGUF file"
    return "note", f"{constants.ENDPOINT} does not answer within {HUB_SECONDS:.0f} s", advice


def _answers(url: str) -> bool:
    """Whether a server answers, whatever it says; a name server that hangs is not waited for."""
    heard = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=HUB_SECONDS).close()
            heard.set()
        except urllib.error.HTTPError:
            heard.set()
        except (OSError, ValueError):
            pass
        finally:
            ended.set()

    ended = threading.Event()
    threading.Thread(target=ask, daemon=True).start()
    ended.wait(HUB_SECONDS)
    return heard.is_set()


def dvc_remotes() -> Iterator[Finding]:
    """Where `dvc push` and `dvc pull` go."""
    listed = _output(sys.executable, "-m", "dvc", "remote", "list")
    if listed is None:
        yield Finding(
            "DVC remote", "note", "DVC does not work here: this folder is not its repository, or it is damaged"
        )
    elif listed.strip():
        yield Finding("DVC remote", "ok", ", ".join(" ".join(line.split()) for line in listed.splitlines()))
    else:
        advice = "to share results: dvc remote add -d storage <folder or address> (docs/dvc.md)"
        yield Finding("DVC remote", "note", "none: what DVC keeps is on this machine alone", advice)


def locks() -> Iterator[Finding]:
    """Whether Snakemake may start in this folder."""
    from distilrnn.orchestration.locks import lock_note, running

    if at_work := running():
        text = at_work.removeprefix("note: ")
        yield Finding("lock", "note", text, "let it end before you start another in this folder")
    elif note := lock_note():
        yield Finding("lock", "stop", note.removeprefix("note: "))
    else:
        yield Finding("lock", "ok", "no other run in this folder")


def resumable() -> Iterator[Finding]:
    """Training that was stopped and goes on."""
    from distilrnn.artifacts.tensors import read_header
    from distilrnn.training.resume import FOLDER, StateHeader

    states = sorted(FOLDER.glob("*.safetensors"))
    if not states:
        yield Finding(str(FOLDER), "ok", "no stopped training")
    for path in states:
        try:
            header = StateHeader.parse(read_header(path, "state"), path)
        except InputError as error:
            yield Finding(str(FOLDER), "note", str(error), "nothing: it will be made again")
            continue
        yield Finding(
            str(FOLDER),
            "note",
            f"{path.stem.rpartition('-')[0]}: {header.step} steps are done",
            f"goes on when it is run again with the same parameters and code; otherwise remove {path}",
        )


def experiment(params: Path) -> Iterator[Finding]:
    """The params file, and whether what it names is there."""
    from distilrnn.params.experiment import read_experiment

    try:
        read = read_experiment(params)
    except InputError as error:
        yield Finding("params", "stop", str(error), "" if params.is_file() else "go to the repository's root")
        return
    yield Finding("params", "ok", f"{params}: experiment {read.experiment}")
    for key, place in _paths(read):
        yield _there(key, place)
    for name, base in read.bases.items():
        if base.model != "pretrain":
            yield _base(f"bases.{name}.model", base.model, base.revision)


def _paths(experiment: "Experiment") -> Iterator[tuple[str, str]]:
    """The parameters that name a file or folder, without those of bases."""
    corpus = experiment.corpus
    if corpus.path and (corpus.source == "path" or corpus.revision is None):
        yield "corpus.path", corpus.path
    if corpus.source == "files":
        yield from ((f"corpus.{split}", place) for split, place in corpus.places.items())
    for name, tokenizer in experiment.tokenize.tokenizers.items():
        if isinstance(tokenizer, str):
            yield f"tokenize.tokenizers.{name}", tokenizer


def _there(key: str, place: str) -> Finding:
    if Path(place).exists():
        return Finding("input", "ok", f"{key}: {place}")
    return Finding("input", "stop", f"{key}: {place}: no such file or folder", f"bring it there, or check {key}")


def _base(key: str, model: str, revision: str | None) -> Finding:
    """A base to import: a path, or a hub id with a commit."""
    if revision is None or Path(model).exists():
        return _there(key, model)
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(model, "config.json", revision=revision), str):
        return Finding("input", "ok", f"{key}: {model}, in the hub's cache")
    if _hub()[0] == "ok":
        return Finding("input", "ok", f"{key}: {model}, from the hub")
    advice = f"download it where the hub can be reached, and set {key} to the folder"
    return Finding("input", "stop", f"{key}: {model} is not in the hub's cache, and the hub is out of reach", advice)


CHECKS: tuple[Check, ...] = (versions, programs, commit, devices, room, hub, dvc_remotes, locks, resumable)


def _output(*command: str) -> str | None:
    """What a program prints; None where it fails or is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
