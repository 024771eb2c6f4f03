"""Rule tokenize: token ids of every sentence, for one tokenizer."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run


def main(
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus.")],
    tokenizer: Annotated[
        Path, typer.Option(help="A tokenizer.json, or a folder with one or with vocab.json and merges.txt.")
    ],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Longest sentence, in tokens [default: no limit].")
    ] = None,
) -> None:
    """Tokenise every split into memory-mapped Arrow files; what is cut is counted and said."""
    from rich.console import Console

    from distilrnn.pipeline.tokens import tokenize_corpus

    console = Console(highlight=False)
    for split, counts in tokenize_corpus(corpus, tokenizer, max_length, output)["splits"].items():
        console.print(
            f"{split}: {counts['sentences']} sentences, {counts['tokens']} tokens, mean {counts['mean']}, "
            f"longest {counts['longest']}, {counts['truncated']} truncated",
            soft_wrap=True,
        )


if __name__ == "__main__":
    run(main)
