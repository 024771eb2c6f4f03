"""Files of tables, a function for each format: CSV, TSV, JSON, Parquet, Arrow, and plain lists of texts."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from distilrnn.data.columns import TEXT, Columns, find_columns, listed
from distilrnn.data.corpus import LONGEST_LINE
from distilrnn.data.tables import BATCH, BadRowError, OnBadRow, Rows, Table, refuse
from distilrnn.data.textfiles import PACKED, TextFile, kind_of, open_text, reading
from distilrnn.errors import InputError

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
FIRST_OBJECTS = 100
"""Objects in which the columns are looked for: a key that is missing in some may be there in the next."""
EXCEL_HINT = re.compile(r"sep=(.)\r?\n")
"""A first line by which Excel knows the delimiter."""
QUOTING = "put a text that holds the delimiter, a quote or a line end in double quotes, and double the quotes within"


def open_table(path: Path, columns: Sequence[str]) -> Table:
    """The table in a file, by its suffix; raises InputError where it is of no known kind or is not there."""
    kind = kind_of(path)
    if kind not in FORMATS or (kind in BINARY and path.suffix.lower() in PACKED):
        hint = "save the sheet as CSV" if kind in (".xlsx", ".xls", ".ods") else f"use {', '.join(FORMATS)}"
        raise InputError(f"{path}: unsupported file type: {hint}")
    with reading(path), path.open("rb"):
        pass
    return FORMATS[kind](path, columns)


def column_names(path: Path) -> list[str]:
    """The names of all columns of a table, whatever their meaning; raises InputError."""
    kind = kind_of(path)
    if kind in (".csv", ".tsv"):
        file = open_text(path)
        skipped, named = _excel_hint(file)
        promised = "\t" if kind == ".tsv" else ","
        headers: dict[str, list[str]] = {}
        for delimiter in [named] if named else [promised, *DELIMITERS]:
            with suppress(InputError):
                headers[delimiter] = _header(file, skipped, delimiter).cells
        if len(headers.get(promised, [])) > 1 or not headers:
            return _header(file, skipped, promised).cells
        return max(headers.values(), key=len)
    if kind in (".json", ".jsonl", ".ndjson"):
        file = open_text(path)
        start = next((piece.lstrip()[:1] for piece in file.chunks() if piece.strip()), "")
        for _, row in (_array if start == "[" else _json_lines)(file, refuse):
            return list(row)
        raise InputError(f"{path}: has no row: give it one object per text")
    if kind == ".parquet":
        from pyarrow.parquet import ParquetFile

        with _reading_as("Parquet", path), ParquetFile(path) as parquet:
            return list(parquet.schema_arrow.names)
    if kind in (".arrow", ".feather"):
        with _reading_as("Arrow", path), _arrow(path) as (schema, _):
            return list(schema.names)
    return list(open_table(path, [TEXT]).columns)


def open_list(path: Path, columns: Sequence[str]) -> Table:
    """One text per line, without labels."""
    if len(columns) > 1:
        raise InputError(f"{path}: a .txt file has no labels: name a table, or rename it if it is one")
    file = open_text(path)

    def rows(_on_bad_row: OnBadRow) -> Rows:
        for number, line in file.lines():
            yield number, [line]

    return Table(str(path), "line", rows, tuple(columns), notes=file.notes)


def open_delimited(path: Path, columns: Sequence[str]) -> Table:
    """CSV or TSV with a header row, quoted as RFC 4180 has it; empty lines are passed over.

    The delimiter is the one that the suffix promises, or else the one that parts the header row into the columns.
    """
    file = open_text(path)
    promised = "\t" if kind_of(path) == ".tsv" else ","
    skipped, named = _excel_hint(file)
    choices = [named] if named else [promised, *(other for other in DELIMITERS if other != promised)]
    chosen, header, found = _choose(file, skipped, choices, columns)
    notes = [*file.notes, *found.notes]
    if chosen != promised:
        notes.append(f"{path}: its cells are separated by {DELIMITERS.get(chosen, repr(chosen))}")
    width = len(header.cells)

    def rows(on_bad_row: OnBadRow) -> Rows:
        for number, cells in list_rows(file, skipped, chosen):
            if number <= header.number:
                continue
            if len(cells) != width:
                on_bad_row(BadRowError(f"{path}:{number}: has {len(cells)} cells, the header row {width}: {QUOTING}"))
            else:
                yield number, [cells[place] for place in found.places]

    return Table(str(path), "line", rows, found.names, notes=tuple(notes))


def _excel_hint(file: TextFile) -> tuple[int, str | None]:
    """The lines to pass over, and the delimiter that the first of them names."""
    for _, line in file.lines():
        hint = EXCEL_HINT.fullmatch(line)
        return (1, hint[1]) if hint else (0, None)
    raise InputError(f"{file.path}: is empty: give it a header row and a row for each text")


def list_rows(file: TextFile, skipped: int, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not empty, the header's too, with the number of its first line."""
    csv.field_size_limit(LONGEST_LINE)  # of the whole process; no other part of it reads CSV
    reader = csv.reader((line for number, line in file.lines() if number > skipped), delimiter=delimiter, strict=True)
    began = 1
    try:
        for cells in reader:
            number, began = began + skipped, reader.line_num + 1
            if cells:
                yield number, cells
    except csv.Error as error:
        name = kind_of(file.path)[1:].upper()
        raise InputError(f"{file.path}:{began + skipped}: is not {name} ({error}): {QUOTING}") from None


