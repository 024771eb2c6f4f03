"""Rule logits: the teacher's logits of every sentence."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run


def main(
    base: Annotated[Path, typer.Option(help="Folder of the base.")],
    adapter: Annotated[Path, typer.Option(help="The tuned teacher's adapter.safetensors.")],
    tokens: Annotated[Path, typer.Option(help="Folder of the tokenised corpus.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    batch_size: Annotated[int, typer.Option(min=1, help="Sentences per batch.")] = 128,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all].")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs to lease for this job; the first one computes.")] = 1,
) -> None:
    """Compute the teacher's logits for every sentence, once for all students."""
    from distilrnn.runtime.gpu_leases import leased

    with leased(gpus):
        from distilrnn.pipeline.logits import compute_logits
        from distilrnn.pipeline.scoring import ScoringJob

        made = compute_logits(ScoringJob(base, adapter, tokens, batch_size, threads), output)
    print(f"{made.sentences:,} sentences at {made.sentences_per_second:,} sentences/s")


if __name__ == "__main__":
    run(main)
