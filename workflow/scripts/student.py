"""Rules student and baseline: train the recurrent classifier."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run, with_params
from distilrnn.params.common import SelectionParams, TrainingParams
from distilrnn.params.labels import LabelBudget
from distilrnn.params.student import DistilParams, StudentModelParams
from distilrnn.params.transfer import Balance


@with_params(
    model=StudentModelParams,
    training=TrainingParams,
    selection=SelectionParams,
    distil=DistilParams,
    budget=LabelBudget,
)
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
    encoder: Annotated[Path | None, typer.Option(help="encoder.safetensors to begin with [default: random].")] = None,
    pool: Annotated[list[Path], typer.Option(help="Folder of unlabelled sentences to learn from.")] = [],  # noqa: B006
    pool_tokens: Annotated[list[Path], typer.Option(help="Folder of the tokens of each --pool.")] = [],  # noqa: B006
    pool_logits: Annotated[
        list[Path], typer.Option(help="Folder of what each --teacher-logits' teacher says of each --pool.")
    ] = [],  # noqa: B006
    shards: Annotated[int, typer.Option(min=1, help="Shards in each --pool-logits.")] = 1,
    balance: Annotated[
        Balance, typer.Option(help="Give the classes of a pool train's shares: by leaving out, or by weights.")
    ] = None,
    transfer_seed: Annotated[int, typer.Option(min=0, help="Seed of what --balance leaves out.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of initial weights, dropout and data order.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all].")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs to lease for this job; the first one computes.")] = 1,
    *,
    model: StudentModelParams,
    training: TrainingParams,
    selection: SelectionParams,
    distil: DistilParams,
    budget: LabelBudget,
) -> None:
    """Train the recurrent student: distilled from teachers' logits, or as the baseline from the labels alone."""
    from distilrnn.runtime.gpu_leases import leased

    with leased(gpus):
        from distilrnn.pipeline.start import StartingPoint
        from distilrnn.pipeline.student import StudentJob, TransferInputs, train_student

        start = StartingPoint(vectors, freeze_vectors, encoder)
        pools = TransferInputs(pool, pool_tokens, pool_logits, shards, balance, transfer_seed) if pool else None
        job = StudentJob(
            tokens, model, training, selection, distil, teacher_logits, start, pools, budget, seed, threads
        )
        train_student(job, output)


if __name__ == "__main__":
    run(main)
