"""Who holds Snakemake's lock on this folder: its own message does not say."""

from pathlib import Path

LOCKS = Path(".snakemake/locks")


def lock_note() -> str:
    """A sentence about another run in this folder, or about the lock of one that was killed; empty without either."""
    if not any(LOCKS.glob("*")):
        return ""
    return running() or (
        "note: a run that was killed left its lock in this folder: `snakemake --unlock` removes it, "
        "and the same command as before then goes on"
    )


def running() -> str:
    """A sentence about another run in this folder; empty where there is none."""
    import psutil

    here = Path.cwd()
    own = psutil.Process()
    related = {own.pid, *(parent.pid for parent in own.parents())}
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if process.pid in related or Path(process.cwd()) != here or not _is_snakemake(words):
                continue
        except (psutil.Error, OSError):  # it has ended, or is another user's
            continue
        return f"note: another run is at work in this folder: process {process.pid}, `{' '.join(words[1:])}`"
    return ""


def _is_snakemake(words: list[str]) -> bool:
    """Whether a command line is `[python] [-m] snakemake …`."""
    return any(Path(word).name == "snakemake" for word in words[:3])
