"""Rule transfer: sentences without labels, from one source."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run, with_params
from distilrnn.params.common import LARGEST_SEED, HoldoutParams


@with_params(selection=HoldoutParams)
def main(
    source_json: Annotated[str, typer.Option(help="An entry of transfer.sources as JSON.")],
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus, whose dev and test sentences are left out.")],
    output: Annotated[Path, typer.Option(help="Folder to write; its name is the source's.")],
    pool: Annotated[list[Path], typer.Option(help="Folder of another source that is augmented.")] = [],  # noqa: B006
    base: Annotated[Path | None, typer.Option(help="Folder of the base to draw sentences from.")] = None,
    transfer_seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of what is drawn.")] = 0,
    max_sentences: Annotated[int | None, typer.Option(min=1, help="Most sentences to keep [default: all].")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all].")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs to lease for drawing from a base.")] = 0,
    *,
    selection: HoldoutParams,
) -> None:
    """Write a pool of sentences for teachers to score: each once, none of dev, test or the held-out part of train."""
    from distilrnn.runtime.gpu_leases import leased

    with leased(gpus):
        from distilrnn.params.transfer import read_source
        from distilrnn.pipeline.transfer import Material, build_pool

        material = Material(corpus, selection, transfer_seed, pool, base, threads)
        counts = build_pool(read_source(source_json), material, max_sentences, output).counts
    print(
        f"{output.name}: {counts.sentences:,} of {counts.read:,} sentences; left out: {counts.duplicates:,} "
        f"duplicates, {counts.in_reported:,} of dev or test, {counts.in_held_out:,} held out, {counts.in_train:,} of "
        f"train, {counts.unusable:,} empty or too long, {counts.beyond_bound:,} beyond max_sentences"
    )


if __name__ == "__main__":
    run(main)
