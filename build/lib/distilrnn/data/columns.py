"""Which columns of a table hold the text and the label."""

from collections.abc import Sequence
from dataclasses import dataclass

from distilrnn.errors import InputError

TEXT, LABEL = "text", "label"
"""The names that the params give by default: only for these may a column of another name stand in."""
SYNONYMS = {
    TEXT: ("sentence", "review", "content", "body", "comment", "message", "document", "tweet", "utterance", "question"),
    LABEL: ("labels", "class", "category", "target", "sentiment", "topic", "stars", "rating", "intent"),
}
MOST_NAMED = 20
"""Columns or classes that a message lists."""


@dataclass(frozen=True)
class Columns:
    """Where the wanted columns stand in a table."""

    places: tuple[int, ...]
    """Counted from 0, in the order they were asked for."""
    names: tuple[str, ...]
    """As the table spells them."""
    notes: tuple[str, ...] = ()
    """Which of them were found under another name, in words."""


def listed(names: Sequence[str]) -> str:
    """Some names for a message, not all where there are many."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(shown(name) for name in names[:MOST_NAMED]) + more


def shown(name: str) -> str:
    """A name as text that cannot break a line or steer a terminal."""
    return name if name.isprintable() and name and len(name) <= 60 else repr(name[:60])


def find_columns(wanted: Sequence[str], there: Sequence[str], where: str, suffix: str = "") -> Columns:
    """Find each wanted column: under its name, in other case, or under a usual name for a text or a label.

    Args:
        wanted: Names from the params.
        there: The table's own names.
        where: File and line of the header, for messages.
        suffix: Added to the list of columns in a message.

    Raises:
        InputError: a column is missing, is there twice, or is one of several that it could be.
    """
    names, notes = [], []
    for column in wanted:
        name = _find(column, there, where, suffix)
        if name != column:
            notes.append(f"{where}: column {shown(name)} is taken for {shown(column)}")
        names.append(name)
    if len(set(names)) < len(names):
        raise InputError(
            f"{where}: one column is both {' and '.join(map(shown, wanted))}: name the columns in the params"
        )
    return Columns(tuple(there.index(name) for name in names), tuple(names), tuple(notes))


def _find(column: str, there: Sequence[str], where: str, suffix: str) -> str:
    usual = SYNONYMS.get(column, ())
    for candidates in (
        [name for name in there if name == column],
        [name for name in there if _plain(name) == _plain(column)],
        [name for name in there if _plain(name) in usual],
    ):
        if len(candidates) == 1:
            return candidates[0]
        if len(candidates) > 1:
            if len(set(candidates)) == 1:
                raise InputError(f"{where}: has more than one column {shown(candidates[0])}: name each column once")
            raise InputError(
                f"{where}: {' or '.join(map(shown, candidates))} could be the column {shown(column)}: set text_column, "
                "label_column and source_column to columns of this table"
            )
    raise InputError(
        f"{where}: has no column {shown(column)}, only {listed(there)}{suffix}: set text_column, label_column and "
        "source_column to columns of this table, or give it a header row"
    )


def _plain(name: str) -> str:
    return name.strip().casefold()
