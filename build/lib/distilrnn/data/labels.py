"""What a label means: one class, however a file spells it, and the same class in every file.

A label is a name, or a whole number. Spreadsheets and pandas write one number in several ways (1, 1.0, +1), and true
and false as True and False: such spellings are one class. A number with leading zeros is a name of its own, since codes
have them. Where two spellings could be one class or two, nothing is guessed.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from distilrnn.data.columns import listed
from distilrnn.errors import InputError
from distilrnn.params.corpus import check_classes

WHOLE_NUMBER = re.compile(r"([+-]?)(0|[1-9][0-9]{0,17})(?:\.0*)?")
"""A whole number as tables spell it, without leading zeros."""
PLAIN_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")
NUMBER_WITHIN = re.compile(r"\d+")
BOOLEANS = ("false", "true")


class NoLabelError(ValueError):
    """There is no label in a cell."""


def canonical(value: Any) -> str:  # noqa: ANN401 - a cell is what it is
    """The one spelling of a label: '1' for 1, 1.0, '+1' and '1.00'; 'true' for True and 'TRUE'; else the name.

    Names are stripped, with single spaces, and in Unicode's composed form (NFC): what looks the same is the same.

    Raises:
        NoLabelError: the cell is empty, null or NaN.
        TypeError: it is neither a name nor a whole number.
    """
    if isinstance(value, bool):
        return BOOLEANS[value]
    if value is None or value != value:
        raise NoLabelError
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise TypeError(kind(value))
    name = unicodedata.normalize("NFC", " ".join(value.split()))
    if not name:
        raise NoLabelError
    if whole := WHOLE_NUMBER.fullmatch(name):
        return f"{'-' if whole[1] == '-' and whole[2] != '0' else ''}{whole[2]}"
    return name.lower() if name.lower() in BOOLEANS else name


def kind(value: object) -> str:
    """What a cell holds, for a message."""
    return {dict: "an object", list: "a list", bytes: "bytes", float: "a fraction", int: "a number", str: "text"}.get(
        type(value), f"a {type(value).__name__}"
    )


def number_of(name: str) -> float | None:
    """The number that a name is in any spelling, such as '01', '1,0' or '1e0'; None where it is none."""
    try:
        number = float(name.replace(",", ".").replace("\u2212", "-").replace(" ", ""))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def sort_labels(names: Iterable[str], where: str) -> list[str]:
    """Labels in order: numbers by their size where all are numbers, else names by their characters.

    Raises:
        InputError: two of them are one number in two spellings, such as 1 and 01.
    """
    found = sorted(names)
    numbers = {name: number for name in found if (number := number_of(name)) is not None}
    spelled: dict[float, str] = {}
    for name, number in numbers.items():
        if spelled.setdefault(number, name) != name:
            raise InputError(
                f"{where}: the labels {spelled[number]} and {name} could be one class or two: write them in one way"
            )
    return sorted(found, key=lambda name: (numbers[name], name)) if len(numbers) == len(found) else found


class ClassIndex:
    """The classes of a corpus, and which of them a label is."""

    def __init__(self, classes: Sequence[str], where: str, named: bool) -> None:
        """Take the names of the classes in their order.

        Args:
            classes: Their names.
            where: What names them, for messages.
            named: Whether somebody put them in order (`corpus.classes`, or a dataset's label column), so that a
                label may also be the number of a class, from 0. Sorted labels of train are in nobody's order.

        Raises:
            InputError: names repeat, do not fit, or are two spellings of one class.
        """
        try:
            check_classes(classes)
        except ValueError as error:
            raise InputError(f"{where}: {error}") from None
        self.classes = list(classes)
        self.index = {canonical(name): number for number, name in enumerate(classes)}
        if len(self.index) < len(classes):
            raise InputError(f"{where}: classes {listed(classes)} hold one class in two spellings: name each once")
        sort_labels(self.index, where)
        in_order = named or tuple(self.index) == BOOLEANS
        self.numbered = in_order and not any(self._could_be_another(name, i) for name, i in self.index.items())

    def _could_be_another(self, name: str, index: int) -> bool:
        """Whether the name holds a number that would be another class as an index: in '1 star', 1 is not its index."""
        if name in BOOLEANS and name != BOOLEANS[index % 2]:
            return True
        if number_of(name) is not None:
            return True
        within = [int(number) for number in NUMBER_WITHIN.findall(name) if len(number) < 5]
        return any(number <= len(self.classes) and number != index for number in within)

    def __getitem__(self, label: str) -> int:
        """The number of a label in its canonical spelling; raises KeyError, whose sentence says what to choose."""
        if label in self.index:
            return self.index[label]
        is_number = PLAIN_NUMBER.fullmatch(label) is not None
        if self.numbered and is_number and 0 <= int(label) < len(self.classes):
            return int(label)
        number = number_of(label)
        alike = [name for name in self.index if number is not None and number_of(name) == number]
        if alike:
            raise KeyError(f"which is not the class {alike[0]} to the letter: write it in one way in all files")
        if is_number and not self.numbered:
            raise KeyError(
                f"a number, which is not read as the index of one of {listed(self.classes)}: write the class's name"
            )
        raise KeyError(f"which is not a class: choose one of {listed(self.classes)}, or change corpus.classes")
