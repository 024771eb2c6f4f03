"""Tables of labelled texts, read a row at a time: CSV, TSV, JSON Lines, Parquet, and Hugging Face datasets.

A table is checked as far as its form goes; what its cells mean is for `own_data` to say.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distilrnn.data.corpus import LONGEST_LINE
from distilrnn.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset

BATCH = 1000
MOST_NAMED = 20
"""Columns or classes that a message lists."""

Rows = Iterator[tuple[int, list[Any]]]
"""The number of a line or row, from 1, and its cells in the wanted columns."""


@dataclass(frozen=True)
class Table:
    """The wanted columns of one table."""

    where: str
    """File or dataset, for messages."""
    unit: str
    """What is counted: 'line', 'row', or 'file' of a folder."""
    rows: Callable[[], Rows]
    """Reads from the beginning each time; raises InputError at what it cannot read."""
    class_names: list[str] | None = None
    """The label column's own names of its numbers, where it has such."""
    files: Sequence[Path] = ()
    """The files of a folder with a sub-folder per class, one text each; a row's number is its file's, from 1."""

    def place(self, number: int) -> str:
        """Where a row stands, for a message."""
        if self.unit == "file":
            return str(self.files[number - 1])
        return f"{self.where}:{number}" if self.unit == "line" else f"{self.where}: row {number}"


def open_file(path: Path, columns: Sequence[str]) -> Table:
    """The table in a file, by its suffix, or in a folder with a sub-folder per class.

    Raises:
        InputError: it is of no known kind, or is not there.
    """
    if _is_folder(str(path)):
        return open_class_folders(path, columns)
    kind = path.suffix.lower()
    readers = {
        ".csv": partial(_delimited, delimiter=","),
        ".tsv": partial(_delimited, delimiter="\t"),
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".json": _json_lines,
        ".parquet": _parquet,
    }
    if kind not in readers:
        raise InputError(f"{path}: is of no kind that is read here: name a file that ends in {', '.join(readers)}")
    try:
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: mend its name in the section corpus of the params") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): mend its name or its permissions") from None
    return Table(str(path), "row" if kind == ".parquet" else "line", lambda: readers[kind](path, columns))


def open_class_folders(path: Path, columns: Sequence[str]) -> Table:
    """A folder with a sub-folder per class, one text per file: the label is the sub-folder's name.

    Hidden files and files beside the sub-folders, such as a README, are not read. The first column is the text,
    the second the label, whatever their names. Raises InputError.
    """
    files = class_files(path)
    if not files:
        raise InputError(f"{path}: has no sub-folder with files: give it one sub-folder per class, one text per file")
    if len(columns) > 2:
        raise InputError(f"{path}: a folder of texts has no column {_shown(columns[2])}: leave source_column out")

    def rows() -> Rows:
        for number, file in enumerate(files, 1):
            yield number, [_whole_text(file), file.parent.name][: len(columns)]

    return Table(str(path), "file", rows, sorted({file.parent.name for file in files}), files)


def class_files(path: Path) -> list[Path]:
    """The texts in a folder's sub-folders, by class and name; raises InputError."""
    try:
        folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        return [
            file
            for folder in folders
            for file in sorted(folder.iterdir())
            if file.is_file() and not file.name.startswith(".")
        ]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): check the path and its permissions") from None


def _whole_text(path: Path) -> str:
    """The text of a file."""
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_LINE + 1)
        if len(content) > LONGEST_LINE:
            raise InputError(f"{path}: is longer than {LONGEST_LINE} bytes: shorten it")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 (byte {error.start + 1}): convert it to UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): check its permissions") from None


