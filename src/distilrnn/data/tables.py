"""Tables of labelled texts, read a row at a time: see `formats` for files, here also folders and datasets.

A table is checked as far as its form goes; what its cells mean is for `custom` to say.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distilrnn.data.columns import find_columns, listed, shown
from distilrnn.data.textfiles import open_text
from distilrnn.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset

BATCH = 1000
UNLABELLED_FOLDERS = ("unsup", "unlabelled", "unlabeled")
"""Sub-folders that hold texts of no class, as in IMDb's."""

Rows = Iterator[tuple[int, list[Any]]]
"""The number of a line or row, from 1, and its cells in the wanted columns."""


class BadRowError(InputError):
    """One row that cannot be used, while those after it can."""


OnBadRow = Callable[[BadRowError], None]


def refuse(error: BadRowError) -> None:
    """What to do about a bad row, unless something else is asked for: stop there."""
    raise error


@dataclass(frozen=True)
class Table:
    """The wanted columns of one table."""

    where: str
    """File or dataset, for messages."""
    unit: str
    """What is counted: 'line', 'row', or 'file' of a folder."""
    read: Callable[[OnBadRow], Rows]
    """Reads from the beginning each time; raises InputError at what it cannot read."""
    columns: tuple[str, ...] = ()
    """The columns' names as the table spells them."""
    class_names: list[str] | None = None
    """The label column's own names of its numbers, where it has such."""
    files: Sequence[Path] = ()
    """The files of a folder, one text each; a row's number is its file's, from 1."""
    notes: tuple[str, ...] = ()
    """What was found that the params do not say, such as another delimiter or encoding, in words."""

    def rows(self, on_bad_row: OnBadRow = refuse) -> Rows:
        """The rows that can be read, with their numbers; raises InputError."""
        return self.read(on_bad_row)

    def place(self, number: int) -> str:
        """Where a row stands, for a message."""
        if self.unit == "file":
            return str(self.files[number - 1])
        return f"{self.where}:{number}" if self.unit == "line" else f"{self.where}: row {number}"


def open_file(path: Path, columns: Sequence[str]) -> Table:
    """The table in a file, by its suffix, or in a folder with a sub-folder per class.

    Args:
        path: A file of any kind in `formats.FORMATS`, perhaps packed as .gz or .zst; or a folder.
        columns: Names of the text's column and, if wanted, the label's and the source's, in this order. With the
            text's alone a .txt file is a table too, of one text per line, and a folder one of a text per file.

    Raises:
        InputError: it is of no known kind, is not there, or does not have the columns.
    """
    from distilrnn.data.formats import open_table

    return open_folder(path, columns) if _is_folder(str(path)) else open_table(path, columns)


def iterate_texts(path: Path, column: str = "text") -> Iterator[str]:
    """The texts of a file or folder that may have no labels, one at a time; raises InputError."""
    return texts_of(open_file(path, [column]))


def texts_of(table: Table) -> Iterator[str]:
    """The texts of a table with a single column, one at a time; raises InputError."""
    for number, (text,) in table.rows():
        if text is not None and not isinstance(text, str):
            raise InputError(f"{table.place(number)}: the text is not a string: set text_column to another column")
        if text and not text.isspace():
            yield text


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers, line ends kept; raises InputError."""
    return open_text(path).lines()


def open_folder(path: Path, columns: Sequence[str]) -> Table:
    """A folder with a sub-folder per class, one text per file: the label is the sub-folder's name.

    Hidden files are not read, nor are files beside the sub-folders, such as a README, unless there are no sub-folders
    and no labels are wanted. The first column is the text, the second the label, whatever their names.
    Raises InputError.
    """
    from distilrnn.data.labels import sort_labels

    labelled = len(columns) > 1
    files = text_files(path, labelled)
    if not files:
        raise InputError(f"{path}: has no sub-folder with files: give it one sub-folder per class, one text per file")
    if len(columns) > 2:
        raise InputError(f"{path}: a folder of texts has no column {shown(columns[2])}: leave source_column out")

    def rows(_on_bad_row: OnBadRow) -> Rows:
        for number, file in enumerate(files, 1):
            yield number, ["".join(open_text(file).chunks()), file.parent.name][: len(columns)]

    names = sort_labels({file.parent.name for file in files}, str(path)) if labelled else None
    return Table(str(path), "file", rows, tuple(columns), names, files)


def text_files(path: Path, labelled: bool) -> list[Path]:
    """The files in a folder's sub-folders, by class and name; those of the folder itself where it has no others."""

    def entries(folder: Path) -> list[Path]:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))

    try:
        inside = entries(path)
        folders = [one for one in inside if one.is_dir() and not (labelled and one.name in UNLABELLED_FOLDERS)]
        files = [file for folder in folders for file in entries(folder) if file.is_file()]
        return files or ([] if labelled else [file for file in inside if file.is_file()])
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): check the path and its permissions") from None


