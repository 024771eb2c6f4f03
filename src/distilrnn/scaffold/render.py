"""What `distilrnn init` says: a screenful that reads well at 80 columns."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from distilrnn.data.columns import LABEL, TEXT
from distilrnn.scaffold.measure import in_words, stages_in_words
from distilrnn.scaffold.project import Proposal

MOST_CLASSES = 8
MOST_WARNINGS = 6
BAR = 24
"""Cells of the longest class's bar."""


def shown(proposal: Proposal) -> RenderableType:
    """What was found and what was chosen."""
    facts, experiment = proposal.facts, proposal.experiment
    corpus = experiment.corpus
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("Data", f"{corpus.origin}: {facts.rows:,} texts")
    if (corpus.text_column, corpus.label_column) != (TEXT, LABEL):
        rows.add_row("Columns", f"text {corpus.text_column}, label {corpus.label_column}")
    rows.add_row("Classes", _classes(proposal))
    words = facts.words
    rows.add_row("Words", f"median {words['median']}, 99 % up to {words['p99']}, longest {words['longest']:,}")
    rows.add_row(
        "Splits",
        ", ".join(f"{split.removeprefix('in_domain_')} {len(part):,}" for split, part in facts.own.splits.items()),
    )
    for found in proposal.unlabelled:
        rows.add_row("Unlabelled", f"{found.path}: {found.texts:,} texts, {found.words:.0f} words on average")
    rows.add_row("Base", _base(proposal))
    teacher, student = next(iter(experiment.teachers.values())), next(iter(experiment.students.values()))
    limit = experiment.tokenize.max_length
    rows.add_row("Tokens", f"99 % up to {proposal.lengths.p99}; " + (f"cut at {limit}" if limit else "nothing is cut"))
    rows.add_row("Teacher", f"{teacher.tuning.mode}, rank {teacher.tuning.rank}, {teacher.training.epochs} epochs")
    rows.add_row(
        "Student",
        f"{student.model.cell.upper()} {student.model.hidden}, {student.training.epochs} epochs, "
        f"{len(experiment.seeds)} seeds, beside the same trained on the labels alone",
    )
    if proposal.estimate is not None:
        total = in_words(proposal.estimate.total)
        rows.add_row("Time here", f"about {total}: {stages_in_words(proposal.estimate)}")
    notes = [Text(f"! {warning}", style="yellow") for warning in _warnings(proposal)]
    return Group(rows, *([Text("")] if notes else []), *notes, Text(""))


def _classes(proposal: Proposal) -> RenderableType:
    facts = proposal.facts
    grid = Table.grid(padding=(0, 1))
    grid.add_column(max_width=24, overflow="ellipsis", no_wrap=True)
    grid.add_column(justify="right")
    grid.add_column(style="cyan")
    most = max(facts.counts)
    pairs = sorted(zip(facts.counts, facts.classes, strict=True), key=lambda pair: -pair[0])
    for count, name in pairs[:MOST_CLASSES]:
        grid.add_row(Text(name), f"{count:,}", "█" * max(1, round(BAR * count / most)))
    if len(pairs) > MOST_CLASSES:
        grid.add_row(f"and {len(pairs) - MOST_CLASSES} more", f"{sum(c for c, _ in pairs[MOST_CLASSES:]):,}", "")
    return grid


def _base(proposal: Proposal) -> str:
    base = proposal.base
    if not base.is_pretrained:
        return "pre-trained here on your texts"
    return f"{base.model}, {base.size / 1e6:,.0f} MB" + (f", at {base.revision[:7]}" if base.revision else "")


def _warnings(proposal: Proposal) -> list[str]:
    """What somebody should know before the run, the most important first."""
    found = []
    if not proposal.base.is_pretrained:
        found.append(
            "The base is a small model pre-trained on your texts alone, which learns little of the language: expect "
            "little more than from counting words. A model directory, .gguf file or hub id after --base is worth far "
            "more."
        )
    if proposal.facts.imbalance >= 3:
        found.append("The classes are unbalanced: the loss weighs rare ones up, and macro F1 tells more than accuracy.")
    warnings = proposal.facts.warnings
    more = [f"and {len(warnings) - MOST_WARNINGS} more such lines"] if len(warnings) > MOST_WARNINGS else []
    return [*found, *warnings[:MOST_WARNINGS], *more]
