"""Rule teacher: tune a base on the labelled sentences."""

from dataclasses import dataclass, replace
from pathlib import Path

from distilrnn.data.encoded import read_summary
from distilrnn.models.adapters import save_adapter
from distilrnn.models.bases import read_base
from distilrnn.models.parameters import count_parameters
from distilrnn.models.teacher import build_teacher, place
from distilrnn.models.teacher_header import TeacherHeader
from distilrnn.params.common import EpochSelectionParams
from distilrnn.params.labels import ALL_LABELS, LabelBudget
from distilrnn.params.teacher import Pooling, TeacherTraining, TuningParams
from distilrnn.pipeline.common import (
    TrainedSystem,
    as_many_steps,
    code_of,
    left_out,
    train_and_validation_sets,
)
from distilrnn.runtime.device import configure_process, select_device
from distilrnn.training.loop import TrainingRun, fit
from distilrnn.training.losses import class_weights, label_objective
from distilrnn.training.progress import TrainingProgress
from distilrnn.training.resume import ResumeFile, save_best_on_divergence


@dataclass(frozen=True)
class TeacherJob:
    """Which base is tuned on what, and how."""

    base: Path
    tokens: Path
    """Folder of the tokenised corpus."""
    tuning: TuningParams
    training: TeacherTraining
    selection: EpochSelectionParams
    pooling: Pooling | None = None
    """None: that of the base."""
    budget: LabelBudget = ALL_LABELS
    seed: int = 0
    threads: int | None = None


def train_teacher(job: TeacherJob, output: Path) -> None:
    """Tune the teacher, and write adapter.safetensors, curves.csv and run.json into `output`; raises InputError."""
    tuning, selection, seed = job.tuning, job.selection, job.seed
    summary = read_summary(job.tokens)
    classes = summary.classes
    train, validation = train_and_validation_sets(job.tokens, summary, selection, budget=job.budget)
    training = as_many_steps(job.training, len(train), len(train) + left_out(job.tokens, selection, job.budget))
    limit = summary.text_limit
    if limit.policy == "windows":  # each with its text's label, so that memory is a window's, however long the text
        train = replace(train, tokens=train.tokens.windows(limit))
    configure_process(job.threads)
    device = select_device(training.precision)
    teacher = build_teacher(job.base, len(classes), tuning, seed, job.pooling)
    teacher.limit = limit
    teacher.require_room(summary.longest_sentence)
    if training.gradient_checkpointing:
        teacher.checkpoint_gradients()
    parameters = count_parameters(teacher)
    place(teacher, device)
    header = TeacherHeader(
        base_hash=read_base(job.base)["hash"],
        corpus_hash=summary.corpus_hash,
        tokenizer_hash=summary.tokenizer_hash,
        classes=classes,
        max_length=summary.max_length,
        long_texts=limit,
        pad_id=summary.pad_id,
        pooling=teacher.pooling,
        tuning=tuning,
        training=training.model_dump(mode="json"),
        selection=selection.model_dump(mode="json"),
        labels=job.budget,
        seed=seed,
    )

    def save(path: Path, epoch: float) -> None:
        save_adapter(path, teacher, header.model_copy(update={"best_epoch": epoch}))

    weights = class_weights(train.tokens.labels, len(classes)) if training.class_weights == "balanced" else None
    resume = ResumeFile(output, {**header.to_json(), "device": repr(device), "code": code_of("teacher")})
    with TrainingProgress("teacher", training.epochs, len(train)) as progress:
        progress.say(
            f"{parameters['total']:,} parameters, {parameters['trainable']:,} trainable: "
            f"{1 - parameters['trainable'] / parameters['total']:.2%} fewer; {device.precision} on {device.name}"
        )
        for note in teacher.notes:
            progress.say(note)
        with save_best_on_divergence(teacher, resume, save):
            objective, max_tokens = label_objective(weights), device.max_tokens(teacher.head.in_features)
            run = TrainingRun(training, seed, device, progress, selection.metric, resume, max_tokens)
            history = fit(teacher, train, validation, objective, run)
    adapter = output / "adapter.safetensors"
    save(adapter, history.best_epoch)
    made = TrainedSystem("teacher", header, adapter, history, selection, device, parameters, len(train))
    made.write(output)
    resume.remove()
