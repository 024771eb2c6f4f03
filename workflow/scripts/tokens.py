"""Rule tokenize: token ids of every sentence, for one tokenizer."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run
from distilrnn.params.common import Policy


def main(
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus.")],
    tokenizer: Annotated[
        Path, typer.Option(help="A tokenizer.json, or a folder with one or with vocab.json and merges.txt.")
    ],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Tokens read of a text, or in a window of it [default: no limit].")
    ] = None,
    long_texts: Annotated[Policy, typer.Option(help="What becomes of longer texts.")] = "head",
    longest_text: Annotated[int, typer.Option(min=1, help="Tokens kept of a text that is read in windows.")] = 4096,
) -> None:
    """Tokenise every split into memory-mapped Arrow files; what is cut is counted and reported."""
    from rich.console import Console

    from distilrnn.pipeline.tokens import tokenize_corpus

    console = Console(highlight=False)
    made = tokenize_corpus(corpus, tokenizer, max_length, output, long_texts, longest_text).splits
    for split, counts in made.items():
        console.print(
            f"{split}: {counts.sentences} sentences, {counts.tokens} tokens, mean {counts.mean}, "
            f"longest {counts.longest}, {counts.truncated} truncated ({long_texts})"
            + (f", {counts.in_windows} read in windows, {counts.windows} in all" if counts.windows else ""),
            soft_wrap=True,
        )


if __name__ == "__main__":
    run(main)
