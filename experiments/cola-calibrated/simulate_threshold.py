"""What thresholds cost that are chosen on few sentences: `python experiments/cola-calibrated/simulate_threshold.py`.

Two classes of CoLA's shares with normal scores (the binormal model) and the area under the ROC curve that `cola`'s
recorded students have in-domain; accuracy is that of the whole population, and so without sampling noise of its own.
"""

from typing import Annotated

import numpy as np
import typer
from scipy.stats import norm

from distilrnn.training.threshold import tune_biases

ACCEPTABLE = 0.695
"""Share of the larger class."""


def main(
    sentences: Annotated[int, typer.Option(help="Held-out sentences.")] = 855,
    area: Annotated[float, typer.Option(help="Area under the ROC curve.")] = 0.757,
    rounds: Annotated[int, typer.Option(help="Held-out parts that are drawn.")] = 400,
) -> None:
    """Print the accuracy that is left of the best possible one, as mean and standard deviation over the rounds."""
    distance = norm.ppf(area) * 2**0.5

    def accuracy(thresholds: np.ndarray) -> np.ndarray:
        """Of decisions at these scores."""
        return (1 - ACCEPTABLE) * norm.cdf(thresholds) + ACCEPTABLE * norm.sf(thresholds - distance)

    generator = np.random.default_rng(0)
    found: dict[str, list[float]] = {"accuracy": [], "loss": [], "mcc": []}
    for _ in range(rounds):
        labels = (generator.random(sentences) < ACCEPTABLE).astype(np.int64)
        scores = generator.normal(size=sentences) + distance * labels
        logits = np.stack([np.zeros(sentences), scores], axis=1)
        for metric, thresholds in found.items():
            thresholds.append(-float(tune_biases(logits, labels, metric).biases[1]))
    print(f"best possible: {100 * accuracy(np.linspace(-5, 5, 10_001)).max():.2f} %")
    for metric, thresholds in found.items():
        reached = 100 * accuracy(np.array(thresholds))
        print(f"threshold for {metric}: {reached.mean():.2f} ± {reached.std():.2f} %")


if __name__ == "__main__":
    typer.run(main)
