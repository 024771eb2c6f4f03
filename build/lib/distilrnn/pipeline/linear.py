"""Rule linear: TF-IDF and logistic regression, trained on the labels."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.artifacts.files import write_json
from distilrnn.artifacts.logits import FILE, written_logits
from distilrnn.data.corpus import read_split, read_summary
from distilrnn.data.holdout import split_holdout
from distilrnn.evaluation.confidence import HEADER_KEY, confidence_quantiles, confidences
from distilrnn.models.linear import Features, LinearClassifier, fit_weights, save_linear
from distilrnn.params.common import SelectionParams
from distilrnn.params.linear import LinearParams
from distilrnn.params.splits import DEV, HELD_OUT, TRAIN, evaluation_splits


def train_linear(corpus: Path, output: Path, params: LinearParams, selection: SelectionParams) -> dict[str, Any]:
    """Train the classifier, and write linear.safetensors, logits.safetensors and run.json into `output`.

    It learns from the same part of train as a student, and the rest chooses the penalty: of equally accurate ones the
    stronger.

    Returns:
        What run.json holds.

    Raises:
        InputError: the corpus is missing or damaged, or has no n-grams.
    """
    started = time.monotonic()
    summary = read_summary(corpus)
    classes = summary["classes"]
    train = read_split(corpus / f"{TRAIN}.tsv", len(classes))
    labels = np.array([example.label for example in train])
    rows, validation_rows = split_holdout(labels, selection)
    validation = [train[row] for row in validation_rows]
    if selection.validation == "dev":
        validation = read_split(corpus / f"{DEV}.tsv", len(classes))
    sentences = [train[row].sentence for row in rows]
    features = Features.fitted(sentences, params)
    model, c, accuracy = _fit_best(
        classes,
        features,
        sentences,
        labels[rows],
        [example.sentence for example in validation],
        np.array([example.label for example in validation]),
        sorted(params.c),
    )
    held_out = model.logits([example.sentence for example in validation])
    seconds = time.monotonic() - started
    header = {
        "kind_of_system": "linear",
        "corpus_hash": summary["hash"],
        "linear": params.model_dump(mode="json"),
        "selection": selection.model_dump(mode="json"),
        "c": c,
        "seed": 0,
        HEADER_KEY: confidence_quantiles(confidences(held_out)),
    }
    checkpoint = output / "linear.safetensors"
    save_linear(checkpoint, model, header)
    names = {"corpus_hash": summary["hash"], "classes": classes, "system": "linear", "seed": 0}
    counts = {split: summary["splits"][split]["sentences"] for split in evaluation_splits(summary["splits"])}
    with written_logits(output / FILE, {**counts, HELD_OUT: len(held_out)}, names) as logits:
        logits.pop(HELD_OUT)[:] = held_out
        for split, values in logits.items():
            values[:] = model.logits([e.sentence for e in read_split(corpus / f"{split}.tsv", len(classes))])
    run = {
        "kind": "linear",
        "seed": 0,
        "best_epoch": None,
        "c": c,
        "validation": selection.validation,
        "train": {"accuracy": float((model.logits(sentences).argmax(axis=1) == labels[rows]).mean())},
        "validation_at_best": {"accuracy": accuracy},
        "parameters": {"total": model.parameters, "trainable": model.parameters},
        "seconds": round(seconds, 3),
        "corpus_hash": summary["hash"],
        "checkpoint_bytes": checkpoint.stat().st_size,
    }
    write_json(output / "run.json", run)
    return run


def _fit_best(
    classes: list[str],
    features: Features,
    sentences: list[str],
    targets: np.ndarray,
    validation: list[str],
    labels: np.ndarray,
    strengths: list[float],
) -> tuple[LinearClassifier, float, float]:
    """The classifier of the C that is most accurate on validation, that C, and the accuracy (0 to 1)."""
    matrix = features.of(sentences)
    candidates = []
    for c in strengths:
        model = LinearClassifier(classes, features, *fit_weights(matrix, targets, c))
        candidates.append((model, c, float((model.logits(validation).argmax(axis=1) == labels).mean())))
    return max(candidates, key=lambda candidate: candidate[2])
