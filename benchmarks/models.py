"""Topics teacher, distil and baseline: this package, the textbook and Trainer + peft side by side in one process."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.console import Console
from torch import nn
from transformers import GPT2Config, GPT2Model

from benchmarks import textbook
from benchmarks.data import END_OF_TEXT, MAX_LENGTH, VOCABULARY, Data
from benchmarks.sizes import Sizes
from benchmarks.timing import interleaved, multiply_rate, ratio, seconds, spread
from benchmarks.trainer_peft import INSTALLED, TrainerPeft
from distilrnn.device import Device, multiplies_bf16, prepare
from distilrnn.distil import distil_objective, label_objective
from distilrnn.lora import linear_maps, merge
from distilrnn.params.common import TrainingParams
from distilrnn.params.student import DistilParams, StudentModelParams
from distilrnn.params.teacher import TuningParams
from distilrnn.progress import TrainingProgress
from distilrnn.student import Student
from distilrnn.teacher import Teacher, last_mlp, place, tune
from distilrnn.training import Objective, Sentences, fit, predict_logits

RANK = 4


def gpt2(sizes: Sizes) -> GPT2Config:
    """GPT-2's own shape, or a smaller one to try the code with; dropout 0 as in the reference."""
    return GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=sizes.width,
        n_layer=sizes.layers,
        n_head=sizes.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )


def our_teacher(sizes: Sizes, device: Device) -> Teacher:
    """A teacher of this package with random weights."""
    teacher = Teacher(GPT2Model(gpt2(sizes)), 2)
    tune(teacher, TuningParams(rank=RANK, init="xavier"))
    return place(teacher, device)


def our_fit(
    model: nn.Module,
    data: Data,
    objective: Objective,
    epochs: int,
    device: Device,
    dev: Data | None = None,
    width: int | None = None,
    most_tokens: int | None = None,
    logits: Sequence[np.ndarray] = (),
) -> float:
    """Seconds of this package's own training loop, its validation included: on `dev`, or else on the shortest sentence.

    Where contestants are compared, the others have no validation. `logits` are the teacher's on `data` and, where that
    is given, on `dev`.
    """
    train = Sentences(data.tokens, END_OF_TEXT, width, logits[0] if logits else None)
    if dev is None:
        rows = data.tokens.lengths.argsort()[:1]
        taught = None if not logits else logits[0][rows]
        validation = Sentences(train.tokens.select(rows), END_OF_TEXT, width, taught)
    else:
        validation = Sentences(dev.tokens, END_OF_TEXT, width, logits[1] if logits else None)
    params = TrainingParams(epochs=epochs, batch_size=textbook.BATCH, learning_rate=textbook.RATE)
    with TrainingProgress("benchmark", epochs, len(data.rows), Console(file=io.StringIO())) as progress:
        return fit(model, train, validation, objective, params, 0, device, progress, most_tokens=most_tokens).seconds


def our_logits(
    teacher: Teacher, data: Data, device: Device, sizes: Sizes, batch_size: int = textbook.BATCH
) -> np.ndarray:
    """The teacher's logits [sentences, 2]."""
    sentences = Sentences(data.tokens, END_OF_TEXT)
    return predict_logits(teacher, sentences, batch_size, device, device.most_tokens(sizes.width))


def our_student(data: Data, sizes: Sizes, pooling: str = "last_token") -> Student:
    """A student with a row for every type of the whole corpus."""
    return Student(data.types, 2, StudentModelParams(embedding=sizes.width, hidden=sizes.width, pooling=pooling), 0)


def arithmetic(teacher: Teacher, data: Data, training: bool) -> float:
    """FLOPs that the linear maps need for these sentences' real tokens.

    A map costs 2 FLOPs a weight forward and 2 for its input's gradient; a frozen one has no gradient of its own; the
    adapters' matrices cost as much again for theirs. The last MLP is needed at one token a sentence. Attention's
    products, norms and the embedding, which are small, are left out.
    """
    last = {id(m) for m in linear_maps(last_mlp(teacher.body)).values()}
    tokens, sentences = sum(map(len, data.rows)), len(data.rows)
    total = 0.0
    for module in linear_maps(teacher.body).values():
        read = sentences if id(module) in last else tokens
        adapter = RANK * sum(module.weight.shape)
        total += read * (4 * module.weight.numel() + 6 * adapter if training else 2 * module.weight.numel())
    return total


