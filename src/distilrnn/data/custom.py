"""A corpus from one's own tables: what their cells mean, which classes there are, and what is split off train."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.data.corpus import LONGEST_SOURCE, Example, SkippedRows, is_visible
from distilrnn.data.holdout import stratified_parts
from distilrnn.data.labels import PLAIN_NUMBER, ClassIndex, NoLabelError, canonical, kind, sort_labels
from distilrnn.data.tables import BadRowError, OnBadRow, Table, open_dataset, open_file, refuse
from distilrnn.data.text import BREAK, one_line
from distilrnn.errors import InputError
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.splits import TRAIN

LONGEST_TEXT = 1 << 20
"""Characters: in UTF-8 they fit a line of the corpus's own files."""
MOST_CLASSES = 1000
MOST_SKIPPED = 1000
"""Skipped rows of a table that are listed; all are counted."""
NO_TEXT = re.compile("[\0\ud800-\udfff]")


@dataclass
class OwnData:
    """What one's own tables hold."""

    splits: dict[str, list[Example]]
    classes: list[str]
    notes: list[str]
    """What was found in the tables and changed in their texts, in words."""
    skipped: dict[str, "Skipped"] = field(default_factory=dict)
    """The bad rows of each table that has some, by its name."""


@dataclass
class Skipped:
    """Bad rows that were passed over."""

    rows: int = 0
    reasons: list[str] = field(default_factory=list)
    """Where and why, for the first of them."""

    def record(self) -> SkippedRows:
        """For corpus.json."""
        return SkippedRows(rows=self.rows, reasons=self.reasons)

    def add(self, error: BadRowError) -> None:
        """Count one."""
        self.rows += 1
        if len(self.reasons) < MOST_SKIPPED:
            self.reasons.append(str(error).rsplit(": ", 1)[0])


def read_own_data(params: CorpusParams) -> OwnData:
    """Every split of one's own data, in the order of `params.splits`.

    Labels are names of classes; or their numbers from 0 where somebody put the classes in order and no name holds a
    number itself. Classes are those of the params; else those that a dataset's label column names; else the labels of
    train, numbers by their size, names by their characters.

    Raises:
        InputError: a table or a cell is not of this form; says where.
    """
    tables = open_tables(params)
    train = tables[TRAIN]
    given = list(params.classes) or train.class_names
    in_order = bool(params.classes) or (train.class_names is not None and train.unit == "row")
    index = ClassIndex(given or classes_of(train, params), train.where, in_order)
    notes = list(dict.fromkeys(note for table in tables.values() for note in table.notes))
    splits: dict[str, list[Example]] = {}
    skipped: dict[str, Skipped] = {}
    numbers_refused = any(table.class_names and table.unit == "row" for table in tables.values())
    for split, table in tables.items():
        bad = Skipped()
        reader = _Reader(params, index, bad.add if params.on_bad_row == "skip" else refuse)
        reader.numbers_refused = numbers_refused and not table.class_names
        splits[split] = list(reader.examples(table))
        if not splits[split]:
            raise InputError(f"{table.where}: is empty: give it a row for each text")
        if reader.changed:
            notes.append(f"{table.where}: {reader.changed} texts held tabs or line ends, which are now spaces")
        if bad.rows:
            skipped[table.where] = bad
            notes.append(f"{table.where}: {bad.rows} bad rows were skipped, the first: {bad.reasons[0]}")
    if params.fractions:
        splits |= split_off(splits.pop(TRAIN), params.fractions, params.seed)
    return OwnData({split: splits[split] for split in params.splits}, index.classes, notes, skipped)


def open_tables(params: CorpusParams) -> dict[str, Table]:
    """The tables that the params name, by split; raises InputError."""
    columns = [column for column in (params.text_column, params.label_column, params.source_column) if column]
    if params.source == "files":
        tables = {split: open_file(Path(place), columns) for split, place in params.places.items()}
    else:
        places = list(params.places.values())
        found = open_dataset(str(params.path), params.revision, params.subset, places, columns)
        tables = dict(zip(params.places, found, strict=True))
    train = tables[TRAIN]
    for table in tables.values():
        if table.columns[1].casefold() != train.columns[1].casefold():
            raise InputError(
                f"{table.where}: its labels are in the column {table.columns[1]}, those of {train.where} in "
                f"{train.columns[1]}: give them one name, or set label_column"
            )
    return tables


