"""Rule linear: TF-IDF and logistic regression, trained on the labels or on a teacher's probabilities."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import log_softmax, softmax

from distilrnn.artifacts.files import file_hash, require_equal
from distilrnn.artifacts.logits import FILE, average, load_logits, written_logits
from distilrnn.artifacts.runs import ParameterCounts, PointScores, TrainingRecord
from distilrnn.artifacts.transfer import PoolLogits, read_pool, read_sentences, shard_folders
from distilrnn.data.corpus import CorpusSummary, read_split, read_summary
from distilrnn.data.holdout import split_holdout
from distilrnn.errors import InputError
from distilrnn.evaluation.confidence import confidence_quantiles, confidences
from distilrnn.evaluation.confusion import accuracy, confusion, macro_f1, mcc
from distilrnn.models.linear import Features, LinearClassifier, LinearHeader, fit_weights, save_linear
from distilrnn.orchestration.code import code_version
from distilrnn.params.common import SelectionParams
from distilrnn.params.labels import ALL_LABELS, LabelBudget
from distilrnn.params.linear import LinearParams
from distilrnn.params.splits import DEV, HELD_OUT, TRAIN, evaluation_splits
from distilrnn.training.threshold import tune_biases


@dataclass(frozen=True)
class LinearTeacher:
    """What a distilled classifier learns from."""

    logits: Sequence[Path]
    """logits.safetensors of the labelled sentences, of one teacher's run or of several, whose mean counts."""
    pools: Sequence[Path] = ()
    """Folders of unlabelled sentences."""
    pool_logits: Sequence[Path] = ()
    """Folders of shards, of each pool as many as there are teachers' runs."""
    shards: int = 1

    def labelled(self, summary: CorpusSummary) -> np.ndarray:
        """Log-probabilities of train's sentences, or the logits of a single run: float32 [sentences, classes]."""
        sentences = {TRAIN: summary.splits[TRAIN].sentences}
        runs = [load_logits(path, summary.hash, summary.classes, sentences)[0] for path in self.logits]
        return average(runs)[TRAIN]

    def unlabelled(self, summary: CorpusSummary) -> Iterator[tuple[list[str], np.ndarray]]:
        """The sentences of each pool, and what `labelled` gives for them; raises InputError."""
        runs = len(self.logits)
        if len(self.pool_logits) != runs * len(self.pools):
            raise InputError(
                f"--pool is given {len(self.pools)} times and --pool-logits {len(self.pool_logits)} times: name the "
                "logits of each teacher for each pool"
            )
        for place, folder in enumerate(self.pools):
            pool = read_pool(folder)
            require_equal(pool.corpus_hash, summary.hash, folder, "corpus")
            sentences = list(read_sentences(folder))
            members = []
            for logits in self.pool_logits[place * runs : (place + 1) * runs]:
                shards = shard_folders(logits, self.shards)
                read = PoolLogits(shards, pool.hash, summary.classes, len(sentences))
                members.append({"pool": read.rows(np.arange(len(sentences)))})
            yield sentences, average(members)["pool"]


