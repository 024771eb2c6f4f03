"""Rule tokenizer: a student's own tokenizer."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run, with_params
from distilrnn.params.tokenize import LearnedTokenizerParams


@with_params(tokenizer=LearnedTokenizerParams)
def main(
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    text: Annotated[list[Path], typer.Option(help="A file of sentences to learn from beside train, one a line.")] = [],  # noqa: B006 - Typer's way of an option that may be given several times
    *,
    tokenizer: LearnedTokenizerParams,
) -> None:
    """Learn a tokenizer from the training sentences and from more text."""
    from distilrnn.pipeline.tokenizer import learn_tokenizer

    made = learn_tokenizer(corpus, text, tokenizer, output)
    print(f"{made.entries:,} entries from {made.sentences:,} sentences")


if __name__ == "__main__":
    run(main)