def classes_of(table: Table, params: CorpusParams) -> list[str]:
    """The labels that occur, sorted; raises InputError where they are of two kinds, fewer than 2 or too many."""
    labels: dict[str, None] = {}
    met: set[str] = set()
    kinds: set[bool] = set()
    on_bad_row = _ignore if params.on_bad_row == "skip" else refuse
    for number, cells in table.rows(on_bad_row):
        value = cells[1]
        if not isinstance(value, str) or value not in met:
            try:
                labels.setdefault(label_text(value, table.place(number)))
            except BadRowError as error:
                on_bad_row(error)
                continue
            if isinstance(value, str):
                met.add(value)
        kinds.add(isinstance(value, str))
        if len(kinds) > 1:
            raise InputError(
                f"{table.place(number)}: the label is {kind(value)}, and others are not: write all labels in one "
                "way, or set corpus.classes"
            )
        if len(labels) > MOST_CLASSES:
            raise InputError(
                f"{table.where}: column {table.columns[1]} has more than {MOST_CLASSES} different labels: set "
                "corpus.label_column to the column of the classes"
            )
    if len(labels) < 2:
        found = f"only the label {next(iter(labels))!r:.60}" if labels else "no row"
        raise InputError(f"{table.where}: has {found}: give it texts of two classes or more")
    return sort_labels(labels, table.where)


def _ignore(error: BadRowError) -> None:
    """Pass over a bad row that is counted when its text is read."""


def label_text(value: Any, place: str) -> str:  # noqa: ANN401 - a cell is what it is
    """A label in its one spelling; raises InputError."""
    try:
        return canonical(value)
    except NoLabelError:
        raise BadRowError(f"{place}: has no label: add it, or remove the row") from None
    except TypeError as error:
        raise InputError(
            f"{place}: the label is {error}, neither a name nor a whole number: set corpus.label_column to another "
            "column"
        ) from None


@dataclass
class _Reader:
    params: CorpusParams
    index: ClassIndex
    on_bad_row: OnBadRow
    numbers_refused: bool = False
    """Whether another table names its numbers, so that a bare number here has no certain meaning."""
    changed: int = 0
    """Texts in which something was replaced."""
    known_sources: dict[str, str] = field(default_factory=dict)
    """One string for each source, however many rows have it."""
    known_labels: dict[Any, int] = field(default_factory=dict)
    """The class of each spelling that was met."""

    def examples(self, table: Table) -> Iterator[Example]:
        """The examples of a table, one at a time."""
        for number, cells in table.rows(self.on_bad_row):
            place = table.place(number)
            try:
                source = self._source(cells[2], place) if len(cells) > 2 else ""
                example = Example(source, self._label(cells[1], place), "", self._text(cells[0], place))
            except BadRowError as error:
                self.on_bad_row(error)
                continue
            yield example

    def _label(self, value: Any, place: str) -> int:  # noqa: ANN401 - a cell is what it is
        if isinstance(value, str) and value in self.known_labels:
            return self.known_labels[value]
        label = label_text(value, place)
        if self.numbers_refused and PLAIN_NUMBER.fullmatch(label):
            raise InputError(
                f"{place}: the label is the number {label}, where other splits name their numbers: cast the column to "
                "the same ClassLabel in all splits"
            )
        try:
            number = self.index[label]
        except KeyError as error:
            raise InputError(f"{place}: the label is {label[:40]!r}, {error.args[0]}") from None
        if isinstance(value, str):
            self.known_labels[value] = number
        return number

    def _text(self, value: object, place: str) -> str:
        if value is None:
            raise BadRowError(f"{place}: has no text (null): add it, or remove the row")
        if not isinstance(value, str):
            raise InputError(
                f"{place}: the text is {kind(value)}, not a string: quote it, or set corpus.text_column to another "
                "column"
            )
        if len(value) > LONGEST_TEXT:
            raise BadRowError(f"{place}: the text has more than {LONGEST_TEXT} characters: shorten it")
        if NO_TEXT.search(value):
            raise BadRowError(f"{place}: the text holds a NUL or half a surrogate pair: correct it, or remove the row")
        text = one_line(value).strip()
        if not any(map(is_visible, text)):
            raise BadRowError(f"{place}: the text is empty or invisible: add it, or remove the row")
        self.changed += BREAK.search(value.strip()) is not None
        return text

    def _source(self, value: object, place: str) -> str:
        source = "" if value is None else " ".join(str(value).split())
        if len(source) > LONGEST_SOURCE or not source.isprintable():
            raise InputError(
                f"{place}: the source has an unprintable character, or more than {LONGEST_SOURCE}: set "
                "corpus.source_column to another column"
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
                f"corpus: {split.removeprefix('in_domain_')}_fraction {fraction:g} of {len(examples)} rows leaves "
                f"{split} empty: raise it, or give more rows"
            )
    return {split: [examples[row] for row in rows] for split, rows in zip([TRAIN, *fractions], parts, strict=True)}
