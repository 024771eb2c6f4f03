"""Topic inference: students in each of their forms, what one would take instead, and teachers, from text to answer."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.jobs import Place
from benchmarks.sizes import Sizes
from benchmarks.students import STUDENTS, untrained_header
from benchmarks.timing import run, spread
from distilrnn.data.corpus import Example
from distilrnn.data.tokenizer import learn_words
from distilrnn.export.students import FP32, INT8, export_student, write_export
from distilrnn.models.checkpoints import save_student
from distilrnn.models.linear import Features, LinearClassifier, LinearHeader, fit_weights, save_linear
from distilrnn.models.student import Student
from distilrnn.params.linear import LinearParams

VOCABULARY = 30_000
"""Token types of the students' tokenizer, of which a corpus has seen some: a student has rows for those."""
CHECKPOINT = "student.safetensors"
FORMS = {"numpy": CHECKPOINT, "torch": CHECKPOINT, "ONNX fp32": FP32, "ONNX int8": INT8}
"""The forms of a student, and the file of each."""
PREDICT = [sys.executable, "-c", "from distilrnn.cli.main import app; app()", "predict"]
"""What the command `distilrnn predict` runs."""
NO_FASTTEXT = "fasttext is not installed: skipped"


@dataclass(frozen=True)
class System:
    """Something to ask."""

    name: str
    kind: str
    """Of benchmarks/ask.py."""
    path: Path | str
    bytes: int | None
    """Size of the files that it needs."""
    counts: tuple[int, ...]
    """Sentences that it is asked at once."""
    lone: int
    """Sentences that it is asked one by one."""


def sentences(examples: list[Example], count: int) -> list[str]:
    """So many different sentences of the same words: the corpus's own, then the same with their words shuffled."""
    random = np.random.RandomState(0)
    found = []
    for number in range(count):
        words = examples[number % len(examples)].sentence.split()
        if number >= len(examples):
            random.shuffle(words)
        found.append(" ".join(words))
    return found


def make_students(folder: Path, texts: list[str], names: Sequence[str] = tuple(STUDENTS)) -> dict[str, Path]:
    """A folder of files for each student, whose weights are random."""
    made_up = (f"type{number}" for number in range(VOCABULARY))
    tokenizer = learn_words(iter([*texts, *made_up]), VOCABULARY, 1, True)
    seen = np.unique([0, 1, *(token for encoding in tokenizer.encode_batch_fast(texts) for token in encoding.ids)])
    for name in names:
        model = STUDENTS[name]
        header = untrained_header(model, VOCABULARY)
        checkpoint = folder / name / CHECKPOINT
        save_student(checkpoint, Student(seen, 2, model, 0), seen, tokenizer.to_str().encode(), header)
        exported = export_student(checkpoint, seen, int8=True)
        write_export(checkpoint.parent, exported, exported.about)
    return {name: folder / name for name in names}


def make_linear(path: Path, texts: list[str], labels: np.ndarray) -> Path:
    """TF-IDF and logistic regression, as the rule linear makes it."""
    features = Features.fitted(texts, LinearParams())
    weights, bias = fit_weights(features.of(texts), labels, 1.0)
    save_linear(path, LinearClassifier(["no", "yes"], features, weights, bias), LinearHeader())
    return path


def make_fasttext(path: Path, texts: list[str], labels: np.ndarray) -> Path | None:
    """A fastText classifier with its own defaults and word pairs; None where it is not installed."""
    try:
        import fasttext
    except ImportError:
        return None
    file = path.with_suffix(".txt")
    lines = (f"__label__{label} {text}\n" for label, text in zip(labels, texts, strict=True))
    file.write_text("".join(lines), encoding="utf-8")
    model = fasttext.train_supervised(str(file), wordNgrams=2, bucket=200_000, verbose=0, thread=1)
    model.save_model(str(path))
    return path


def make_systems(place: Place, sizes: Sizes) -> list[System]:
    """All that is asked."""
    texts = [example.sentence for example in place.examples]
    labels = np.array([example.label for example in place.examples])
    folder = place.folder / "inference"
    folder.mkdir()
    counts = sizes.asked
    found = []
    for name, files in make_students(folder, texts, sizes.students).items():
        for form, file in FORMS.items():
            needed = [file] if form in ("numpy", "torch") else [file, "tokenizer.json"]
            size = sum((files / one).stat().st_size for one in needed)
            kind = "torch" if form == "torch" else "file"
            found.append(System(f"{name}, {form}", kind, files / file, size, counts, sizes.asked_alone))
    linear = make_linear(folder / "linear.safetensors", texts, labels)
    found.append(System("TF-IDF, linear", "file", linear, linear.stat().st_size, counts, sizes.asked_alone))
    fast = make_fasttext(folder / "fasttext.bin", texts, labels)
    if fast is not None:
        found.append(System("fastText", "fasttext", fast, fast.stat().st_size, counts, sizes.asked_alone))
    for name in ("MiniLM", "GPT-2", "Gemma 3 270M"):
        shape = f"{name}/tiny" if sizes.tiny else name
        found.append(System(f"teacher {name}", "teacher", shape, None, sizes.teacher_asked, sizes.teacher_asked_alone))
    return found


