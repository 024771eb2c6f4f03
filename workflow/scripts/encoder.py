"""Rule encoder: a student's embedding and recurrent layers, pre-trained as a language model."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run, with_params
from distilrnn.params.common import HoldoutParams
from distilrnn.params.student import PretrainingParams, StudentModelParams


@with_params(model=StudentModelParams, pretraining=PretrainingParams, selection=HoldoutParams)
def main(
    tokens: Annotated[Path, typer.Option(help="Folder of the tokenised corpus.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    pool_tokens: Annotated[list[Path], typer.Option(help="Folder of a tokenised transfer source to read too.")] = [],  # noqa: B006 - Typer's way of an option that may be given several times
    vectors: Annotated[
        Path | None, typer.Option(help="vectors.safetensors that the embedding begins with [default: random].")
    ] = None,
    freeze_vectors: Annotated[bool, typer.Option(help="Leave the embedding as it begins.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all].")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs to lease for this job; the first one computes.")] = 1,
    *,
    model: StudentModelParams,
    pretraining: PretrainingParams,
    selection: HoldoutParams,
) -> None:
    """Pre-train a student's encoder on train and transfer text; the epoch of lowest validation loss is kept."""
    from distilrnn.runtime.gpu_leases import leased

    with leased(gpus):
        from distilrnn.pipeline.encoder import EncoderJob, pretrain_encoder
        from distilrnn.pipeline.start import StartingPoint

        start = StartingPoint(vectors, freeze_vectors)
        job = EncoderJob(tokens, model, pretraining, selection, pool_tokens, start, threads)
        made = pretrain_encoder(job, output)
    print(f"epoch {made.best_epoch:g}: perplexity {made.validation_perplexity:g} on the validation sentences")


if __name__ == "__main__":
    run(main)
