"""What a Snakemake is doing."""

from pathlib import Path

import psutil


def jobs(process: psutil.Process) -> dict[str, psutil.Process]:
    """The scripts that a Snakemake runs at this moment, by the name of their rule."""
    found = {}
    for child in process.children(recursive=True):
        try:
            words = child.cmdline()
        except psutil.Error:
            continue
        if len(words) > 1 and words[1].startswith("workflow/scripts/"):
            found[Path(words[1]).stem] = child
    return found
