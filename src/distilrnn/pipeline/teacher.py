"""Rule teacher: tune a base on the labelled sentences."""

from dataclasses import replace
from pathlib import Path

from distilrnn.data.encoded import longest_sentence, read_summary
from distilrnn.data.long_texts import text_limit
from distilrnn.models.adapters import save_adapter
from distilrnn.models.bases import read_base
from distilrnn.models.parameters import count_parameters
from distilrnn.models.teacher import build_teacher, place
from distilrnn.params.common import SelectionParams
from distilrnn.params.labels import ALL_LABELS, LabelBudget
from distilrnn.params.teacher import Pooling, TeacherTraining, TuningParams
from distilrnn.pipeline.common import (
    as_many_steps,
    code_of,
    labelled_sentences,
    train_and_validation_sets,
    write_run,
)
from distilrnn.runtime.device import configure_process, select_device
from distilrnn.training.loop import TrainingRun, fit
from distilrnn.training.losses import class_weights, label_objective
from distilrnn.training.progress import TrainingProgress
from distilrnn.training.resume import ResumeFile, save_best_on_divergence


def train_teacher(
    base: Path,
    tokens: Path,
    output: Path,
    seed: int,
    threads: int | None,
    tuning: TuningParams,
    training: TeacherTraining,
    selection: SelectionParams,
    pooling: Pooling | None = None,
    budget: LabelBudget = ALL_LABELS,
) -> None:
    """Tune the teacher, and write adapter.safetensors, curves.csv and run.json into `output`; raises InputError."""
    summary = read_summary(tokens)
    classes = summary["classes"]
    train, validation = train_and_validation_sets(tokens, summary, selection, budget=budget)
    share = len(train) / labelled_sentences(tokens, selection)
    limit = text_limit(summary)
    if limit.policy == "windows":  # each with its text's label, so that memory is a window's, however long the text
        train = replace(train, tokens=train.tokens.windows(limit))
    training = as_many_steps(training, len(train), round(len(train) / share))
    configure_process(threads)
    device = select_device(training.precision)
    teacher = build_teacher(base, len(classes), tuning, seed, pooling)
    teacher.limit = limit
    teacher.require_room(longest_sentence(summary))
    if training.gradient_checkpointing:
        teacher.checkpoint_gradients()
    parameters = count_parameters(teacher)
    place(teacher, device)
    header = {
        "base_hash": read_base(base)["hash"],
        "corpus_hash": summary["corpus_hash"],
        "tokenizer_hash": summary["tokenizer_hash"],
        "classes": classes,
        "max_length": summary["max_length"],
        "long_texts": limit.record(),
        "pad_id": summary["pad_id"],
        "pooling": teacher.pooling,
        "tuning": tuning.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "selection": selection.model_dump(mode="json"),
        "labels": budget.model_dump(mode="json"),
        "seed": seed,
    }

    def save(path: Path, epoch: float) -> None:
        save_adapter(path, teacher, {**header, "best_epoch": epoch})

    weights = class_weights(train.tokens.labels, len(classes)) if training.class_weights == "balanced" else None
    resume = ResumeFile(output, {**header, "device": repr(device), "code": code_of("teacher")})
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
    write_run(
        output,
        "teacher",
        seed,
        history,
        selection,
        parameters,
        len(train),
        device,
        summary["corpus_hash"],
        adapter,
        {"labels": budget.labels},
    )
    resume.remove()
