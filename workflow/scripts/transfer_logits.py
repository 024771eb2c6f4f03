"""Rule transfer_logits: the teacher's logits of one shard of a pool."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run


def main(
    base: Annotated[Path, typer.Option(help="Folder of the base.")],
    adapter: Annotated[Path, typer.Option(help="The tuned teacher's adapter.safetensors.")],
    tokens: Annotated[Path, typer.Option(help="Folder of the tokenised corpus.")],
    pool_tokens: Annotated[Path, typer.Option(help="Folder of the tokenised pool.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    shard: Annotated[int, typer.Option(min=1, help="Which shard of the pool.")] = 1,
    shards: Annotated[int, typer.Option(min=1, help="How many shards there are.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Sentences per batch.")] = 128,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all].")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs to lease for this job; the first one computes.")] = 1,
) -> None:
    """Compute the teacher's logits for one shard of a pool, once for all students."""
    from distilrnn.errors import InputError
    from distilrnn.runtime.gpu_leases import leased

    if shard > shards:
        raise InputError(f"--shard is {shard} of {shards}: choose one from 1 to {shards}")
    with leased(gpus):
        from distilrnn.pipeline.scoring import ScoringJob
        from distilrnn.pipeline.transfer_logits import compute_transfer_logits

        job = ScoringJob(base, adapter, tokens, batch_size, threads)
        made = compute_transfer_logits(job, pool_tokens, output, (shard - 1, shards))
    seen = ", ".join(f"{count:,} {name}" for name, count in made.classes.items())
    print(f"{made.sentences:,} sentences ({seen}) at {made.sentences_per_second:,} sentences/s")


if __name__ == "__main__":
    run(main)
