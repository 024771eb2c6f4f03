"""Where and how a model computes: device, precision, threads."""

import ctypes
import gc
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")

GPT2_WIDTH = 768
TOKENS_PER_CORE = {"fp32": 256, "bf16": 512}
"""Tokens of a micro-batch at GPT-2's hidden size: larger ones gain little and need more memory."""
TOKENS_ON_GPU = 16_384
"""The same on a GPU: a batch of sentences is not split, and a batch of long texts does not need all of the memory."""
FEW_CORES = 4
"""With more cores than that, larger micro-batches would leave some cores idle."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Option numbers from glibc's malloc.h."""


@dataclass(frozen=True)
class Device:
    """What a job computes with."""

    name: str
    """cpu or cuda."""
    precision: str
    """fp32 or bf16."""
    threads: int
    gpu: str | None = field(default=None, repr=False)
    """Name and UUID of the GPU. Not part of the repr: training may resume on another GPU."""

    def record(self) -> dict[str, Any]:
        """For run.json."""
        return {"precision": self.precision, "device": self.name, "gpu": self.gpu, "threads": self.threads}

    def max_tokens(self, width: int) -> int:
        """Maximum tokens of a micro-batch for a transformer of this hidden size.

        On a CPU so few that activations stay in the caches. It depends on the machine, not on the cores in use, since
        gradients are summed micro-batch by micro-batch and rounded as such.
        """
        if self.name != "cpu":
            return max(1, TOKENS_ON_GPU * GPT2_WIDTH // width)
        few = (os.cpu_count() or 1) <= FEW_CORES
        return max(1, TOKENS_PER_CORE[self.precision if few else "fp32"] * GPT2_WIDTH // width)

    def autocast(self) -> torch.autocast:
        """The context in which forward and loss run."""
        # No cache of cast weights: threads would share it, and each weight is cast once a batch anyway.
        return torch.autocast(self.name, torch.bfloat16, enabled=self.precision == "bf16", cache_enabled=False)

    def side_by_side(self, work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> Iterator[Result]:
        """The results of `work` on each piece, in their order.

        On a CPU each piece gets one core, and as many run at once as there are threads: this
        wastes less time on synchronisation than all cores on one piece, and results do not depend on the number of
        threads. `work` must not change shared state.
        """
        if self.name != "cpu" or self.threads == 1:
            yield from map(work, pieces)
            return
        waiting: deque[Future[Result]] = deque()
        with ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,)) as threads:
            try:
                for piece in pieces:
                    if len(waiting) > self.threads:
                        yield waiting.popleft().result()
                    waiting.append(threads.submit(work, piece))
                while waiting:
                    yield waiting.popleft().result()
            finally:
                threads.shutdown(cancel_futures=True)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Run torch on one CPU thread: for operations too small to be worth a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def gc_frozen() -> Iterator[None]:
    """Exclude the objects that exist already from garbage collection.

    Traversing them again and again costs a twentieth of the training time.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def multiplies_bf16(name: str) -> bool:
    """Whether the hardware multiplies bf16 natively, which makes it faster than fp32."""
    if name == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def select_device(precision: str) -> Device:
    """The device to compute with, of several GPUs the first. Changes nothing of the process."""
    name = "cuda" if torch.cuda.is_available() else "cpu"
    if precision == "auto":
        precision = "bf16" if multiplies_bf16(name) else "fp32"
    return Device(name, precision, torch.get_num_threads(), _gpu() if name == "cuda" else None)


def configure_process(threads: int | None = None) -> None:
    """Set this process's threads, allocator and deterministic algorithms: for rules and commands, not for a library."""
    if threads is not None:
        torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # oneDNN keeps the code that it generates for each new size of a product, by default of 1,024: gigabytes, in time.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    torch.set_deterministic_debug_mode("warn")  # what use_deterministic_algorithms does, without importing a compiler
    setattr(  # noqa: B010 - a module's property: a guard against reading unset memory that takes 12 % of the time
        torch.utils.deterministic, "fill_uninitialized_memory", False
    )
    tune_malloc()


def tune_malloc() -> None:
    """Have glibc's allocator keep freed memory for the next allocation; other allocators are left as they are.

    By default it returns large blocks and thread arenas to the system, and the next batch pays a page fault per 4 KB.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(M_ARENA_MAX, 1)
        set_option(M_MMAP_THRESHOLD, 32 * 1024 * 1024)  # the most that it takes
        set_option(M_TRIM_THRESHOLD, 2**31 - 1)


def _gpu() -> str:
    properties = torch.cuda.get_device_properties(0)
    return f"{properties.name} (GPU-{properties.uuid})"
