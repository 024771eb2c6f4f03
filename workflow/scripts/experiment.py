"""Rule experiment: the parameters, checked and complete, as one file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run


def main(
    experiment_json: Annotated[str, typer.Option(help="The whole experiment as JSON.")],
    output: Annotated[Path, typer.Option(help="File to write.")],
) -> None:
    """Write the parameters of an experiment, with every default filled in."""
    from distilrnn.artifacts.files import write_json
    from distilrnn.params.experiment import validate_experiment

    experiment = validate_experiment(json.loads(experiment_json), "--experiment-json")
    write_json(output, experiment.model_dump(mode="json"))


if __name__ == "__main__":
    run(main)
