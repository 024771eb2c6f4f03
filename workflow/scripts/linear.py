"""Rule linear: TF-IDF and logistic regression."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run, with_params
from distilrnn.params.common import SelectionParams
from distilrnn.params.linear import LinearParams


@with_params(linear=LinearParams, selection=SelectionParams)
def main(
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    *,
    linear: LinearParams,
    selection: SelectionParams,
) -> None:
    """Train a linear classifier of word and character n-grams: what a user would take instead of a student."""
    from distilrnn.pipeline.linear import train_linear

    made = train_linear(corpus, output, linear, selection)
    accuracy = 100 * made["validation_at_best"]["accuracy"]
    print(f"C = {made['c']:g}, {accuracy:.1f} % of the validation sentences right, {made['seconds']:.1f} s")


if __name__ == "__main__":
    run(main)
