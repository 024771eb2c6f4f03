"""Rule linear: TF-IDF and logistic regression."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run, with_params
from distilrnn.params.common import SelectionParams
from distilrnn.params.labels import LabelBudget
from distilrnn.params.linear import LinearParams


@with_params(linear=LinearParams, selection=SelectionParams, budget=LabelBudget)
def main(
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    teacher_logits: Annotated[
        list[Path],
        typer.Option(help="A teacher's logits.safetensors; of several, the mean [default: learn from the labels]."),
    ] = [],  # noqa: B006 - Typer's way of an option that may be given several times
    pool: Annotated[list[Path], typer.Option(help="Folder of unlabelled sentences.")] = [],  # noqa: B006
    pool_logits: Annotated[
        list[Path], typer.Option(help="Folder of a teacher's logits of a pool: all of the first pool, then the next.")
    ] = [],  # noqa: B006
    shards: Annotated[int, typer.Option(min=1, help="Shards of each pool's logits.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The teacher's seed; it changes nothing else.")] = 0,
    *,
    linear: LinearParams,
    selection: SelectionParams,
    budget: LabelBudget,
) -> None:
    """Train a linear classifier of word and character n-grams: what a user would take instead of a student."""
    from distilrnn.pipeline.linear import LinearTeacher, train_linear

    teacher = LinearTeacher(teacher_logits, pool, pool_logits, shards) if teacher_logits else None
    made = train_linear(corpus, output, linear, selection, teacher, seed, budget)
    accuracy = 100 * made.validation_at_best.accuracy
    print(f"C = {made.c:g}, {accuracy:.1f} % of the validation sentences right, {made.seconds:.1f} s")


if __name__ == "__main__":
    run(main)