def listed(names: Sequence[str]) -> str:
    """Some names for a message, not all where there are many."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(_shown(name) for name in names[:MOST_NAMED]) + more


def _shown(name: str) -> str:
    """A name as text that cannot break a line or steer a terminal."""
    return name if name.isprintable() and name and len(name) <= 60 else repr(name[:60])


def places_of(columns: Sequence[str], there: Sequence[str], where: str) -> list[int]:
    """Where each wanted column stands; raises InputError where it is missing, or there twice."""
    for column in columns:
        if column not in there:
            raise InputError(
                f"{where}: has no column {_shown(column)}, only {listed(there)}: set corpus.text_column, "
                "label_column and source_column to columns of this table"
            )
        if there.count(column) > 1:
            raise InputError(f"{where}: has more than one column {_shown(column)}: name each column once")
    return [there.index(column) for column in columns]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers, byte-order mark removed, line ends kept."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), 1):
            if len(line) > LONGEST_LINE:
                raise InputError(f"{path}:{number}: is longer than {LONGEST_LINE} bytes: shorten it, or end the line")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}:{number}: is not UTF-8 (byte {error.start + 1}): unpack it, or convert it to UTF-8"
                ) from None
            if "\0" in text:
                raise InputError(f"{path}:{number}: holds a NUL: save the file as UTF-8 text without any")
            yield number, text


def _delimited(path: Path, columns: Sequence[str], delimiter: str) -> Rows:
    """CSV or TSV with a header row, quoted as RFC 4180 has it; empty lines are passed over."""
    reader = csv.reader((line for _, line in _lines(path)), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    wanted: list[int] = []
    began = 1
    try:
        for cells in reader:
            number, began = began, reader.line_num + 1
            if not cells:
                continue
            if header is None:
                header = [name.strip() for name in cells]
                wanted = places_of(columns, header, f"{path}:{number}")
            elif len(cells) != len(header):
                raise InputError(
                    f"{path}:{number}: has {len(cells)} cells, the header row {len(header)}: put a text that holds "
                    f"the delimiter, a quote or a line end in double quotes, and double the quotes within"
                )
            else:
                yield number, [cells[place] for place in wanted]
    except csv.Error as error:
        raise InputError(
            f"{path}:{began}: is not {path.suffix[1:].upper()} ({error}): put a text that holds the delimiter, a "
            "quote or a line end in double quotes, and double the quotes within"
        ) from None
    if header is None:
        raise InputError(f"{path}: is empty: give it a header row and a row for each text")


def _json_lines(path: Path, columns: Sequence[str]) -> Rows:
    """One JSON object a line; empty lines are passed over."""
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_distinct)
        except (ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())[:100]
            raise InputError(f"{path}:{number}: is not JSON ({reason}): write one object a line") from None
        if not isinstance(row, dict):
            raise InputError(f'{path}:{number}: is not a JSON object: write one object a line, such as {{"text": …}}')
        there = list(row)
        places_of(columns, there, f"{path}:{number}")
        yield number, [row[column] for column in columns]


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return made


def _parquet(path: Path, columns: Sequence[str]) -> Rows:
    """A Parquet file, a batch of rows at a time."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        with ParquetFile(path) as file:
            places_of(columns, file.schema_arrow.names, str(path))
            for batch in file.iter_batches(BATCH, columns=list(columns)):
                for cells in zip(*(batch.column(column).to_pylist() for column in columns), strict=True):
                    number += 1
                    yield number, list(cells)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"{path}: cannot be read as Parquet ({reason}): write the file again") from None


def open_dataset(
    path: str, revision: str | None, subset: str | None, splits: Sequence[str], columns: Sequence[str]
) -> list[Table]:
    """The named splits of a Hugging Face dataset: a folder of `save_to_disk`, or a hub id at a commit.

    Code that comes with a dataset is never run. Raises InputError.
    """
    if _is_folder(path):
        if subset is not None:
            raise InputError(f"{path}: is a folder, which has no subset: leave corpus.subset out")
        found = _saved_splits(path)
    elif revision is None:
        raise InputError(
            f"{path}: no such folder, and as a hub id it has no revision: set corpus.revision to a commit of owner/name"
        )
    else:
        found = _hub_splits(path, revision, subset)
    for split in splits:
        if split not in found:
            raise InputError(
                f"{path}: has no split {_shown(split)}, only {listed(list(found))}: set corpus.train, dev, test and "
                "out_of_domain to splits of this dataset"
            )
    return [_table_of(found[split], f"{path} [{split}]", columns) for split in splits]


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # a name that is too long, or a folder above it that is closed
        return False


def _saved_splits(path: str) -> "dict[str, Dataset]":
    from datasets import Dataset, load_from_disk

    try:
        found = load_from_disk(path)
    except Exception as error:  # a damaged folder raises nearly anything
        reason = " ".join(str(error).split())[:100]
        raise InputError(
            f"{path}: is not a folder of save_to_disk ({reason}): write it again, or name another"
        ) from None
    return {"train": found} if isinstance(found, Dataset) else dict(found)


def _hub_splits(path: str, revision: str, subset: str | None) -> "dict[str, Dataset]":
    from datasets import load_dataset

    try:
        return dict(load_dataset(path, subset, revision=revision))
    except Exception as error:  # the hub's client raises requests', httpx's and its own errors
        reason = " ".join(str(error).split())[:150]
        raise InputError(
            f"{path}: cannot be loaded at revision {revision} ({type(error).__name__}: {reason}): set corpus.subset, "
            "or corpus.path to a folder that save_to_disk wrote"
        ) from None


def _table_of(dataset: "Dataset", where: str, columns: Sequence[str]) -> Table:
    from datasets import ClassLabel

    places_of(columns, dataset.column_names, where)
    label = dataset.features[columns[1]]
    names = list(label.names) if isinstance(label, ClassLabel) else None
    chosen = dataset.with_format(None).select_columns(list(columns))

    def rows() -> Rows:
        number = 0
        for batch in chosen.iter(BATCH):
            for cells in zip(*(batch[column] for column in columns), strict=True):
                number += 1
                yield number, [cells[0], _named(cells[1], names), *cells[2:]]

    return Table(where, "row", rows, names)


def _named(label: Any, names: list[str] | None) -> Any:  # noqa: ANN401 - a cell is what it is
    """The name of a number of ClassLabel; -1 stands for a label that is not known."""
    if names is None or not isinstance(label, int):
        return label
    return names[label] if 0 <= label < len(names) else None
