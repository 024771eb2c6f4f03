"""What Snakemake remembers of this folder."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from pathlib import Path

METADATA = Path(".snakemake/metadata")


def unrecorded(files: Iterable[str]) -> list[str]:
    """Those of some output files that Snakemake does not remember making, or being told that they are up to date.

    Of such a file it does not know by which parameters and code it was made, and takes it for up to date if it is newer
    than its inputs.
    """
    return [file for file in files if not _record(file).is_file()]


def _record(file: str) -> Path:
    """Where Snakemake 9 keeps its record of an output (snakemake.persistence.file)."""
    name = urlsafe_b64encode(file.encode()).decode()
    if len(name) <= 254:
        return METADATA / name
    parts = [name[start : start + 254] for start in range(0, len(name), 254)]
    return METADATA.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])