@dataclass(frozen=True)
class _Header:
    number: int
    """Its line, from 1."""
    cells: list[str]


def _header(file: TextFile, skipped: int, delimiter: str) -> _Header:
    for number, cells in list_rows(file, skipped, delimiter):
        return _Header(number, [name.strip() for name in cells])
    raise InputError(f"{file.path}: is empty: give it a header row and a row for each text")


def _choose(
    file: TextFile, skipped: int, choices: Sequence[str], columns: Sequence[str]
) -> tuple[str, _Header, Columns]:
    """The delimiter, the first choice being the one that is promised, with the header and the columns.

    Raises:
        InputError: no delimiter, or more than one of those that are not promised, gives the wanted columns.
    """
    refusals: list[tuple[int, InputError]] = []
    fitting: list[tuple[str, _Header, Columns]] = []
    for delimiter in choices:
        width = 0
        try:
            header = _header(file, skipped, delimiter)
            width = len(header.cells)
            fitting.append((delimiter, header, find_columns(columns, header.cells, f"{file.path}:{header.number}")))
        except InputError as refused:
            refusals.append((width, refused))
        if fitting and delimiter == choices[0]:
            break
    if len(fitting) == 1:
        return fitting[0]
    # The refusal to show is that of the delimiter which parts the header at all.
    parting = [refused for width, refused in refusals if width > 1]
    raise parting[0] if len(parting) == 1 else refusals[0][1]


def open_json(path: Path, columns: Sequence[str]) -> Table:
    """JSON Lines, one object per line with empty lines passed over, or one array of objects."""
    file = open_text(path)
    start = next((piece.lstrip()[:1] for piece in file.chunks() if piece.strip()), "")
    unit, objects = ("row", _array) if start == "[" else ("line", _json_lines)
    where = _place(path, unit)

    def nothing(error: BadRowError) -> None:
        """Columns are found in the first object that has them; reading says what is wrong with those before."""

    refusals: list[InputError] = []
    for number, row in islice(objects(file, nothing), FIRST_OBJECTS):
        try:
            found = find_columns(columns, list(row), where(number))
            break
        except InputError as refused:
            refusals.append(refused)
    else:
        if refusals:
            raise refusals[0]
        next(objects(file, refuse), None)  # raises where there are lines, but no object
        raise InputError(f"{path}: has no row: give it one object per text")

    def rows(on_bad_row: OnBadRow) -> Rows:
        for number, row in objects(file, on_bad_row):
            try:
                yield number, [row[name] for name in found.names]
            except KeyError:
                missing = next(name for name in found.names if name not in row)
                error = f"{where(number)}: has no column {missing}, only {listed(list(row))}: add it"
                on_bad_row(BadRowError(error))

    return Table(str(path), unit, rows, found.names, notes=(*file.notes, *found.notes))


def _place(path: Path, unit: str) -> Callable[[int], str]:
    return lambda number: f"{path}:{number}" if unit == "line" else f"{path}: row {number}"


def _json_lines(file: TextFile, on_bad_row: OnBadRow) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in file.lines():
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_distinct)
        except (ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())[:100]
            on_bad_row(BadRowError(f"{file.path}:{number}: is not JSON ({reason}): write one object per line"))
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            on_bad_row(
                BadRowError(f'{file.path}:{number}: is not a JSON object: write one per line, such as {{"text": …}}')
            )


def _array(file: TextFile, on_bad_row: OnBadRow) -> Iterator[tuple[int, dict[str, Any]]]:
    return _Array(file).objects(on_bad_row)


