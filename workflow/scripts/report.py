"""Rule report: the comparison table, the figures and the HTML page of an experiment."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run


def main(experiment: Annotated[Path, typer.Option(help="results/<experiment>/params.json.")]) -> None:
    """Write table.md, table.json, figures/ and report.html beside the params, and print the table."""
    from rich.console import Console

    from distilrnn.pipeline.report import gather_provenance, write_report
    from distilrnn.report.render import to_rich

    comparison = write_report(experiment, gather_provenance(experiment.parent))
    console = Console(highlight=False)
    console.print(to_rich(comparison, brief=True))
    console.print(f"\nReport: {experiment.parent / 'report.html'}", soft_wrap=True)


if __name__ == "__main__":
    run(main)
