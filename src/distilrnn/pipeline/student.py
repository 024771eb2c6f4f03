"""Rules student and baseline: the recurrent classifier, taught by a teacher's logits or by the labels alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distilrnn.artifacts.files import file_hash
from distilrnn.artifacts.logits import FILE, average, load_logits, written_logits
from distilrnn.data.encoded import EncodedSummary, read_encoded_split, read_summary, union, used_token_ids
from distilrnn.errors import InputError
from distilrnn.evaluation.confidence import confidence_quantiles, confidences
from distilrnn.models.checkpoints import save_student
from distilrnn.models.student_header import StudentHeader
from distilrnn.params.common import SelectionParams, TrainingParams
from distilrnn.params.labels import ALL_LABELS, LabelBudget
from distilrnn.params.splits import HELD_OUT, TRAIN, evaluation_splits
from distilrnn.params.student import DistilParams, StudentModelParams
from distilrnn.pipeline.common import (
    TrainedSystem,
    as_many_steps,
    code_of,
    left_out,
    train_and_validation_sets,
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
from distilrnn.training.transfer import TaughtPool, with_pools


@dataclass(frozen=True)
class StudentJob:
    """What a student learns from, and how."""

    tokens: Path
    """Folder of the tokenised corpus."""
    model: StudentModelParams
    training: TrainingParams
    selection: SelectionParams
    distil: DistilParams
    teacher_logits: Sequence[Path] = ()
    """Of the labelled sentences, of each teacher whose mean is learned from; none: it learns from the labels."""
    start: StartingPoint = RANDOM
    """The vectors or the encoder that it begins with."""
    transfer: TransferInputs | None = None
    """The unlabelled sentences that it learns from too."""
    budget: LabelBudget = ALL_LABELS
    seed: int = 0
    threads: int | None = None

    @property
    def kind(self) -> str:
        """Distilled or baseline."""
        return "distilled" if self.teacher_logits else "baseline"

    def taught(self, summary: EncodedSummary) -> dict[str, np.ndarray] | None:
        """The teachers' logits of the labelled sentences, by split; raises InputError."""
        if not self.teacher_logits:
            return None
        counts = summary.counts(summary.splits)
        return average([load_logits(p, summary.corpus_hash, summary.classes, counts)[0] for p in self.teacher_logits])

    def width(self, summary: EncodedSummary) -> int | None:
        """Tokens to which sentences are padded; raises InputError where last_step has none to pad to."""
        if self.model.pooling != "last_step":
            return None
        if summary.max_length is None:
            raise InputError(
                "pooling last_step reads sentences padded to one length: set tokenize.max_length, or use last_token"
            )
        return summary.max_length

    def header(self, summary: EncodedSummary, training: TrainingParams) -> StudentHeader:
        """What the student's file says of itself."""
        return StudentHeader(
            kind_of_system=self.kind,
            corpus_hash=summary.corpus_hash,
            tokenizer_hash=summary.tokenizer_hash,
            vocabulary=summary.vocabulary,
            max_length=summary.max_length,
            long_texts=summary.text_limit,
            pad_id=summary.pad_id,
            classes=summary.classes,
            model=self.model,
            training=training.model_dump(mode="json"),
            selection=self.selection.model_dump(mode="json"),
            labels=self.budget,
            distil=self.distil.model_dump(mode="json") if self.teacher_logits else None,
            teacher_logits_hash=[file_hash(path) for path in self.teacher_logits],
            transfer=None if self.transfer is None else self.transfer.header(),
            **self.start.header(),
            seed=self.seed,
        )


def train_student(job: StudentJob, output: Path) -> None:
    """Train a student, and write student.safetensors, logits.safetensors, curves.csv and run.json into `output`.

    Raises InputError.
    """
    tokens, selection, seed = job.tokens, job.selection, job.seed
    summary = read_summary(tokens)
    classes, width, taught = summary.classes, job.width(summary), job.taught(summary)
    labelled, validation = train_and_validation_sets(tokens, summary, selection, width, taught, job.budget)
    train: Dataset = labelled
    pools: list[TaughtPool] = []
    if job.transfer is not None:
        pools = read_pools(job.transfer, summary)
        train = with_pools(labelled, pools, classes, job.transfer.balance, job.transfer.seed)
    training = as_many_steps(job.training, len(train), len(train) + left_out(tokens, selection, job.budget))
    configure_process(job.threads)
    device = select_device(training.precision)
    if device.precision == "bf16" and not multiplies_bf16(device.name):
        raise InputError("precision is bf16, in which this CPU has no recurrent layers: set it to auto or fp32")
    # Ids of the dev sets have rows too, but training never moves them: they stay what a full embedding would hold.
    of_pools = [pool.tokens.token_ids for pool in pools]
    token_ids = union(used_token_ids(tokens, summary.splits), [summary.pad_id], *of_pools)
    given = job.start.load(summary.tokenizer_hash, job.model, len(classes))
    student = given.student(token_ids, seed).to(device.name)
    header = job.header(summary, training)

    def save(path: Path, header: StudentHeader) -> None:
        trained_ids = union(used_token_ids(tokens, [TRAIN]), [summary.pad_id], *of_pools)
        tokenizer = (tokens / "tokenizer.json").read_bytes()
        save_student(path, given.whole(student, seed), given.stored(trained_ids), tokenizer, header)

    weights = class_weights(labelled.tokens.labels, len(classes)) if training.class_weights == "balanced" else None
    objective = label_objective(weights) if taught is None else distil_objective(job.distil, weights)
    resume = ResumeFile(output, {**header.to_json(), "device": repr(device), "code": code_of(job.kind)})
    with (
        TrainingProgress(job.kind, training.epochs, len(train)) as progress,
        save_best_on_divergence(student, resume, lambda path, _: save(path, header)),
    ):
        run = TrainingRun(training, seed, device, progress, selection.metric, resume)
        history = fit(student, train, validation, objective, run)
    held_out = predict_logits(student, validation, training.batch_size, device)
    threshold = None
    if selection.decision_metric is not None:
        tuned = tune_biases(held_out, validation.tokens.labels, selection.decision_metric)
        student.add_biases(tuned.biases)
        held_out += tuned.biases
        threshold = tuned.record()
    quantiles = confidence_quantiles(confidences(held_out))
    checkpoint = output / "student.safetensors"
    save(checkpoint, header.model_copy(update={"confidence_quantiles": quantiles}))
    names = {"corpus_hash": summary.corpus_hash, "classes": classes, "system": job.kind, "seed": seed}
    counts = summary.counts(evaluation_splits(summary.splits))
    with written_logits(output / FILE, {**counts, HELD_OUT: len(held_out)}, names) as logits:
        logits.pop(HELD_OUT)[:] = held_out
        for split, values in logits.items():
            dataset = EncodedDataset(read_encoded_split(tokens, split), summary.pad_id, width)
            predict_logits(student, dataset, training.batch_size, device, into=values)
    parameters = given.whole(student, seed).count_parameters(summary.vocabulary)
    made = TrainedSystem(job.kind, header, checkpoint, history, selection, device, parameters, len(train))
    made.write(output, vectors=given.about_vectors, threshold=threshold)
    resume.remove()
