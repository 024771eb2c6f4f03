"""Rule evaluate: metrics and statistics of every system, from logits and labels alone."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run


def main(
    experiment: Annotated[Path, typer.Option(help="results/<experiment>/params.json; all files lie beside it.")],
) -> None:
    """Evaluate every system of an experiment on the same sentences.

    Writes metrics/<system>.json, metrics.json, statistics.json and curves/<system>.csv beside params.json.
    Accuracies are shares from 0 to 1, MCC is from -1 to 1, log loss and KL are in nats, times in seconds.
    Resamples, confidence and calibration bins are those of the section 'evaluate' of the params.
    """
    from rich.console import Console
    from rich.table import Table

    from distilrnn.artifacts.layout import MAJORITY, systems
    from distilrnn.params.experiment import read_experiment
    from distilrnn.params.splits import evaluation_splits
    from distilrnn.pipeline.evaluate import evaluate_experiment
    from distilrnn.report.claims import claim_sentence

    metrics, statistics = evaluate_experiment(experiment)
    splits = evaluation_splits(read_experiment(experiment).corpus.splits)
    table = Table("system", caption="accuracy in %, and MCC: means over the seeds")
    for split in splits:
        table.add_column(f"{split}\naccuracy", justify="right")
        table.add_column("\nMCC", justify="right")
    for system, values in metrics.items():
        scores = [(values[split]["accuracy"], values[split]["mcc"]) for split in splits]
        table.add_row(system, *(text for accuracy, mcc in scores for text in (f"{100 * accuracy:.1f}", f"{mcc:.3f}")))
    console = Console(highlight=False)
    console.print(table)
    names = {system.name: system.title for system in [MAJORITY, *systems(read_experiment(experiment))]}
    for claim in statistics.claims:
        console.print(claim_sentence(claim, names))


if __name__ == "__main__":
    run(main)
