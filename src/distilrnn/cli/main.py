"""Classify text with trained models, export them, and keep Snakemake and DVC in sync."""

from collections.abc import Callable

import typer

from distilrnn.cli import options
from distilrnn.cli.doctor import doctor
from distilrnn.cli.export import export
from distilrnn.cli.init import init
from distilrnn.cli.predict import predict
from distilrnn.cli.workflow import accept, code, make, new, sync

commands = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, help=__doc__)
shown: tuple[Callable[..., None], ...] = (init, predict, new, sync, accept, doctor)
hidden: tuple[Callable[..., None], ...] = (make, code)
for command in (*shown, *hidden):
    commands.command(hidden=command in hidden)(command)
commands.add_typer(export, name="export")


def app() -> None:
    """Run the command line; errors are one sentence and an exit code."""
    options.run(commands)
