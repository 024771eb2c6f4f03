"""The variants that lists in the params make, best on validation first, as tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from distilrnn.evaluation.system_metrics import Measured, VariantScores
from distilrnn.report.formatting import measure_title, percent, significant_digits, split_title, spread

if TYPE_CHECKING:
    from rich.table import Table

CHOSEN = "✓"
MEASURES = ("accuracy", "mcc")
MOST_SHOWN = 10
"""Variants of a system that a terminal shows."""


def ranked(variants: Sequence[VariantScores]) -> dict[str, list[VariantScores]]:
    """The variants in statistics.json by system, each list in falling order of validation accuracy."""
    return {
        name: sorted((v for v in variants if v.system == name), key=lambda v: -(v.validation_accuracy or 0.0))
        for name in dict.fromkeys(variant.system for variant in variants)
    }


def note(confidence: float) -> str:
    """How to read the tables."""
    return (
        f"Best on validation first; {CHOSEN} stands in the comparison above, a distilled student as the best of the "
        "chosen teacher's. The reported sets chose nothing; their intervals are "
        f"{100 * confidence:g} % bootstrap intervals over the sentences. The best of many is partly lucky on "
        "validation: its figures on the reported sets are the fair ones."
    )


def header(splits: Sequence[str]) -> list[str]:
    """The columns of Markdown and HTML."""
    scores = [f"{split_title(split).capitalize()} {measure_title(m)}" for split in splits for m in MEASURES]
    return ["Variant", "Chosen", "Seeds", "Validation accuracy %", *scores, "Training s"]


def cells(variant: VariantScores, splits: Sequence[str]) -> list[str]:
    """A variant's cells, in the order of `header`."""
    scores = [
        f"{score(variant.splits[split], m)} ({bounds(variant.splits[split], m, ' to ')})"
        for split in splits
        for m in MEASURES
    ]
    validation = spread(variant.validation_accuracy, variant.validation_accuracy_std)
    chosen = CHOSEN if variant.chosen else ""
    return [
        variant.variant, chosen, str(variant.seeds), validation, *scores, significant_digits(variant.seconds)
    ]  # fmt: skip


def score(of_split: Measured, measure: str) -> str:
    """A mean over seeds, ± their standard deviation."""
    return spread(getattr(of_split, measure), getattr(of_split, f"{measure}_std"))


def bounds(of_split: Measured, measure: str, between: str) -> str:
    """The two ends of an interval."""
    return between.join(map(percent, getattr(of_split, f"{measure}_interval")))


def to_rich(name: str, variants: Sequence[VariantScores], split: str) -> "Table":
    """The first variants of one system for a terminal of 80 columns, with the figures of one split."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"Variants of {name}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("Variant", overflow="fold")
    for head in ("", "Valid.\nacc. %", f"{split_title(split).capitalize()}\nacc. %", "\nMCC×100"):
        table.add_column(head, justify="right", no_wrap=True)
    shown = [variant for place, variant in enumerate(variants) if place < MOST_SHOWN or variant.chosen]
    if len(shown) < len(variants):
        table.caption = f"{len(variants) - len(shown)} more in table.md"
    for variant in shown:
        table.add_row(
            Text(variant.variant.replace(",", ", ")),
            CHOSEN if variant.chosen else "",
            spread(variant.validation_accuracy, variant.validation_accuracy_std).replace(" ", ""),
            *(
                f"{score(variant.splits[split], m)} ({bounds(variant.splits[split], m, '…')})".replace(" ", "")
                for m in MEASURES
            ),
        )
    return table
