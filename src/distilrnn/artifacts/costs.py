"""What each system costs: the contents of costs.json."""

from collections.abc import Mapping
from pathlib import Path

from distilrnn.artifacts.files import read_json, write_json
from distilrnn.artifacts.records import FileRecord
from distilrnn.errors import InputError


class Costs(FileRecord):
    """What a system costs to train, to keep and to ask."""

    seconds_training: float
    milliseconds_single: float
    """CPU time for one sentence."""
    sentences_per_second: float
    """In batches."""
    checkpoint_bytes: int
    parameters: int
    machine: dict[str, str | int]
    """That the times were measured on."""


def read_costs(path: Path) -> dict[str, Costs]:
    """The costs of each system, by its name; raises InputError."""
    values = read_json(path)
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds no costs: make it again")
    return {system: Costs.parse(costs, path) for system, costs in values.items()}


def write_costs(path: Path, costs: Mapping[str, Costs]) -> None:
    """Write the costs of each system; raises RunError."""
    write_json(path, {system: one.to_json() for system, one in costs.items()})