def ask(system: System, file: Path, threads: int, repeats: int) -> dict[str, Any]:
    """What benchmarks/ask.py prints, and the most memory that it had."""
    words = [sys.executable, "-m", "benchmarks.ask", system.kind, system.path, file, threads, repeats, system.lone]
    ended = run([str(word) for word in (*words, *system.counts)], threads, environment=cores(threads))
    return {**json.loads(ended.output.splitlines()[-1]), "peak_mb": ended.peak_mb}


def cores(threads: int) -> dict[str, str]:
    """What has libraries use so many cores."""
    names = ("RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {name: str(threads) for name in names}


def measure_inference(place: Place, sizes: Sizes) -> dict:
    """Each system in a process of its own, all in turn, then all again; then the command line."""
    systems = make_systems(place, sizes)
    asked = place.folder / "asked.txt"
    many = sentences(place.examples, max(sizes.asked))
    asked.write_text("".join(f"{text}\n" for text in many), encoding="utf-8")
    numbers = sorted({1, place.threads})
    found: dict[str, dict[str, Any]] = {
        system.name: {"file_bytes": system.bytes, "threads": {str(n): {"runs": []} for n in numbers}}
        for system in systems
    }
    for _ in range(sizes.repeats):
        for system in systems:
            for threads in numbers if system.kind != "teacher" else numbers[-1:]:
                one = ask(system, asked, threads, 1)
                found[system.name]["threads"][str(threads)]["runs"].append(one)
    for figures in found.values():
        figures["threads"] = {n: _summary(of["runs"]) for n, of in figures["threads"].items() if of["runs"]}
    return {
        "systems": found,
        "command": {
            f"{name}, {form}": _command(place.folder / "inference" / name / FORMS[form], asked, place.threads, sizes)
            for name in sizes.students
            for form in ("numpy", "ONNX fp32")
        },
        "asked": list(sizes.asked),
        "mean_words": float(np.mean([len(text.split()) for text in many])),
        "vocabulary": VOCABULARY,
        "fastText": "measured" if "fastText" in found else NO_FASTTEXT,
    }


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "lone_ms_p50": spread([float(np.percentile(one["lone_ms"], 50)) for one in runs]),
        "lone_ms_p99": spread([float(np.percentile(one["lone_ms"], 99)) for one in runs]),
        **{
            key: {count: spread([value for one in runs for value in one[key][count]]) for count in runs[0][key]}
            for key in ("seconds", "cpu_seconds")
        },
        "load_seconds": spread([one["load_seconds"] for one in runs]),
        "peak_mb": spread([one["peak_mb"] for one in runs]),
    }


def _command(checkpoint: Path, asked: Path, threads: int, sizes: Sizes) -> dict[str, Any]:
    """`distilrnn predict` of a sentence, and of all sentences of a file."""
    alone = [run([*PREDICT, checkpoint, "What a waste of time."]) for _ in range(sizes.starts)]
    whole = [run([*PREDICT, checkpoint, "--file", asked], threads) for _ in range(sizes.repeats)]
    return {
        "cold_start_seconds": spread([one.seconds for one in alone]),
        "cold_start_cpu_seconds": spread([one.cpu_seconds for one in alone]),
        "cold_start_peak_mb": max(one.peak_mb for one in alone),
        "file_seconds": spread([one.seconds for one in whole]),
        "file_cpu_seconds": spread([one.cpu_seconds for one in whole]),
        "file_peak_mb": max(one.peak_mb for one in whole),
    }


def rows(figures: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """For the table."""
    for name, system in figures["systems"].items():
        for threads, of in system["threads"].items():
            alone, tail = of["lone_ms_p50"], of["lone_ms_p99"]
            label = f"{name}, {threads} thread{'s' if threads != '1' else ''}"
            yield (
                f"{label}: a lone sentence",
                f"{alone['median']:.3f} ms (p99 {tail['median']:.3f})",
                f"{alone['low']:.3f} to {alone['high']:.3f}",
            )
            count, seconds = max(of["seconds"].items(), key=lambda item: int(item[0]))
            range_ = (
                f"{seconds['low']:.2f} to {seconds['high']:.2f} s, {of['cpu_seconds'][count]['low']:.2f} of a core; "
                f"{of['peak_mb']['median']:.0f} MB"
            )
            yield f"{label}: {int(count):,} sentences", f"{seconds['median']:.2f} s", range_
    for name, of in figures["command"].items():
        cold, whole = of["cold_start_seconds"], of["file_seconds"]
        yield (
            f"distilrnn predict, {name}: cold start",
            f"{cold['median']:.2f} s",
            f"{cold['low']:.2f} to {cold['high']:.2f} s, {of['cold_start_cpu_seconds']['low']:.2f} of a core; "
            f"{of['cold_start_peak_mb']:.0f} MB",
        )
        yield (
            f"distilrnn predict, {name}: {max(figures['asked']):,} sentences of a file",
            f"{whole['median']:.2f} s",
            f"{whole['low']:.2f} to {whole['high']:.2f} s, {of['file_cpu_seconds']['low']:.2f} of a core; "
            f"{of['file_peak_mb']:.0f} MB",
        )