def open_dataset(
    path: str, revision: str | None, subset: str | None, splits: Sequence[str], columns: Sequence[str]
) -> list[Table]:
    """The named splits of a Hugging Face dataset: a folder of `save_to_disk`, or a hub id at a commit.

    Code that comes with a dataset is never run. Raises InputError.
    """
    found = dataset_splits(path, revision, subset)
    for split in splits:
        if split not in found:
            raise InputError(
                f"{path}: has no split {shown(split)}, only {listed(list(found))}: set train, dev, test and "
                "out_of_domain to splits of this dataset"
            )
    return [_table_of(found[split], f"{path} [{split}]", columns) for split in splits]


def dataset_splits(path: str, revision: str | None, subset: str | None) -> "dict[str, Dataset]":
    """The splits of a folder of `save_to_disk`, or of a hub id at a commit; raises InputError."""
    if _is_folder(path):
        if subset is not None:
            raise InputError(f"{path}: is a folder, which has no subset: leave subset out")
        return saved_splits(path)
    if revision is None:
        raise InputError(
            f"{path}: no such folder, and a hub id needs a revision: set revision to a commit of owner/name"
        )
    return _hub_splits(path, revision, subset)


def is_saved_dataset(path: Path) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    return any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # a name that is too long, or a folder above it that is closed
        return False


def saved_splits(path: str) -> "dict[str, Dataset]":
    """The splits in a folder that `save_to_disk` wrote; a single one is train. Raises InputError."""
    from datasets import Dataset, load_from_disk

    try:
        found = load_from_disk(path)
    except Exception as error:  # a damaged folder raises nearly anything
        reason = " ".join(str(error).split())[:100]
        raise InputError(
            f"{path}: is not a folder of save_to_disk ({reason}): save it again, or choose another"
        ) from None
    return {"train": found} if isinstance(found, Dataset) else dict(found)


def _hub_splits(path: str, revision: str, subset: str | None) -> "dict[str, Dataset]":
    from datasets import load_dataset

    try:
        return dict(load_dataset(path, subset, revision=revision))
    except Exception as error:  # the hub's client raises requests', httpx's and its own errors
        reason = " ".join(str(error).split())[:150]
        raise InputError(
            f"{path}: cannot be loaded at revision {revision} ({type(error).__name__}: {reason}): set subset, "
            "or path to a folder that save_to_disk wrote"
        ) from None


def _table_of(dataset: "Dataset", where: str, columns: Sequence[str]) -> Table:
    from datasets import ClassLabel

    found = find_columns(columns, dataset.column_names, where)
    label = dataset.features[found.names[1]] if len(columns) > 1 else None
    names = list(label.names) if isinstance(label, ClassLabel) else None
    chosen = dataset.with_format(None).select_columns(list(found.names))

    def rows(_on_bad_row: OnBadRow) -> Rows:
        number = 0
        for batch in chosen.iter(BATCH):
            for cells in zip(*(batch[column] for column in found.names), strict=True):
                number += 1
                yield number, [cells[0], *(_named(cell, names) for cell in cells[1:2]), *cells[2:]]

    return Table(where, "row", rows, found.names, names, notes=found.notes)


def _named(label: Any, names: list[str] | None) -> Any:  # noqa: ANN401 - a cell is what it is
    """The name of a number of ClassLabel; -1 stands for a label that is not known."""
    if names is None or not isinstance(label, int):
        return label
    return names[label] if 0 <= label < len(names) else None
