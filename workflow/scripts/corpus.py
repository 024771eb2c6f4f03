"""Rule corpus: the labelled sentences, whatever their source."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run, with_params
from distilrnn.params.corpus import CorpusParams


@with_params(corpus=CorpusParams)
def main(output: Annotated[Path, typer.Option(help="Folder to write.")], *, corpus: CorpusParams) -> None:
    """Write the labelled corpus: its splits in CoLA's raw format, unlabelled sentences, and a summary."""
    from rich.console import Console

    from distilrnn.data.corpus import write_corpus
    from distilrnn.data.sources import SOURCES

    found = SOURCES[corpus.source](corpus)
    summary = write_corpus(
        output, found.splits, found.unlabelled, found.classes, corpus.origin, found.notes, found.skipped
    )
    console = Console(highlight=False)
    for split, counts in summary.splits.items():
        named = ", ".join(f"{n} {name}" for name, n in zip(summary.classes, counts.classes, strict=True))
        console.print(f"{split}: {counts.sentences} sentences ({named})", soft_wrap=True)
    for warning in summary.warnings:
        console.print(f"warning: {warning}", soft_wrap=True)


if __name__ == "__main__":
    run(main)
