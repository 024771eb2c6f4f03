"""Sentences of one's own files and of datasets, one at a time: nothing is held, however large they are."""

from collections.abc import Iterator
from pathlib import Path

from distilrnn.artifacts.files import matching_files
from distilrnn.data.tables import iterate_texts, open_dataset, texts_of
from distilrnn.errors import InputError
from distilrnn.params.transfer import DatasetSource, TextSource


def text_files(source: TextSource) -> list[Path]:
    """The files that the source names, sorted within each pattern, each once; raises InputError.

    A folder is one of them: each of its files is one text.
    """
    found: dict[Path, None] = {}
    for pattern in source.files:
        files = [Path(pattern)] if Path(pattern).is_dir() else matching_files(pattern)
        if not files:
            raise InputError(f"{pattern}: no such file: check transfer.sources.<source>.files")
        found |= dict.fromkeys(files)
    return list(found)


def read_text(source: TextSource) -> Iterator[str]:
    """The sentences of every file, in their order; raises InputError."""
    for path in text_files(source):
        yield from iterate_texts(path, source.text_column)


def read_dataset(source: DatasetSource) -> Iterator[str]:
    """The sentences of a dataset's split; raises InputError."""
    (table,) = open_dataset(source.path, source.revision, source.subset, [source.split], [source.text_column])
    yield from texts_of(table)
