"""Rule teacher: tune a base on the labelled sentences."""

from pathlib import Path

from distilrnn.bases import read_base
from distilrnn.device import prepare
from distilrnn.distil import label_objective
from distilrnn.params.common import SelectionParams, TrainingParams
from distilrnn.params.teacher import TuningParams
from distilrnn.progress import TrainingProgress
from distilrnn.resume import ResumeFile
from distilrnn.stages.common import learning_sentences, write_run
from distilrnn.teacher import build_teacher, count_parameters, place, save_adapter
from distilrnn.tokens import longest_sentence, read_summary
from distilrnn.training import class_weights, fit, keeping_the_best


def train_teacher(
    base: Path,
    tokens: Path,
    output: Path,
    seed: int,
    threads: int | None,
    tuning: TuningParams,
    training: TrainingParams,
    selection: SelectionParams,
) -> None:
    """Tune the teacher, and write adapter.safetensors, curves.csv and run.json into `output`; raises BadInput."""
    summary = read_summary(tokens)
    classes = summary["classes"]
    train, validation = learning_sentences(tokens, summary, selection)
    device = prepare(training.precision, threads)
    teacher = build_teacher(base, len(classes), tuning, seed)
    teacher.require_room(longest_sentence(summary))
    parameters = count_parameters(teacher)
    place(teacher, device)
    header = {
        "base_hash": read_base(base)["hash"],
        "corpus_hash": summary["corpus_hash"],
        "tokenizer_hash": summary["tokenizer_hash"],
        "classes": classes,
        "max_length": summary["max_length"],
        "pad_id": summary["pad_id"],
        "tuning": tuning.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "selection": selection.model_dump(mode="json"),
        "seed": seed,
    }

    def save(path: Path, epoch: int) -> None:
        save_adapter(path, teacher, {**header, "best_epoch": epoch})

    weights = class_weights(train.tokens.labels, len(classes)) if training.class_weights == "balanced" else None
    resume = ResumeFile(output, {**header, "device": repr(device)})
    with TrainingProgress("teacher", training.epochs, len(train.tokens)) as progress:
        progress.say(
            f"{parameters['total']:,} parameters, {parameters['trainable']:,} trainable: "
            f"{1 - parameters['trainable'] / parameters['total']:.2%} fewer; {device.precision} on {device.name}"
        )
        with keeping_the_best(teacher, resume, save):
            objective, most_tokens = label_objective(weights), device.most_tokens(teacher.head.in_features)
            fitted = fit(teacher, train, validation, objective, training, seed, device, progress, resume, most_tokens)
    adapter = output / "adapter.safetensors"
    save(adapter, fitted.best_epoch)
    write_run(
        output,
        "teacher",
        seed,
        fitted,
        selection,
        parameters,
        len(train.tokens),
        device,
        summary["corpus_hash"],
        adapter,
    )
    resume.remove()
