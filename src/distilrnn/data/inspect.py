"""A first look at somebody's data: which columns it has, what they seem to hold, how long and how balanced it is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distilrnn.data.columns import LABEL, SYNONYMS, TEXT, find_columns, listed
from distilrnn.data.corpus import Example, check_corpus
from distilrnn.data.custom import OwnData, read_own_data
from distilrnn.data.formats import column_names
from distilrnn.data.labels import NoLabelError, canonical
from distilrnn.data.tables import BadRowError, iterate_texts, open_file
from distilrnn.errors import InputError
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.splits import TRAIN

if TYPE_CHECKING:
    from datasets import Dataset

LOOKED_AT = 2000
"""Rows from which columns are recognised."""
MOST_LABELS = 100
"""Different values above which a column is hardly a label."""
FEW_WORDS = 2.0
"""Words on average, above which a column may be a text."""


@dataclass(frozen=True)
class ColumnFacts:
    """What the first rows of a column hold."""

    name: str
    strings: bool
    words: float
    """Mean words of a value."""
    distinct: int
    rows: int
    example: str
    could_label: bool
    """Whether its values are few, at least two, and names or whole numbers."""

    @property
    def could_be_text(self) -> bool:
        """Whether its values are strings, most of them different, of some words."""
        return self.strings and self.distinct > 0.5 * self.rows and (self.words > FEW_WORDS or self.distinct > 100)


@dataclass(frozen=True)
class Choice:
    """The columns that could be meant, the likeliest first."""

    columns: tuple[str, ...]
    certain: bool


@dataclass(frozen=True)
class DataFacts:
    """What was found in labelled data."""

    own: OwnData
    classes: list[str]
    counts: list[int]
    """Texts of each class in train."""
    words: dict[str, int]
    """Words of a text of train: median, p99 and longest."""
    characters: int
    """Of all texts of train."""
    warnings: list[str]

    @property
    def rows(self) -> int:
        """Texts of train, those included that will be split off."""
        return sum(self.counts)

    @property
    def imbalance(self) -> float:
        """The largest class's texts by the smallest one's."""
        return max(self.counts) / max(1, min(self.counts))


@dataclass(frozen=True)
class UnlabelledFacts:
    """What was found in texts without labels."""

    path: Path
    column: str
    texts: int
    words: float
    """Mean words of a text."""


def columns_of(path: Path) -> list[ColumnFacts]:
    """What the columns of a table hold, going by its first rows; raises InputError."""
    names = column_names(path)
    if len(set(names)) < len(names):
        raise InputError(f"{path}: has two columns of one name ({listed(names)}): rename one")
    table = open_file(path, names)
    rows = [cells for _, cells in islice(table.rows(lambda _: None), LOOKED_AT)]
    return [_facts(name, [cells[place] for cells in rows]) for place, name in enumerate(names)]


def columns_of_dataset(dataset: "Dataset") -> list[ColumnFacts]:
    """What the columns of one split of a dataset hold, going by its first rows."""
    rows = dataset.with_format(None)[:LOOKED_AT]
    return [_facts(name, values) for name, values in rows.items()]


def _facts(name: str, values: Sequence[Any]) -> ColumnFacts:
    there = [value for value in values if value is not None and value != ""]
    strings = bool(there) and all(isinstance(value, str) for value in there)
    labels = set()
    for value in there:
        try:
            labels.add(canonical(value))
        except NoLabelError:
            continue
        except TypeError:
            labels.clear()
            break
    most = min(MOST_LABELS, max(2, len(there) // 3))
    return ColumnFacts(
        name,
        strings,
        float(np.mean([len(str(value).split()) for value in there])) if there else 0.0,
        len(set(map(str, there))),
        len(there),
        " ".join(str(there[0]).split())[:60] if there else "",
        2 <= len(labels) <= most and all(len(label) <= 64 for label in labels),
    )


def text_choice(columns: Sequence[ColumnFacts]) -> Choice:
    """Which columns could hold the text."""
    named = _named(columns, TEXT)
    if named is not None:
        return Choice((named,), certain=True)
    found = sorted((c for c in columns if c.could_be_text), key=lambda c: -c.words)
    return Choice(tuple(column.name for column in found), certain=len(found) == 1)


def label_choice(columns: Sequence[ColumnFacts], text: str) -> Choice:
    """Which columns could hold the label, that of the text aside."""
    others = [column for column in columns if column.name != text]
    named = _named(others, LABEL)
    if named is not None:
        return Choice((named,), certain=True)
    found = sorted((c for c in others if c.could_label), key=lambda c: (not c.strings, c.distinct))
    return Choice(tuple(column.name for column in found), certain=len(found) == 1)


def _named(columns: Sequence[ColumnFacts], wanted: str) -> str | None:
    """The column that has a usual name for a text or a label, unless several have."""
    there = [column.name for column in columns]
    usual = [n for n in there if n.strip().casefold() in (wanted, *SYNONYMS[wanted])]
    if len(usual) > 1 and not any(name.strip().casefold() == wanted for name in usual):
        return None
    try:
        return find_columns([wanted], there, "").names[0]
    except InputError:
        return None


def look_at(params: CorpusParams) -> tuple[DataFacts, CorpusParams]:
    """Read the data as the rule corpus will, and return what is there, and params that can read it.

    Where rows are bad, they are skipped, and the params say so. Raises InputError.
    """
    try:
        own = read_own_data(params)
    except BadRowError:
        params = params.model_copy(update={"on_bad_row": "skip"})
        own = read_own_data(params)
    train = [example for split, part in own.splits.items() for example in part if _is_of_train(split, params)]
    counts = Counter(example.label for example in train)
    lengths = np.array([len(example.sentence.split()) for example in train])
    words = {
        "median": int(np.median(lengths)),
        "p99": int(np.quantile(lengths, 0.99)),
        "longest": int(lengths.max()),
    }
    facts = DataFacts(
        own,
        own.classes,
        [counts[label] for label in range(len(own.classes))],
        words,
        sum(len(example.sentence) for example in train),
        [*own.notes, *check_corpus(own.splits, own.classes, params.origin), *_conflicts(train)],
    )
    return facts, params


def _is_of_train(split: str, params: CorpusParams) -> bool:
    return split == TRAIN or split in params.fractions


def _conflicts(train: Sequence[Example]) -> list[str]:
    """A line about texts of two labels, in whatever splits they lie."""
    labels: dict[str, set[int]] = {}
    for example in train:
        labels.setdefault(example.sentence, set()).add(example.label)
    differing = sum(len(found) > 1 for found in labels.values())
    return [f"{differing} texts have more than one label: look at them, they cannot all be right"] if differing else []


def look_at_unlabelled(path: Path) -> UnlabelledFacts:
    """Count the texts of a file without labels, and find their column; raises InputError."""
    column = TEXT
    if path.is_file() and len(column_names(path)) > 1:
        choice = text_choice(columns_of(path))
        if not choice.columns:
            raise InputError(f"{path}: no column seems to hold texts: give a .txt file, or name the column 'text'")
        column = choice.columns[0]
    elif path.is_file():
        column = column_names(path)[0]
    texts = words = 0
    for text in iterate_texts(path, column):
        texts, words = texts + 1, words + len(text.split())
    if not texts:
        raise InputError(f"{path}: holds no text: leave it out, or choose another")
    return UnlabelledFacts(path, column, texts, words / texts)
