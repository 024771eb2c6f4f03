"""The splits of a corpus by name: a split's files bear its name too."""

from collections.abc import Iterable
from typing import TypeVar

Value = TypeVar("Value")

TRAIN = "in_domain_train"
DEV = "in_domain_dev"
TEST = "in_domain_test"
OUT_OF_DOMAIN = "out_of_domain_dev"

HELD_OUT = "held_out"
"""The sentences on which the epoch was chosen, as a split of logits: a part of train, or dev where it was chosen on."""

SPLITS = (TRAIN, DEV, OUT_OF_DOMAIN)
"""Those of CoLA's format and of the generated corpus."""

EVERY_SPLIT = (TRAIN, DEV, TEST, OUT_OF_DOMAIN)
"""All that there can be, in their order: a corpus has train and at least one other."""

SHORT = {TRAIN: "train", DEV: "dev", TEST: "test", OUT_OF_DOMAIN: "ood"}
"""Names for where there is little room, such as the columns of `dvc metrics show`."""


def evaluation_splits(splits: Iterable[str]) -> list[str]:
    """The evaluation splits: all but train."""
    return [split for split in splits if split != TRAIN]


def main_split(splits: Iterable[str]) -> str:
    """The one that stands for all where there is room for one: test where there is one, else the first."""
    judged = evaluation_splits(splits)
    return TEST if TEST in judged else judged[0]


def require_splits(splits: Value) -> Value:
    """Refuse splits of names that are not ours, which become names of files; raises ValueError."""
    names = list(splits) if isinstance(splits, dict) else []
    if names[:1] != [TRAIN] or len(names) < 2 or not set(names) <= set(EVERY_SPLIT):
        raise ValueError("its splits are not those of a corpus")
    return splits
