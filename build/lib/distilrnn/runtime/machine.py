"""The hardware and package versions that a figure was measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("torch", "transformers", "datasets", "tokenizers", "numpy", "scikit-learn", "scipy", "snakemake", "dvc")


def machine() -> dict[str, str | int]:
    """Processor, cores and operating system."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    """The processor's name, as the operating system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions() -> dict[str, str]:
    """Python and the packages whose versions can change a figure."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
