"""Rule teacher: tune a base language model with LoRA as a classifier."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run, with_params
from distilrnn.params.common import EpochSelectionParams
from distilrnn.params.labels import LabelBudget
from distilrnn.params.teacher import Pooling, TeacherTraining, TuningParams


@with_params(tuning=TuningParams, training=TeacherTraining, selection=EpochSelectionParams, budget=LabelBudget)
def main(
    base: Annotated[Path, typer.Option(help="Folder of the base.")],
    tokens: Annotated[Path, typer.Option(help="Folder of the tokenised corpus.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of initial weights, dropout and data order.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all].")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs to lease for this job; the first one computes.")] = 1,
    pooling: Annotated[Pooling | None, typer.Option(help="State that the head reads [default: by the base].")] = None,
    *,
    tuning: TuningParams,
    training: TeacherTraining,
    selection: EpochSelectionParams,
    budget: LabelBudget,
) -> None:
    """Tune a base language model as a classifier, and save what was trained of it."""
    from distilrnn.runtime.gpu_leases import leased

    with leased(gpus):
        from distilrnn.pipeline.teacher import TeacherJob, train_teacher

        train_teacher(TeacherJob(base, tokens, tuning, training, selection, pooling, budget, seed, threads), output)


if __name__ == "__main__":
    run(main)
