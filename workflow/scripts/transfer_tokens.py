"""Rule transfer_tokens: token ids of a pool's sentences, for one tokenizer."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run


def main(
    pool: Annotated[Path, typer.Option(help="Folder of the pool.")],
    tokens: Annotated[Path, typer.Option(help="Folder of the tokenised corpus, with the tokenizer.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
) -> None:
    """Tokenise a pool as the corpus was; warn where it seems to be in another language."""
    from distilrnn.pipeline.transfer_tokens import tokenize_pool

    made = tokenize_pool(pool, tokens, output)
    print(
        f"{pool.name}: {made.sentences:,} sentences, {made.tokens:,} tokens, mean {made.mean}, longest "
        f"{made.longest}, {made.truncated:,} truncated, {made.unknown_tokens:.1%} of the tokens not in train"
    )
    for warning in made.warnings:
        print(f"warning: transfer source {pool.name}: {warning}")


if __name__ == "__main__":
    run(main)