def _devices(threads: int) -> dict[str, Device]:
    formats = ["fp32", *(["bf16"] if multiplies_bf16("cpu") else [])]
    return {precision: prepare(precision, threads) for precision in formats}


def _dtype(precision: str) -> torch.dtype:
    return torch.bfloat16 if precision == "bf16" else torch.float32


def _rates(found: dict[str, list[float]], counts: int) -> dict[str, list[float]]:
    return {name: [counts / value for value in values] for name, values in found.items()}


def measure_teacher(data: Data, sizes: Sizes, threads: int) -> dict:
    """LoRA training and inference: sentences per second, ratios, and the share of the measured matrix product rate."""
    devices = _devices(threads)
    ours = {precision: our_teacher(sizes, device) for precision, device in devices.items()}
    plain = textbook.Teacher(gpt2(sizes))
    optimizer = textbook.adam(plain)
    # To each contestant what its batches would hold in an epoch of the whole corpus: like lengths here, any there.
    warm_up = sizes.repeats  # of the size of the others: memory is found once, and is then at hand
    parts = [data.batches(sizes.teacher_sentences, textbook.BATCH, number) for number in range(warm_up + 1)]
    any_parts = [data.part(sizes.teacher_sentences, number) for number in range(warm_up + 1)]
    plain_parts = [textbook.dataset(part.rows, part.labels, END_OF_TEXT) for part in any_parts]
    limits = {precision: [0.0] * len(parts) for precision in devices}

    def train_ours(precision: str) -> Callable[[int], float]:
        def measure(repeat: int) -> float:
            limits[precision][repeat] = multiply_rate(_dtype(precision), size=sizes.product)
            device = devices[precision]
            return our_fit(
                ours[precision],
                parts[repeat],
                label_objective(),
                1,
                device,
                most_tokens=device.most_tokens(sizes.width),
            )

        return measure

    def infer_ours(precision: str) -> Callable[[int], float]:
        def measure(repeat: int) -> float:
            return seconds(lambda: our_logits(ours[precision], parts[repeat], devices[precision], sizes))

        return measure

    with TemporaryDirectory() as folder:
        training = {f"ours, {p}": train_ours(p) for p in devices}
        training["textbook"] = lambda r: seconds(lambda: textbook.train_teacher(plain, plain_parts[r], optimizer))
        if INSTALLED:
            trainer = TrainerPeft(gpt2(sizes), END_OF_TEXT, Path(folder))
            for p in devices:
                training[f"Trainer + peft, {p}"] = lambda r, p=p: trainer.epoch(
                    any_parts[r].rows, any_parts[r].labels, textbook.BATCH, p == "bf16"
                )
        trained = interleaved(training, sizes.repeats, warm_up)
    inference = {f"ours, {p}": infer_ours(p) for p in devices}
    inference["textbook"] = lambda r: seconds(lambda: textbook.judge(plain, plain_parts[r]))
    for teacher in ours.values():
        merge(teacher.body)  # as the rule logits does
    judged = interleaved(inference, sizes.repeats, warm_up)

    limits = {precision: values[: sizes.repeats] for precision, values in limits.items()}  # without the warm-up's
    found: dict = {"sentences": sizes.teacher_sentences, "Trainer + peft": INSTALLED}
    for topic, times in (("training", trained), ("inference", judged)):
        rates = _rates(times, sizes.teacher_sentences)
        found[topic] = {
            "sentences_per_second": {name: spread(values) for name, values in rates.items()},
            "ratios": {
                f"{name} / {other}": ratio(rates[name], rates[other])
                for name in rates
                for other in rates
                if name.startswith("ours") and not other.startswith("ours")
            },
            "share_of_limit": {
                f"ours, {p}": spread(
                    [
                        arithmetic(ours[p], part, topic == "training") / took / limit
                        for part, took, limit in zip(
                            parts[: sizes.repeats], times[f"ours, {p}"], limits[p], strict=True
                        )
                    ]
                )
                for p in devices
            },
        }
    found["limit_gflops"] = {p: spread([limit / 1e9 for limit in limits[p]]) for p in devices}
    return found