def train_linear(
    corpus: Path,
    output: Path,
    params: LinearParams,
    selection: SelectionParams,
    teacher: LinearTeacher | None = None,
    seed: int = 0,
    budget: LabelBudget = ALL_LABELS,
) -> TrainingRecord:
    """Train the classifier, and write linear.safetensors, logits.safetensors and run.json into `output`.

    It learns from the same part of train as a student, and the labels of the rest choose the penalty: of equally
    accurate ones the stronger. With a teacher, its probabilities take the labels' place, and those of unlabelled
    sentences come along. `seed` is the teacher's, and changes nothing else.

    Returns:
        What run.json holds.

    Raises:
        InputError: the corpus is missing or damaged, or has no n-grams.
    """
    started = time.monotonic()
    summary = read_summary(corpus)
    classes = summary.classes
    train = read_split(corpus / f"{TRAIN}.tsv", len(classes))
    labels = np.array([example.label for example in train])
    rows, validation_rows = split_holdout(labels, selection, budget)
    validation = [train[row] for row in validation_rows]
    if selection.validation == "dev":
        validation = read_split(corpus / f"{DEV}.tsv", len(classes))
    sentences = [train[row].sentence for row in rows]
    learned, targets = sentences, labels[rows]
    if teacher is not None:
        pools = list(teacher.unlabelled(summary))
        learned = [*sentences, *(sentence for pool, _ in pools for sentence in pool)]
        targets = softmax(np.concatenate([teacher.labelled(summary)[rows], *(logits for _, logits in pools)]), axis=1)
    features = Features.fitted(learned, params)
    of_validation = np.array([example.label for example in validation])
    model, c = _fit_best(
        classes,
        features,
        learned,
        targets,
        [example.sentence for example in validation],
        of_validation,
        sorted(params.c),
    )
    held_out = model.logits([example.sentence for example in validation])
    threshold = None
    if selection.decision_metric is not None:
        tuned = tune_biases(held_out, of_validation, selection.decision_metric)
        model = model.with_biases(tuned.biases)
        held_out = model.logits([example.sentence for example in validation])
        threshold = tuned.record()
    seconds = time.monotonic() - started
    header = LinearHeader(
        kind_of_system="linear",
        corpus_hash=summary.hash,
        linear=params.model_dump(mode="json"),
        selection=selection.model_dump(mode="json"),
        labels=budget,
        c=c,
        seed=seed,
        teacher_logits_hash=[file_hash(path) for path in (teacher.logits if teacher else ())],
        confidence_quantiles=confidence_quantiles(confidences(held_out)),
    )
    checkpoint = output / "linear.safetensors"
    save_linear(checkpoint, model, header)
    names = {"corpus_hash": summary.hash, "classes": classes, "system": "linear", "seed": seed}
    counts = {split: summary.splits[split].sentences for split in evaluation_splits(summary.splits)}
    with written_logits(output / FILE, {**counts, HELD_OUT: len(held_out)}, names) as logits:
        logits.pop(HELD_OUT)[:] = held_out
        for split, values in logits.items():
            values[:] = model.logits([e.sentence for e in read_split(corpus / f"{split}.tsv", len(classes))])
    run = TrainingRecord(
        kind="linear",
        code=code_version("linear"),
        seed=seed,
        sentences=len(learned),
        **({} if budget.labels is None else {"labels": budget.labels}),
        best_epoch=None,
        c=c,
        validation=selection.validation,
        train=PointScores(accuracy=float((model.logits(sentences).argmax(axis=1) == labels[rows]).mean())),
        validation_at_best=_measured(held_out, of_validation),
        **({} if threshold is None else {"threshold": threshold}),
        parameters=ParameterCounts(total=model.parameters, trainable=model.parameters),
        seconds=round(seconds, 3),
        corpus_hash=summary.hash,
        checkpoint_bytes=checkpoint.stat().st_size,
    )
    run.write(output / "run.json")
    return run


def _fit_best(
    classes: list[str],
    features: Features,
    sentences: list[str],
    targets: np.ndarray,
    validation: list[str],
    labels: np.ndarray,
    strengths: list[float],
) -> tuple[LinearClassifier, float]:
    """The classifier of the C that is most accurate on validation, and that C."""
    matrix = features.of(sentences)
    candidates = []
    for c in strengths:
        model = LinearClassifier(classes, features, *fit_weights(matrix, targets, c))
        candidates.append((model, c, float((model.logits(validation).argmax(axis=1) == labels).mean())))
    best, c, _ = max(candidates, key=lambda candidate: candidate[2])
    return best, c


def _measured(logits: np.ndarray, labels: np.ndarray) -> PointScores:
    """What run.json says of the validation sentences, from logits [n, K] and labels [n]."""
    counts = confusion(labels, logits.argmax(axis=1), logits.shape[1])
    loss = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels].mean()
    return PointScores(
        loss=float(loss), accuracy=float(accuracy(counts)), mcc=float(mcc(counts)), macro_f1=macro_f1(counts)
    )
