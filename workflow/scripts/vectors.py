"""Rule vectors: pre-trained vectors for the entries of a student's tokenizer."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run


def main(
    tokens: Annotated[Path, typer.Option(help="Folder of the tokenised corpus.")],
    source: Annotated[
        Path, typer.Option(help="A file of word vectors, or the folder of a base whose input embeddings are taken.")
    ],
    size: Annotated[int, typer.Option(min=1, help="Width of the student's embedding.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
) -> None:
    """Map pre-trained vectors to the entries of a tokenizer; reports how many have one."""
    from distilrnn.pipeline.vectors import prepare_vectors

    made = prepare_vectors(tokens, source, size, output)
    print(
        f"{made.with_vector:,} of {made.entries:,} entries have a vector ({made.from_subwords:,} by the words "
        f"that contain them): {made.train_coverage:.1%} of train's tokens"
    )


if __name__ == "__main__":
    run(main)
