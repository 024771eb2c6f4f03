"""The command init: an experiment for one's own data."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distilrnn.errors import InputError

if TYPE_CHECKING:
    from distilrnn.data.inspect import Choice


def init(
    data: Annotated[
        Path,
        typer.Argument(
            help="Labelled texts: CSV, TSV, JSON, Parquet, Arrow, a folder per class, a dataset of save_to_disk, or "
            "(with --revision) a hub id."
        ),
    ],
    unlabelled: Annotated[
        list[Path] | None, typer.Option(help="Texts without labels for the teacher to score; can be repeated.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="Model directory, .gguf file, hub id, or pretrain.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the experiment [default: the data's].")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the text.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of the label.")] = None,
    dev: Annotated[Path | None, typer.Option(help="Dev set, if there is one: else a part of the data.")] = None,
    test: Annotated[Path | None, typer.Option(help="Test set, if there is one: else a part of the data.")] = None,
    revision: Annotated[str | None, typer.Option(help="Commit of a hub dataset.")] = None,
    subset: Annotated[str | None, typer.Option(help="Configuration of a hub dataset.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take the likeliest answer.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    estimate: Annotated[bool, typer.Option(help="Run a few batches to estimate how long it will take.")] = True,
) -> None:
    """Look at your data, and write an experiment that fits it."""
    from rich.console import Console
    from rich.prompt import IntPrompt

    from distilrnn.orchestration.experiments import write_experiment
    from distilrnn.scaffold.project import Wishes, propose
    from distilrnn.scaffold.render import shown

    def choose(what: str, choice: "Choice") -> str:
        if len(choice.columns) == 1 or yes:
            return choice.columns[0]
        if not sys.stdin.isatty():
            raise InputError(
                f"{data}: {' or '.join(choice.columns[:5])} could be the {what}: name it with --{what}-column, or give "
                "--yes for the first"
            )
        columns = choice.columns
        for number, column in enumerate(columns, 1):
            typer.echo(f"  {number}  {column}")
        numbers = [str(number) for number in range(1, len(columns) + 1)]
        return columns[IntPrompt.ask(f"Which column is the {what}?", choices=numbers, default=1) - 1]

    wishes = Wishes(
        data, tuple(unlabelled or ()), base, name, text_column, label_column, dev, test, estimate, revision, subset
    )
    console = Console(highlight=False, soft_wrap=False, width=min(Console().width, 100))
    with console.status("Reading the data …") as status:
        proposal = propose(wishes, _paused(status, choose), status.update)
    console.print(shown(proposal))
    if dry_run:
        console.print(proposal.text, markup=False, soft_wrap=True)
        return
    _, files = write_experiment(proposal.text)
    console.print(f"Wrote {' and '.join(map(str, files))}. Look at the first, then run:\n", soft_wrap=True)
    console.print(f"  snakemake --configfile {files[0]} --cores all --resources gpu=1\n", soft_wrap=True)


def _paused(status, choose):  # noqa: ANN001, ANN202 - rich's Status, and a question
    """The question, asked while no spinner turns."""

    def ask(what: str, choice: "Choice") -> str:
        status.stop()
        answer = choose(what, choice)
        status.start()
        return answer

    return ask
