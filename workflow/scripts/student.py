"""Rules student and baseline: train the recurrent classifier."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run, with_params
from distilrnn.params.common import SelectionParams, TrainingParams
from distilrnn.params.student import DistilParams, StudentModelParams


@with_params(model=StudentModelParams, training=TrainingParams, selection=SelectionParams, distil=DistilParams)
def main(
    tokens: Annotated[Path, typer.Option(help="Folder of the tokenised corpus.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    teacher_logits: Annotated[
        list[Path],
        typer.Option(help="A teacher's logits.safetensors; of several, the mean [default: learn from the labels]."),
    ] = [],  # noqa: B006 - Typer's way of an option that may be given several times
    vectors: Annotated[
        Path | None, typer.Option(help="vectors.safetensors that the embedding begins with [default: random].")
    ] = None,
    freeze_vectors: Annotated[bool, typer.Option(help="Leave the embedding as it begins.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of initial weights, dropout and data order.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all].")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs to lease for this job; the first one computes.")] = 1,
    *,
    model: StudentModelParams,
    training: TrainingParams,
    selection: SelectionParams,
    distil: DistilParams,
) -> None:
    """Train the recurrent student: distilled from teachers' logits, or as the baseline from the labels alone."""
    from distilrnn.runtime.gpu_leases import leased

    with leased(gpus):
        from distilrnn.pipeline.student import train_student

        train_student(
            tokens, teacher_logits, output, seed, threads, model, training, selection, distil, vectors, freeze_vectors
        )


if __name__ == "__main__":
    run(main)