def measure_distil(data: Data, sizes: Sizes, threads: int) -> dict:
    """The whole distillation of a student, really run on a part of the corpus: its first student, and a further one."""
    devices = _devices(threads)
    device = devices.get("bf16", devices["fp32"])
    teacher = our_teacher(sizes, device)
    merge(teacher.body)  # as the rule logits does
    plain = textbook.Teacher(gpt2(sizes))
    parts = [data.batches(sizes.distil_sentences, textbook.BATCH, 100 + number) for number in range(sizes.repeats)]
    objective = distil_objective(DistilParams(temperature=textbook.TEMPERATURE))
    passes: list[float] = []
    limits: list[float] = []
    logits: list = []

    def teacher_pass(repeat: int) -> float:
        limits.append(multiply_rate(_dtype(device.precision), size=sizes.product))
        passes.append(seconds(lambda: logits.append(our_logits(teacher, parts[repeat], device, sizes))))
        return passes[-1]

    def further(repeat: int) -> float:
        student = our_student(data, sizes)
        return our_fit(student, parts[repeat], objective, sizes.epochs, device, logits=[logits[repeat]])

    def plainly(repeat: int) -> float:
        student = textbook.Student(VOCABULARY, sizes.width)
        sentences = textbook.dataset(parts[repeat].rows, parts[repeat].labels, END_OF_TEXT)
        optimizer = textbook.adam(student)
        return seconds(lambda: textbook.distil(plain, student, sentences, optimizer, sizes.epochs))

    found = interleaved({"pass": teacher_pass, "further student": further, "textbook": plainly}, sizes.repeats)
    first = [one + other for one, other in zip(found["pass"], found["further student"], strict=True)]
    # Were every product at the measured rate and all else free: what the first student cannot be faster than.
    bound = [
        plain_time / (arithmetic(teacher, part, False) / limit + student)
        for plain_time, part, limit, student in zip(
            found["textbook"], parts, limits, found["further student"], strict=True
        )
    ]
    return {
        "sentences": sizes.distil_sentences,
        "epochs": sizes.epochs,
        "precision": device.precision,
        "seconds": {
            "first student": spread(first),
            "further student": spread(found["further student"]),
            "the teacher's pass in it": spread(found["pass"]),
            "textbook, each student": spread(found["textbook"]),
        },
        "ratios": {
            "first student / textbook": ratio(found["textbook"], first),
            "further student / textbook": ratio(found["textbook"], found["further student"]),
        },
        "bound_of_first_student": spread(bound),
    }


def measure_baseline(data: Data, sizes: Sizes, threads: int) -> dict:
    """One epoch of the RNN on labels; also read at the last time step, as the reference does."""
    parts = [data.batches(sizes.baseline_sentences, textbook.BATCH, 200 + number) for number in range(sizes.repeats)]
    plain_parts = [textbook.dataset(part.rows, part.labels, END_OF_TEXT) for part in parts]
    contestants: dict[str, Callable[[int], float]] = {}
    for precision, device in _devices(threads).items():
        for pooling, width in (("last_token", None), ("last_step", MAX_LENGTH)):
            student = our_student(data, sizes, pooling)
            contestants[f"ours, {pooling.replace('_', ' ')}, {precision}"] = lambda r, s=student, d=device, w=width: (
                our_fit(s, parts[r], label_objective(), 1, d, width=w)
            )
    plain = textbook.Student(VOCABULARY, sizes.width)
    optimizer = textbook.adam(plain)
    ours = list(contestants)
    contestants["textbook"] = lambda r: seconds(lambda: textbook.train_student(plain, plain_parts[r], optimizer))
    rates = _rates(interleaved(contestants, sizes.repeats, warm_up=0), sizes.baseline_sentences)
    return {
        "sentences": sizes.baseline_sentences,
        "sentences_per_second": {name: spread(values) for name, values in rates.items()},
        "ratios": {f"{name} / textbook": ratio(rates[name], rates["textbook"]) for name in ours},
    }
