"""A corpus from one's own tables: what their cells mean, which classes there are, and what is split off train."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.data.corpus import LONGEST_SOURCE, Example, is_visible
from distilrnn.data.holdout import stratified_parts
from distilrnn.data.tables import Table, listed, open_dataset, open_file
from distilrnn.errors import InputError
from distilrnn.params.corpus import CorpusParams, check_classes
from distilrnn.params.splits import TRAIN

LONGEST_TEXT = 131_072
"""Characters: as many as the csv module takes in a cell; in UTF-8 they fit a line of the corpus's own files."""
MOST_CLASSES = 1000
BREAK = re.compile(r"\s*[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]\s*")
"""What would end a line or a column of the corpus's own files, with the spaces around it."""
NO_TEXT = re.compile("[\0\ud800-\udfff]")
WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")


@dataclass
class OwnData:
    """What one's own tables hold."""

    splits: dict[str, list[Example]]
    classes: list[str]
    notes: list[str]
    """What was changed, in words."""


def read_own_data(params: CorpusParams) -> OwnData:
    """Every split of one's own data, in the order of `params.splits`.

    Labels are names of classes, or their numbers from 0 where no name of a class is itself a number. Classes are those
    of the params; else those that a dataset's label column names; else the labels of train, numbers by their size,
    names by their characters.

    Raises:
        InputError: a table or a cell is not of this form; says where.
    """
    tables = open_tables(params)
    classes = list(params.classes) or tables[TRAIN].class_names or classes_of(tables[TRAIN], params.label_column)
    index = class_index(classes, tables[TRAIN].where)
    splits, notes = {}, []
    for split, table in tables.items():
        reader = _Reader(params, index, classes)
        splits[split] = list(reader.examples(table))
        if not splits[split]:
            raise InputError(f"{table.where}: is empty: give it a row for each text")
        if reader.changed:
            notes.append(f"{table.where}: {reader.changed} texts held tabs or line ends, which are now spaces")
    if params.fractions:
        splits |= split_off(splits.pop(TRAIN), params.fractions, params.seed)
    return OwnData({split: splits[split] for split in params.splits}, classes, notes)


def open_tables(params: CorpusParams) -> dict[str, Table]:
    """The tables that the params name, by split; raises InputError."""
    columns = [column for column in (params.text_column, params.label_column, params.source_column) if column]
    if params.source == "files":
        return {split: open_file(Path(place), columns) for split, place in params.places.items()}
    places = list(params.places.values())
    tables = open_dataset(str(params.path), params.revision, params.subset, places, columns)
    return dict(zip(params.places, tables, strict=True))


def classes_of(table: Table, column: str) -> list[str]:
    """The labels that occur, sorted; raises InputError where they are of two kinds, fewer than 2 or too many."""
    labels: dict[str, None] = {}
    kinds: set[bool] = set()
    for number, cells in table.rows():
        labels.setdefault(label_text(cells[1], table.place(number)))
        kinds.add(isinstance(cells[1], str))
        if len(kinds) > 1:
            raise InputError(
                f"{table.place(number)}: the label is {_kind(cells[1])}, and others are not: write all labels in one "
                "way, or set corpus.classes"
            )
        if len(labels) > MOST_CLASSES:
            raise InputError(
                f"{table.where}: column {column} has more than {MOST_CLASSES} different labels: set "
                "corpus.label_column to the column of the classes"
            )
    if len(labels) < 2:
        found = f"only the label {next(iter(labels))!r:.60}" if labels else "no row"
        raise InputError(f"{table.where}: has {found}: give it texts of two classes or more")
    if all(map(WHOLE_NUMBER.fullmatch, labels)):
        return sorted(labels, key=int)
    return sorted(labels)


def class_index(classes: Sequence[str], where: str) -> dict[str, int]:
    """The number of each way to write a label; raises InputError for names that are no use."""
    try:
        check_classes(classes)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    index = {name: number for number, name in enumerate(classes)}
    if not any(map(WHOLE_NUMBER.fullmatch, classes)):
        index |= {str(number): number for number in range(len(classes))}
    return index


def label_text(value: Any, place: str) -> str:  # noqa: ANN401 - a cell is what it is
    """A label as text: a name, or a whole number; raises InputError."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return str(value)
    if value is None or (isinstance(value, str) and not value.strip()) or value != value:
        raise InputError(f"{place}: has no label: write it or remove the row")
    if not isinstance(value, str):
        raise InputError(
            f"{place}: the label is {_kind(value)}, neither a name nor a whole number: name another column in "
            "corpus.label_column"
        )
    return value.strip()


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", bytes: "bytes", float: "a fraction", int: "a number", str: "text"}.get(
        type(value), f"a {type(value).__name__}"
    )


@dataclass
class _Reader:
    params: CorpusParams
    index: Mapping[str, int]
    classes: Sequence[str]
    changed: int = 0
    """Texts in which something was replaced."""
    known_sources: dict[str, str] = field(default_factory=dict)
    """One string for each source, however many rows have it."""

    def examples(self, table: Table) -> Iterator[Example]:
        """The examples of a table, one at a time."""
        for number, cells in table.rows():
            place = table.place(number)
            source = self._source(cells[2], place) if len(cells) > 2 else ""
            yield Example(source, self._label(cells[1], place), "", self._text(cells[0], place))

    def _label(self, value: object, place: str) -> int:
        label = label_text(value, place)
        if label not in self.index:
            raise InputError(
                f"{place}: the label is {label[:40]!r}, which is no class: choose one of {listed(self.classes)}, or "
                "mend corpus.classes"
            )
        return self.index[label]

    def _text(self, value: object, place: str) -> str:
        if value is None:
            raise InputError(f"{place}: has no text (null): write it or remove the row")
        if not isinstance(value, str):
            raise InputError(
                f"{place}: the text is {_kind(value)}, not a string: quote it, or name another column in "
                "corpus.text_column"
            )
        if len(value) > LONGEST_TEXT:
            raise InputError(f"{place}: the text has more than {LONGEST_TEXT} characters: shorten it")
        if NO_TEXT.search(value):
            raise InputError(f"{place}: the text holds a NUL or half a surrogate pair: mend it or remove the row")
        text = BREAK.sub(" ", value).strip()
        if not any(map(is_visible, text)):
            raise InputError(f"{place}: the text is empty or invisible: write it or remove the row")
        self.changed += BREAK.search(value.strip()) is not None
        return text

    def _source(self, value: object, place: str) -> str:
        source = "" if value is None else " ".join(str(value).split())
        if len(source) > LONGEST_SOURCE or not source.isprintable():
            raise InputError(
                f"{place}: the source has an unprintable character, or more than {LONGEST_SOURCE}: name another "
                "column in corpus.source_column"
            )
        return self.known_sources.setdefault(source, source)


def split_off(examples: list[Example], fractions: Mapping[str, float], seed: int) -> dict[str, list[Example]]:
    """Train and what is split off it, stratified by label, each in the order of the table.

    Rows are drawn once for each class, the splits' shares one after the other, so that the first does not depend on
    the others; a class keeps at least one row in train. Raises InputError where a split would be empty.
    """
    labels = np.array([example.label for example in examples])
    parts = stratified_parts(labels, list(fractions.values()), seed)
    for (split, fraction), rows in zip(fractions.items(), parts[1:], strict=True):
        if not len(rows):
            raise InputError(
                f"corpus: {split} would be {fraction:g} of {len(examples)} rows, which is none of any class: raise "
                "the fraction, or give more rows"
            )
    return {split: [examples[row] for row in rows] for split, rows in zip([TRAIN, *fractions], parts, strict=True)}
