"""What made the results."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provenance:
    """What made the results; no date, so that the same work gives the same page."""

    commit: str | None
    """None outside a git repository."""
    changed: bool
    """Whether files of the repository differ from the commit, those under results/ apart."""
    versions: dict[str, str]
    """Of Python and packages, by name."""
    machine: dict[str, str | int]
    code: dict[str, str]
    """The code version of each rule."""
