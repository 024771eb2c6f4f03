"""Lists in a params file: every combination of them is a variant, trained and ranked beside the others."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, get_origin

from distilrnn.params.common import Section
from distilrnn.params.variant import Variant

LARGEST_GRID = 1000
"""Variants of one entry: more are a slip of the pen."""
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+")

OUTSIDE_SECTIONS = frozenset({"transfer"})
"""Parameters of the entries themselves that may be lists of values: a student's sources, a list of lists."""

Path = tuple[str, ...]


def expand(entries: Mapping[str, Any], section: type[Section], where: str) -> dict[str, Any]:
    """The entries of `where` (teachers or students), by name, with one value each where a list was given.

    `rnn` with two temperatures becomes `rnn/temperature=1` and `rnn/temperature=2`; an entry without lists stays as it
    is. What is malformed stays too, for validation to refuse.

    Raises:
        ValueError: a list is empty or repeats a value, or the grid is too large.
    """
    expanded: dict[str, Any] = {}
    for name, values in entries.items():
        if not isinstance(values, Mapping):
            expanded[name] = values
            continue
        axes = dict(_axes(values, section))
        for path, choices in axes.items():
            texts = [_text(choice) for choice in choices]
            if not texts or len(set(texts)) < len(texts) or any(choices.count(choice) > 1 for choice in choices):
                raise ValueError(f"{where}.{name}.{'.'.join(path)} is {choices!r}: give one or more values, each once")
        size = 1
        for choices in axes.values():
            size *= len(choices)
        if size > LARGEST_GRID:
            raise ValueError(f"{where}.{name} has lists that make {size} variants: make it {LARGEST_GRID} or fewer")
        for combination in product(*axes.values()):
            chosen = dict(zip(axes, combination, strict=True))
            settings = tuple((path[-1], _text(value)) for path, value in chosen.items())
            expanded[str(Variant(name, settings)) if settings else name] = _with(values, chosen)
    return expanded


def with_budgets(entries: Mapping[str, Any], budgets: Sequence[int]) -> dict[str, Any]:
    """The entries, and each of them once more for each number of labelled sentences: 'rnn/labels=100'."""
    variants = {name: Variant.parse(name) for name in entries if isinstance(name, str)} if budgets else {}
    whole = {name: variant for name, variant in variants.items() if variant.labels is None}
    fewer = {str(v.with_labels(number)): entries[name] for number in budgets for name, v in whole.items()}
    return {**entries, **fewer}


def _axes(values: Mapping[str, Any], section: type[Section], path: Path = ()) -> Iterator[tuple[Path, list[Any]]]:
    """Every parameter of sections inside `section` that is given as a list of values, in the order of the params."""
    for name, field in section.model_fields.items():
        if name not in values:
            continue
        value, kind = values[name], field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            if isinstance(value, Mapping):
                yield from _axes(value, kind, (*path, name))
        elif isinstance(value, list | tuple):
            is_one_value = get_origin(kind) is tuple and not any(isinstance(item, list | tuple) for item in value)
            if (path or name in OUTSIDE_SECTIONS) and not is_one_value:
                yield (*path, name), list(value)


def _with(values: Mapping[str, Any], chosen: Mapping[Path, Any]) -> dict[str, Any]:
    """The values with each chosen one in its list's place."""
    changed: dict[str, Any] = {}
    for name, value in values.items():
        below = {path[1:]: choice for path, choice in chosen.items() if path[0] == name}
        if () in below:
            changed[name] = below[()]
        else:
            changed[name] = _with(value, below) if below else value
    return changed


def _text(value: object) -> str:
    """A value as a part of a file's name."""
    if isinstance(value, list | tuple):
        return "+".join(map(_text, value)) or "none"
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(c if c in PLAIN else "_" for c in text)


def allow_lists(schema: dict[str, Any], *sections: type[Section]) -> dict[str, Any]:
    """A JSON schema in which every parameter of these sections may also be a list of its values."""
    for section in sections:
        properties = schema["$defs"][section.__name__]["properties"]
        for name, one in properties.items():
            properties[name] = allow_list(one)
    return schema


def allow_list(one: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a value that may also be a list of such values."""
    beside = ("default", "description", "title")
    about = {key: one[key] for key in one if key in beside}
    value = {key: one[key] for key in one if key not in beside}
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}], **about}
