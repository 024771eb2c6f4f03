"""Rule measure: what each system costs to train, to keep and to ask."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run


def main(experiment: Annotated[Path, typer.Option(help="The experiment's params.json.")]) -> None:
    """Time every system on the CPU, from text to probabilities: milliseconds, sentences per second, bytes."""
    from distilrnn.pipeline.measure import measure

    for system, cost in measure(experiment).items():
        print(
            f"{system}: {cost.milliseconds_single:.2f} ms for a single sentence, "
            f"{cost.sentences_per_second:,.0f} sentences/s in batches, {cost.checkpoint_bytes / 1e6:,.1f} MB"
        )


if __name__ == "__main__":
    run(main)
