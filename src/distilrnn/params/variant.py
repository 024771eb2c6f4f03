"""A variant: an entry of params.yaml, and the settings that tell it from the other variants of the entry."""

from collections.abc import Collection
from dataclasses import dataclass

LABELS = "labels"
"""The setting of a variant that learns from fewer labelled sentences than there are."""


@dataclass(frozen=True)
class Variant:
    """What names such as 'rnn' and 'rnn/cell=gru,temperature=2' stand for: formatted and parsed here alone."""

    entry: str
    settings: tuple[tuple[str, str], ...] = ()
    """Keys and values, in the order of the params; none where no list makes variants."""

    @classmethod
    def parse(cls, name: str) -> "Variant":
        """The variant of that name; raises ValueError for settings that are not key=value."""
        entry, slash, label = name.partition("/")
        settings = [one.partition("=") for one in label.split(",")] if slash else []
        if not all(key and equals for key, equals, _ in settings):
            raise ValueError(f"{name!r} is not a usable name: behind the slash are settings, such as cell=gru")
        return cls(entry, tuple((key, value) for key, _, value in settings))

    def __str__(self) -> str:
        return f"{self.entry}/{self.label}" if self.settings else self.entry

    @property
    def label(self) -> str:
        """The settings alone: 'cell=gru,temperature=2'; '' where there are none."""
        return ",".join(f"{key}={value}" for key, value in self.settings)

    @property
    def labels(self) -> int | None:
        """The labelled sentences that it learns from; None: all."""
        number = dict(self.settings).get(LABELS, "")
        return int(number) if number.isdecimal() else None

    def with_labels(self, sentences: int) -> "Variant":
        """The same, learning from that many labelled sentences."""
        return Variant(self.entry, (*self.settings, (LABELS, str(sentences))))

    def without(self, keys: Collection[str]) -> "Variant":
        """The same without the settings of these keys."""
        return Variant(self.entry, tuple(setting for setting in self.settings if setting[0] not in keys))

    def taught_by(self, teacher: "Variant") -> "Variant":
        """The same with the settings of its teacher, whose keys are then 'teacher.rank' and the like."""
        return Variant(self.entry, (*self.settings, *((f"teacher.{key}", value) for key, value in teacher.settings)))
