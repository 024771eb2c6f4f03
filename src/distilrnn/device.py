"""Where and how a model computes: device, number format, threads."""

import os
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Device:
    """What a job computes with."""

    name: str
    """cpu or cuda."""
    precision: str
    """fp32 or bf16."""
    threads: int

    def autocast(self) -> torch.autocast:
        """The context in which forward and loss run."""
        return torch.autocast(self.name, dtype=torch.bfloat16, enabled=self.precision == "bf16")


def multiplies_bf16(name: str) -> bool:
    """Whether the hardware multiplies bf16 natively, so that it is faster than fp32."""
    if name == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def prepare(precision: str, threads: int | None = None) -> Device:
    """Choose the device, and set this process's threads and deterministic algorithms."""
    name = "cuda" if torch.cuda.is_available() else "cpu"
    if threads is not None:
        torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = (
        False  # guards against reading unset memory, at 12 % of the time
    )
    if precision == "auto":
        precision = "bf16" if multiplies_bf16(name) else "fp32"
    return Device(name, precision, torch.get_num_threads())