class _Array:
    """The objects of one JSON array, read a piece of the file at a time."""

    def __init__(self, file: TextFile) -> None:
        self.path, self.chunks, self.number = file.path, file.chunks(), 0
        self.text, self.place = "", 0
        """What is read, and how much of it is done with."""

    def objects(self, on_bad_row: OnBadRow) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each object and its number, from 1; raises InputError."""
        self._skip_space()
        self.place += 1  # the bracket
        ended = self._skip_space() == "]"
        self.place += ended
        while not ended:
            self.number += 1
            row = self._value()
            if isinstance(row, dict):
                yield self.number, row
            else:
                on_bad_row(
                    BadRowError(f"{self.path}: row {self.number}: is not a JSON object: write an array of objects")
                )
            after = self._skip_space()
            if after not in (",", "]") or not after:
                raise InputError(
                    f"{self.path}: row {self.number}: is followed by {after!r}, not a comma: write an array of objects"
                )
            self.place += 1
            ended = after == "]"
        if self._skip_space():
            raise InputError(f"{self.path}: goes on after its array: write one array of objects")

    def _value(self) -> object:
        """The next value."""
        self._skip_space()
        while True:
            try:
                value, self.place = DECODER.raw_decode(self.text, self.place)
                return value
            except (ValueError, RecursionError) as error:
                # What is cut short by the end of the piece may go on in the next one.
                too_long = len(self.text) - self.place > LONGEST_LINE
                if isinstance(error, RecursionError) or too_long or not self._more():
                    where = r"line \d+ column \d+ \(char \d+\)"
                    reason = re.sub(where, "", " ".join(str(error).split()))[:100].strip(" :")
                    raise InputError(
                        f"{self.path}: row {self.number}: is not JSON ({reason}): write an array of objects"
                    ) from None

    def _more(self) -> bool:
        """Read another piece; False at the end of the file."""
        piece = next(self.chunks, "")
        self.text, self.place = self.text[self.place :] + piece, 0
        return bool(piece)

    def _skip_space(self) -> str:
        """The next character that is not white space; '' at the end of the file."""
        while True:
            while self.place < len(self.text) and self.text[self.place] in " \t\r\n":
                self.place += 1
            if self.place < len(self.text):
                return self.text[self.place]
            if not self._more():
                return ""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return made


DECODER = json.JSONDecoder(object_pairs_hook=_distinct)


def open_parquet(path: Path, columns: Sequence[str]) -> Table:
    """A Parquet file, a batch of rows at a time."""
    from pyarrow.parquet import ParquetFile

    with _reading_as("Parquet", path), ParquetFile(path) as file:
        found = find_columns(columns, file.schema_arrow.names, str(path))

    def rows(_on_bad_row: OnBadRow) -> Rows:
        with _reading_as("Parquet", path), ParquetFile(path) as file:
            yield from _cells(file.iter_batches(BATCH, columns=list(found.names)), found.names)

    return Table(str(path), "row", rows, found.names, notes=found.notes)


def open_arrow(path: Path, columns: Sequence[str]) -> Table:
    """An Arrow file in either of its forms: for random access (Feather), or as a stream, which `datasets` writes."""
    with _reading_as("Arrow", path), _arrow(path) as (schema, _):
        found = find_columns(columns, schema.names, str(path))

    def rows(_on_bad_row: OnBadRow) -> Rows:
        with _reading_as("Arrow", path), _arrow(path) as (_, batches):
            yield from _cells(batches, found.names)

    return Table(str(path), "row", rows, found.names, notes=found.notes)


@contextmanager
def _arrow(path: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The schema and the batches of an Arrow file."""
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as file:
        whole = file.read(len(ARROW_FILE)) == ARROW_FILE
        file.seek(0)
        if whole:
            with pa.ipc.open_file(file) as reader:
                yield reader.schema, (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            with pa.ipc.open_stream(file) as reader:
                yield reader.schema, iter(reader)


def _cells(batches: Iterable[Any], names: Sequence[str]) -> Rows:
    number = 0
    for batch in batches:
        for cells in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
            number += 1
            yield number, list(cells)


@contextmanager
def _reading_as(kind: str, path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"{path}: cannot be read as {kind} ({reason}): write the file again") from None


FORMATS: dict[str, Callable[[Path, Sequence[str]], Table]] = {
    ".csv": open_delimited,
    ".tsv": open_delimited,
    ".jsonl": open_json,
    ".ndjson": open_json,
    ".json": open_json,
    ".parquet": open_parquet,
    ".arrow": open_arrow,
    ".feather": open_arrow,
    ".txt": open_list,
}
"""A function for each suffix."""
BINARY = (".parquet", ".arrow", ".feather")
"""Formats that pack their own columns."""
ARROW_FILE = b"ARROW1"
