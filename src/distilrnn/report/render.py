"""The comparison as JSON, Markdown and a Rich table."""

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from distilrnn.params.splits import main_split
from distilrnn.report import ranking
from distilrnn.report.comparison import Comparison, PublishedRow, Row
from distilrnn.report.formatting import (
    NOTHING,
    measure_title,
    number,
    percent,
    short_titles,
    si_count,
    significant_digits,
    split_title,
)
from distilrnn.report.provenance import Provenance

if TYPE_CHECKING:
    from rich.console import Group

NAME_WIDTH = 19
"""Characters left for a system's name in a terminal of 80 columns; longer ones break after a hyphen."""


def to_json(comparison: Comparison, provenance: Provenance) -> str:
    """The comparison as JSON, numbers unrounded, and what made it."""
    from pydantic import TypeAdapter

    from distilrnn.artifacts.files import to_json as write

    values = TypeAdapter(Comparison).dump_python(comparison, mode="json")
    return write(values | {"provenance": TypeAdapter(Provenance).dump_python(provenance, mode="json")})


def cells(row: Row) -> list[str]:
    """A row's cells for Markdown and HTML, in the order of `header`."""
    scores = [score for of_split in row.scores.values() for score in (of_split["accuracy"], of_split["mcc"])]
    return [
        row.title,
        str(row.seeds) if row.seeds else NOTHING,
        si_count(row.parameters),
        *(f"{score.text} ({score.interval_text()})" if score.interval else score.text for score in scores),
        significant_digits(row.milliseconds),
        si_count(row.checkpoint_bytes, "B"),
    ]


def header(splits: Sequence[str]) -> list[str]:
    """The columns of Markdown and HTML."""
    titles = [title.capitalize() for title in short_titles(splits)]
    scores = [f"{title} {measure_title(measure)}" for title in titles for measure in ("accuracy", "mcc")]
    return ["System", "Seeds", "Parameters", *scores, "ms per sentence", "Checkpoint"]


PUBLISHED_HEADER = [
    "System",
    "Published system",
    "Measure",
    "Published",
    "Ours",
    "Difference, points",
    "Difference, sentences",
]


def published_cells(row: PublishedRow) -> list[str]:
    """A published figure's cells, in the order of PUBLISHED_HEADER."""
    sentences = NOTHING if row.sentences is None else f"{number(row.sentences, 1, '+')} of {row.of}"
    return [
        row.system,
        row.name,
        f"{split_title(row.split)} {measure_title(row.measure)}",
        percent(row.published, 2),
        percent(row.ours, 2),
        number(row.points, 2, "+"),
        sentences,
    ]


def to_markdown(comparison: Comparison) -> str:
    """The table, its notes and verdicts as GitHub Markdown."""
    parts = [
        _markdown_table(header(comparison.splits), [cells(row) for row in comparison.rows]),
        comparison.note,
        comparison.selection,
    ]
    parts.append(f"**{comparison.verdict}**")
    if comparison.sentences:
        parts.append("\n".join(f"- {sentence}" for sentence in comparison.sentences))
    if comparison.published:
        rows = [published_cells(row) for row in comparison.published]
        parts += ["Beside the published figures:", _markdown_table(PUBLISHED_HEADER, rows)]
    if comparison.label_sentences:
        parts.append("\n".join(f"- {sentence}" for sentence in comparison.label_sentences))
    for name, variants in comparison.variants.items():
        cells_of_variants = [ranking.cells(variant, comparison.splits) for variant in variants]
        parts += [
            f"Variants of {comparison.title(name)}:",
            _markdown_table(ranking.header(comparison.splits), cells_of_variants),
        ]
    if comparison.variants:
        parts.append(ranking.note(comparison.confidence))
    return "\n\n".join(parts) + "\n"


def _markdown_table(head: list[str], rows: list[list[str]]) -> str:
    align = [":--", *["--:"] * (len(head) - 1)]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, align, *escaped])


def to_rich(comparison: Comparison, brief: bool = False) -> "Group":
    """The table, its notes and verdicts for a terminal of 80 columns or more.

    In `brief`: the table, the first sentence of the verdict, and the tables of published figures and variants.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    sentences = Table.grid(padding=(0, 1))
    for sentence in [*comparison.label_sentences, *comparison.sentences]:
        sentences.add_row("•", Text(sentence))
    style = "bold" if comparison.order_holds else "bold yellow"
    selection = Text(comparison.selection, style="bold yellow" if comparison.selection_warns else "dim")
    if brief:
        verdict = re.split(r"(?<=\.) (?=[A-Z])", comparison.verdict)[0]
        parts: list[Any] = [_rich_rows(comparison), *([selection] if comparison.selection_warns else [])]
        parts += [Text(verdict, style=style)]
    else:
        parts = [_rich_rows(comparison), Text(comparison.note, style="dim"), selection]
        parts += [Text(), Text(comparison.verdict, style=style), sentences]
    if comparison.published:
        parts += [Text(), _rich_published(comparison.published)]
    for name, variants in comparison.variants.items():
        parts += [Text(), ranking.to_rich(comparison.title(name), variants, main_split(comparison.splits))]
    if comparison.variants:
        parts.append(Text(ranking.note(comparison.confidence), style="dim"))
    return Group(*parts)


def _rich_rows(comparison: Comparison) -> Any:  # noqa: ANN401 - rich is imported where it is used
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{comparison.experiment}: comparison", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("System", overflow="fold")
    heads = ["Para-\nmeters"]
    # Three splits with both measures would be wider than 80 columns; all are in table.md.
    measures = {"accuracy": "acc. %", "mcc": "MCC×100"} if len(comparison.splits) < 3 else {"accuracy": "acc. %"}
    heads += [
        f"{_in_two_lines(title)}\n{unit}" for title in short_titles(comparison.splits) for unit in measures.values()
    ]
    heads += ["ms per\nsen-\ntence", "Check-\npoint"]
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in comparison.rows:
        scores = [of_split[measure] for of_split in row.scores.values() for measure in measures]
        size = si_count(row.checkpoint_bytes, "B").replace(" ", "")
        table.add_row(
            Text(textwrap.fill(row.title, NAME_WIDTH)),
            si_count(row.parameters),
            *(
                Text.assemble(score.text.replace(" ", ""), "\n", (score.interval_text("…"), "dim"), justify="right")
                for score in scores
            ),
            significant_digits(row.milliseconds),
            size,
        )
    return table


def _in_two_lines(title: str) -> str:
    """'in-domain test' as 'In dom.' above 'test', 'out-of-domain' as 'Out of' above 'domain'."""
    place, _, kind = title.partition(" ")
    first, _, last = place.rpartition("-")
    first = first.replace("-", " ").capitalize()
    return f"{first} {last[:3]}.\n{kind}" if kind else f"{first}\n{last}"


def _rich_published(published: list[PublishedRow]) -> Any:  # noqa: ANN401 - rich is imported where it is used
    from rich import box
    from rich.table import Table

    table = Table(title="Beside the published figures", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for place, head in enumerate(PUBLISHED_HEADER):
        table.add_column(head.replace(", ", ",\n"), justify="left" if place < 3 else "right")
    for row in published:
        table.add_row(*published_cells(row))
    return table
