"""Seconds, medians and spread, the machine's limit, memory of a process, and the files that figures go to."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from distilrnn.artifacts.files import read_json, write_json
from distilrnn.runtime.machine import PACKAGES, machine

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
COMPARED = ("peft", "accelerate")


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of some work."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, lowest and highest of the repeats, and all of them."""
    rounded = [float(f"{value:.5g}") for value in values]
    return {"median": statistics.median(rounded), "low": min(rounded), "high": max(rounded), "all": rounded}


def ratio(faster: Sequence[float], slower: Sequence[float]) -> dict[str, Any]:
    """How many times as fast: repeat by repeat, since what else the machine does falls on neighbours alike."""
    return spread([one / other for one, other in zip(faster, slower, strict=True)])


def interleaved(
    contestants: Mapping[str, Callable[[int], float]], repeats: int, warm_up: int | None = None
) -> dict[str, list[float]]:
    """Each contestant's figure for each repeat: all in turn, then all again; before that, `warm_up`, not counted."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    if warm_up is not None:
        for measure in contestants.values():
            measure(warm_up)
    for repeat in range(repeats):
        for name, measure in contestants.items():
            found[name].append(measure(repeat))
    return found


def multiply_rate(dtype: torch.dtype, device: str = "cpu", size: int | None = None) -> float:
    """The machine's limit: FLOP/s of the best of some large matrix products in this format."""
    size = size or (8192 if device == "cuda" else 2048)
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        started = time.perf_counter()
        one @ other
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


@dataclass(frozen=True)
class Ended:
    """A command that has ended well."""

    seconds: float
    cpu_seconds: float
    """Of all its threads: what another process on the machine changes little."""
    peak_mb: float
    """Most memory that it had resident, in 10^6 bytes; its own children not counted."""
    output: str


def run(
    command: Sequence[str | Path],
    threads: int | None = None,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command to its end, with `environment` added to this process's own.

    Raises:
        RuntimeError: it failed; the message holds what it said.
    """
    given = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1", **(environment or {})}
    if threads is not None:
        given["OMP_NUM_THREADS"] = str(threads)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "peak.json"
        words = [sys.executable, ROOT / "benchmarks" / "peak.py", file, *command]
        done = subprocess.run(
            [str(word) for word in words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env=given,
        )
        if done.returncode:
            said = done.stdout[-2000:]
            raise RuntimeError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{said}")
        return Ended(**read_json(file), output=done.stdout)


def provenance() -> dict[str, Any]:
    """Machine, versions and commit."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "src", "workflow"], capture_output=True, text=True).stdout
    return {
        "machine": machine(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in (*PACKAGES, *COMPARED)}},
        "commit": commit + ("+changes" if changed.strip() else ""),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def write_result(folder: Path, topic: str, threads: int, repeats: int, data: str, figures: Mapping[str, Any]) -> dict:
    """Write one topic's figures with what they were measured on, and return them."""
    result = {
        "topic": topic,
        **provenance(),
        "threads": threads,
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "repeats": repeats,
        "data": data,
        "figures": dict(figures),
    }
    write_json(folder / f"{topic}.json", result)
    return result
