"""One GPU per job: devices are leased by file locks, which the kernel releases when a process ends.

Snakemake counts devices (`--resources gpu=4`) but does not say which of them a job may use. All jobs of a user on a
machine, from any repository, lock the same files, one per device and named by its UUID, so that runs which see
different devices, or number them differently, agree on which are taken.
"""

import fcntl
import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distilrnn.artifacts.files import writing
from distilrnn.errors import InputError, RunError

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Read by CUDA when it starts; a lease has to set it before."""

DEVICES = "DISTILRNN_DEVICES"
"""Device names, comma-separated, for a machine without nvidia-smi."""

FOLDER = "DISTILRNN_LEASES"
"""Another folder for the locks. The default does not follow TMPDIR, which can differ between two runs."""

POLL_SECONDS = (0.1, 0.5)
"""Chosen at random between these, so that two jobs that both need several devices do not stay in step."""


@contextmanager
def leased(count: int) -> Iterator[list[str]]:
    """Hold `count` devices that no other job of this user holds, and make only these visible to CUDA.

    Waits while they are taken. Takes all of them at once or none, so that two jobs cannot deadlock. If this process
    may use no device, nothing is leased and the visible devices stay as they are; a `count` of 0 hides every device.
    Enter it before CUDA starts.

    Raises:
        InputError: `count` is more than the devices that this process may use.
        RunError: the folder of the locks cannot be used.
    """
    devices = usable_devices()
    if count == 0:
        with _visible([]):
            yield []
    elif not devices:
        yield []
    elif count > len(devices):
        raise InputError(
            f"{count} GPUs are asked for, but this job may use {len(devices)} ({', '.join(devices)}): "
            f"ask for fewer with --gpus or Snakemake's --set-resources, or widen {VISIBLE}"
        )
    else:
        with ExitStack() as locks:
            mine = _take(count, devices, locks)
            print(f"GPU: {', '.join(mine)}", flush=True)
            with _visible(mine):
                yield mine


def usable_devices() -> list[str]:
    """The UUIDs of the devices that this process may use: those of the machine, in the limits set from outside."""
    return _within(machine_devices(), os.environ.get(VISIBLE))


def machine_devices() -> list[str]:
    """The UUIDs of this machine's NVIDIA GPUs, in the order of nvidia-smi, or of their MIG instances where cut up."""
    if DEVICES in os.environ:
        return [name.strip() for name in os.environ[DEVICES].split(",") if name.strip()]
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return _parse_listing(done.stdout)


def holder(device: str) -> int | None:
    """The id of the process that holds a device; None where it is free. Raises RunError."""
    path = lock_file(device)
    if not path.exists():
        return None
    descriptor = _lock(path)
    if descriptor is None:
        return _written_id(path)
    os.close(descriptor)
    return None


def lock_file(device: str) -> Path:
    """The file that the holder of a device locks. It stays: removing one could leave two processes with two files."""
    folder = os.environ.get(FOLDER) or f"/tmp/distilrnn-gpus-{os.getuid()}"
    return Path(folder) / f"{re.sub(r'[^A-Za-z0-9.-]', '_', device)}.lock"


def _parse_listing(text: str) -> list[str]:
    """The UUIDs in what `nvidia-smi -L` prints. MIG instances stand below their GPU, which is then no device itself."""
    devices: list[str] = []
    for uuid in re.findall(r"\(UUID: ((?:GPU|MIG)-[^)\s]+)\)", text):
        if uuid.startswith("MIG-") and devices and devices[-1].startswith("GPU-"):
            devices.pop()
        devices.append(uuid)
    return devices


def _within(devices: list[str], visible: str | None) -> list[str]:
    """The devices that a value of CUDA_VISIBLE_DEVICES names, by number, UUID or a UUID's beginning.

    As for CUDA, what follows a word that names none does not count.
    """
    if visible is None:
        return devices
    chosen: list[str] = []
    for word in visible.split(","):
        named = _named(word.strip(), devices)
        if named is None or named in chosen:
            break
        chosen.append(named)
    return chosen


def _named(word: str, devices: list[str]) -> str | None:
    if word.isdecimal():
        return devices[int(word)] if int(word) < len(devices) else None
    matching = [device for device in devices if word and device.startswith(word)]
    return matching[0] if len(matching) == 1 else None


@contextmanager
def _visible(devices: list[str]) -> Iterator[None]:
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = ",".join(devices)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before


def _take(count: int, devices: list[str], locks: ExitStack) -> list[str]:
    """Lock the first `count` free devices, as soon as that many are free."""
    _make_folder()
    told = False
    while not (taken := _try(count, devices)):
        if not told:
            needed = "a GPU" if count == 1 else f"{count} GPUs"
            print(f"waiting for {needed} of {len(devices)}: `distilrnn doctor` tells who holds them", flush=True)
            told = True
        time.sleep(random.uniform(*POLL_SECONDS))
    for descriptor in taken.values():
        locks.callback(os.close, descriptor)
    return list(taken)


def _make_folder() -> None:
    folder = lock_file("").parent
    with writing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if FOLDER not in os.environ and (folder.is_symlink() or folder.stat().st_uid != os.getuid()):
            raise RunError(f"{folder}: belongs to another user: set {FOLDER} to a folder of your own")


def _try(count: int, devices: list[str]) -> dict[str, int]:
    """Lock `count` devices, or none: the descriptor of each one's file."""
    taken: dict[str, int] = {}
    for device in devices:
        if len(taken) < count and (descriptor := _lock(lock_file(device))) is not None:
            taken[device] = descriptor
    for descriptor in taken.values():
        if len(taken) == count:
            os.pwrite(descriptor, f"{os.getpid():<20}".encode(), 0)
        else:
            os.close(descriptor)
    return taken if len(taken) == count else {}


def _lock(path: Path) -> int | None:
    """A descriptor with the lock on a file; None where another process has it."""
    with writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
    if os.fstat(descriptor).st_nlink:
        return descriptor
    os.close(descriptor)  # someone has cleaned the folder meanwhile: this file is not the one that others lock
    return None


def _written_id(path: Path) -> int | None:
    """The process that last took a device, as it wrote into the locked file."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
