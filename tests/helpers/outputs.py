"""What an experiment has made, to be compared byte by byte."""

from pathlib import Path

from distilrnn.orchestration.golden import comparable


def outputs(root: Path) -> dict[str, bytes]:
    """Every file by its path; of run.json and metrics/<system>.json all but the seconds of a training."""
    return comparable(root)


def assert_same(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """The same files with the same bytes."""
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
