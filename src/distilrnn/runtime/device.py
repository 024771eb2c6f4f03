"""Where and how a model computes: device, number format, threads."""

import ctypes
import gc
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")

GPT2_WIDTH = 768
TOKENS_PER_CORE = {"fp32": 256, "bf16": 512}
"""Tokens of GPT-2's width that a core reads at once: more gain little, and memory grows with them."""
FEW_CORES = 4
"""With more cores than that, larger parts would leave some of them without any."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""


@dataclass(frozen=True)
class Device:
    """What a job computes with."""

    name: str
    """cpu or cuda."""
    precision: str
    """fp32 or bf16."""
    threads: int
    gpu: str | None = field(default=None, repr=False)
    """Name and UUID of the GPU. Not shown: training goes on from its state on another one, too."""

    def max_tokens(self, width: int) -> int | None:
        """Tokens that a transformer of this width reads at once: on a CPU so few that their states stay in caches.

        It depends on the machine, not on how many of its cores are used: parts are sums, and rounded as such.
        """
        if self.name != "cpu":
            return None
        few = (os.cpu_count() or 1) <= FEW_CORES
        return max(1, TOKENS_PER_CORE[self.precision if few else "fp32"] * GPT2_WIDTH // width)

    def autocast(self) -> torch.autocast:
        """The context in which forward and loss run."""
        # No cache of cast weights: threads would share it, and each weight is cast once a batch anyway.
        return torch.autocast(self.name, torch.bfloat16, enabled=self.precision == "bf16", cache_enabled=False)

    def side_by_side(self, work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> Iterator[Result]:
        """The results of `work` on each piece, in their order.

        On a CPU each piece has one core, and as many are worked on as there are threads: less is lost to waiting than
        with all cores at one piece, and no result depends on how many there are. `work` must not share what it changes.
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
    """Here, torch computes with one core on a CPU: for sums so small that waking another takes longer."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def gc_frozen() -> Iterator[None]:
    """Here, Python's garbage collector leaves alone what is there already.

    It would go through everything that is loaded, again and again: a twentieth of a training's time.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def multiplies_bf16(name: str) -> bool:
    """Whether the hardware multiplies bf16 natively, so that it is faster than fp32."""
    if name == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def prepare(precision: str, threads: int | None = None) -> Device:
    """Choose the device, of several GPUs the first; set this process's threads, allocator, deterministic algorithms."""
    name = "cuda" if torch.cuda.is_available() else "cpu"
    if threads is not None:
        torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # oneDNN keeps the code that it generates for each new size of a product, by default of 1,024: gigabytes, in time.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    torch.set_deterministic_debug_mode("warn")  # what use_deterministic_algorithms does, without importing a compiler
    torch.utils.deterministic.fill_uninitialized_memory = (
        False  # guards against reading unset memory, at 12 % of the time
    )
    tune_malloc()
    if precision == "auto":
        precision = "bf16" if multiplies_bf16(name) else "fp32"
    return Device(name, precision, torch.get_num_threads(), _gpu() if name == "cuda" else None)


def tune_malloc() -> None:
    """Have glibc's allocator keep what is freed for what comes next; other allocators are left as they are.

    It gives large blocks back to the system, and whole arenas of threads: the next batch then pays a page fault every
    4 KB.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(M_ARENA_MAX, 1)
        set_option(M_MMAP_THRESHOLD, 32 * 1024 * 1024)  # the most that it takes
        set_option(M_TRIM_THRESHOLD, 2**31 - 1)


def _gpu() -> str:
    properties = torch.cuda.get_device_properties(0)
    return f"{properties.name} (GPU-{properties.uuid})"
