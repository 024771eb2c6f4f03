"""Rules student and baseline: the recurrent classifier, taught by a teacher's logits or by the labels alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distilrnn.artifacts.files import file_hash
from distilrnn.artifacts.logits import FILE, average, load_logits, written_logits
from distilrnn.data.encoded import read_encoded_split, read_summary, union, used_token_ids
from distilrnn.data.long_texts import text_limit
from distilrnn.errors import InputError
from distilrnn.evaluation.confidence import HEADER_KEY, confidence_quantiles, confidences
from distilrnn.models.checkpoints import save_student
from distilrnn.params.common import SelectionParams, TrainingParams
from distilrnn.params.labels import ALL_LABELS, LabelBudget
from distilrnn.params.splits import HELD_OUT, TRAIN, evaluation_splits
from distilrnn.params.student import DistilParams, StudentModelParams
from distilrnn.pipeline.common import (
    as_many_steps,
    code_of,
    labelled_sentences,
    train_and_validation_sets,
    write_run,
)
from distilrnn.pipeline.pools import TransferInputs, read_pools
from distilrnn.pipeline.start import RANDOM, StartingPoint
from distilrnn.runtime.device import configure_process, multiplies_bf16, select_device
from distilrnn.training.batch import Dataset, EncodedDataset
from distilrnn.training.distillation import distil_objective
from distilrnn.training.loop import TrainingRun, fit
from distilrnn.training.losses import class_weights, label_objective
from distilrnn.training.predict import predict_logits
from distilrnn.training.progress import TrainingProgress
from distilrnn.training.resume import ResumeFile, save_best_on_divergence
from distilrnn.training.threshold import tune_biases
from distilrnn.training.transfer import with_pools


def train_student(
    tokens: Path,
    teacher_logits: Sequence[Path],
    output: Path,
    seed: int,
    threads: int | None,
    model: StudentModelParams,
    training: TrainingParams,
    selection: SelectionParams,
    distil: DistilParams,
    start: StartingPoint = RANDOM,
    transfer: TransferInputs | None = None,
    budget: LabelBudget = ALL_LABELS,
) -> None:
    """Train a student, and write student.safetensors, logits.safetensors, curves.csv and run.json into `output`.

    It learns from the mean probabilities of the teachers whose logits are given; from the labels where none are. With
    `transfer`, it learns from unlabelled sentences too. It begins with the vectors or the encoder that
    `start` names. Raises InputError.
    """
    summary = read_summary(tokens)
    classes = summary["classes"]
    width = _width(summary, model)
    taught = None
    if teacher_logits:
        sentences = {split: counts["sentences"] for split, counts in summary["splits"].items()}
        taught = average([load_logits(p, summary["corpus_hash"], classes, sentences)[0] for p in teacher_logits])
    labelled, validation = train_and_validation_sets(tokens, summary, selection, width, taught, budget)
    pools = read_pools(transfer, summary) if transfer is not None else []
    train: Dataset = labelled
    if transfer is not None:
        train = with_pools(labelled, pools, classes, transfer.balance, transfer.seed)
    missing = labelled_sentences(tokens, selection) - len(labelled)
    training = as_many_steps(training, len(train), len(train) + missing)
    configure_process(threads)
    device = select_device(training.precision)
    if device.precision == "bf16" and not multiplies_bf16(device.name):
        raise InputError("precision is bf16, in which this CPU has no recurrent layers: set it to auto or fp32")
    # Ids of the dev sets have rows too, but training never moves them: they stay what a full embedding would hold.
    of_pools = [pool.tokens.token_ids for pool in pools]
    token_ids = union(used_token_ids(tokens, summary["splits"]), [summary["pad_id"]], *of_pools)
    given = start.load(summary["tokenizer_hash"], model, len(classes))
    student = given.student(token_ids, seed).to(device.name)
    kind = "baseline" if taught is None else "distilled"
    header = {
        "kind_of_system": kind,
        "corpus_hash": summary["corpus_hash"],
        "tokenizer_hash": summary["tokenizer_hash"],
        "vocabulary": summary["vocabulary"],
        "max_length": summary["max_length"],
        "long_texts": text_limit(summary).record(),
        "pad_id": summary["pad_id"],
        "classes": classes,
        "model": model.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "selection": selection.model_dump(mode="json"),
        "labels": budget.model_dump(mode="json"),
        "distil": None if taught is None else distil.model_dump(mode="json"),
        "teacher_logits_hash": [file_hash(path) for path in teacher_logits],
        "transfer": None if transfer is None else transfer.header(),
        **start.header(),
        "seed": seed,
    }

    def save(path: Path, _epoch: float) -> None:
        trained_ids = union(used_token_ids(tokens, [TRAIN]), [summary["pad_id"]], *of_pools)
        save_student(
            path,
            given.whole(student, seed),
            given.stored(trained_ids),
            (tokens / "tokenizer.json").read_bytes(),
            header,
        )

    weights = class_weights(labelled.tokens.labels, len(classes)) if training.class_weights == "balanced" else None
    objective = label_objective(weights) if taught is None else distil_objective(distil, weights)
    resume = ResumeFile(output, {**header, "device": repr(device), "code": code_of(kind)})
    with (
        TrainingProgress(kind, training.epochs, len(train)) as progress,
        save_best_on_divergence(student, resume, save),
    ):
        run = TrainingRun(training, seed, device, progress, selection.metric, resume)
        history = fit(student, train, validation, objective, run)
    checkpoint = output / "student.safetensors"
    held_out = predict_logits(student, validation, training.batch_size, device)
    threshold = None
    if selection.threshold == "tuned":
        tuned = tune_biases(held_out, validation.tokens.labels, selection.decision_metric)
        student.add_biases(tuned.biases)
        held_out += tuned.biases
        threshold = tuned.record()
    header[HEADER_KEY] = confidence_quantiles(confidences(held_out))
    save(checkpoint, history.best_epoch)
    names = {"corpus_hash": summary["corpus_hash"], "classes": classes, "system": kind, "seed": seed}
    counts = {split: summary["splits"][split]["sentences"] for split in evaluation_splits(summary["splits"])}
    with written_logits(output / FILE, {**counts, HELD_OUT: len(held_out)}, names) as logits:
        logits.pop(HELD_OUT)[:] = held_out
        for split, values in logits.items():
            dataset = EncodedDataset(read_encoded_split(tokens, split), summary["pad_id"], width)
            predict_logits(student, dataset, training.batch_size, device, into=values)
    corpus, parameters = summary["corpus_hash"], given.whole(student, seed).count_parameters(summary["vocabulary"])
    about = {"vectors": given.about_vectors, "threshold": threshold, "labels": budget.labels}
    write_run(output, kind, seed, history, selection, parameters, len(train), device, corpus, checkpoint, about)
    resume.remove()


def _width(summary: dict[str, Any], model: StudentModelParams) -> int | None:
    if model.pooling != "last_step":
        return None
    if summary["max_length"] is None:
        raise InputError(
            "pooling last_step reads sentences padded to one length: set tokenize.max_length, or use last_token"
        )
    return summary["max_length"]
