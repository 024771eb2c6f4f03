"""What an experiment has made, to be compared byte by byte."""

import json
from pathlib import Path

SECONDS = {"seconds", "sentences_per_second"}
HAVE_SECONDS = {f"table.{kind}" for kind in ("json", "md")} | {f"quality-cost.{kind}" for kind in ("png", "svg")}
HAVE_SECONDS |= {"costs.json", "report.html", "model-card.md"}
"""Measured costs, and what shows them."""


def outputs(root: Path) -> dict[str, bytes]:
    """Every file by its path; of run.json and metrics/<system>.json all but the seconds of a training."""
    files = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.name not in HAVE_SECONDS):
        files[str(path.relative_to(root))] = path.read_bytes()
        if path.name == "run.json" or path.parent.name == "metrics":
            files[str(path.relative_to(root))] = json.dumps(without_seconds(json.loads(path.read_text()))).encode()
    return files


def without_seconds(value):
    """A value of JSON, in the same order."""
    if isinstance(value, dict):
        return {key: without_seconds(inner) for key, inner in value.items() if key not in SECONDS}
    return [without_seconds(inner) for inner in value] if isinstance(value, list) else value


def assert_same(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """The same files with the same bytes."""
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
