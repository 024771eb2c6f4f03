"""The command predict: label and probability of a sentence, of a file's lines, or of standard input."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from distilrnn.errors import InputError

CHUNK = 8192
"""Sentences that are classified together: of so many, batches of like length can be made."""
LONGEST_LINE = 1 << 20  # bytes


def predict(
    checkpoint: Annotated[Path, typer.Argument(help="A student.safetensors or a teacher's adapter.safetensors.")],
    sentences: Annotated[
        list[str] | None, typer.Argument(help="Sentences [default: standard input, one per line].")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="File with one sentence per line, in UTF-8.")] = None,
    base: Annotated[
        Path | None, typer.Option(help="Folder of an adapter's base [default: the experiment's own].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines, with the probability of every class.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all].")] = None,
) -> None:
    """Classify sentences with a trained teacher or student. Prints label, probability and sentence, tab-separated."""
    if sentences and file:
        raise InputError("both sentences and --file are given: choose one")
    lines = enumerate(sentences, 1) if sentences else numbered_lines(file)
    # Read by numpy, torch and the tokenizers when they are loaded. Batches are computed side by side, each on one core:
    # numpy's own threads would mostly wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if threads is not None:
        os.environ.update(OMP_NUM_THREADS=str(threads), RAYON_NUM_THREADS=str(threads))
    from distilrnn.inference import load_predictor

    predictor = load_predictor(checkpoint, base, threads or len(os.sched_getaffinity(0)))
    where = "argument" if sentences else str(file or "standard input")
    for chunk in _chunks(lines):
        for number, sentence in chunk:
            if not sentence.strip():
                raise InputError(f"{where}:{number}: the sentence is empty: write it or remove the line")
            if not sentence.isprintable() and any("\ud800" <= c <= "\udfff" for c in sentence):
                raise InputError(f"{where}:{number}: is not UTF-8: convert it")
        rows = predictor.probabilities([sentence for _, sentence in chunk])
        say = _json_line if as_json else _tabbed_line
        answers = (say(predictor.classes, row, text) for (_, text), row in zip(chunk, rows.tolist(), strict=True))
        sys.stdout.writelines(answers)
        sys.stdout.flush()


def _tabbed_line(classes: list[str], row: list[float], sentence: str) -> str:
    probability = max(row)
    return f"{classes[row.index(probability)]}\t{probability:.4f}\t{sentence}\n"


def _json_line(classes: list[str], row: list[float], sentence: str) -> str:
    probability = max(row)
    answer = {
        "sentence": sentence,
        "label": classes[row.index(probability)],
        "probability": round(probability, 6),
        "probabilities": {name: round(value, 6) for name, value in zip(classes, row, strict=True)},
    }
    return f"{json.dumps(answer, ensure_ascii=False)}\n"


def numbered_lines(file: Path | None) -> Iterator[tuple[int, str]]:
    """The lines of a file, or of standard input, with their numbers from 1; raises InputError."""
    try:
        source = sys.stdin.buffer if file is None else file.open("rb")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}): name a file of sentences") from None
    with source:
        for number, line in enumerate(iter(lambda: source.readline(LONGEST_LINE + 1), b""), 1):
            if len(line) > LONGEST_LINE:
                raise InputError(f"{file or 'standard input'}:{number}: longer than {LONGEST_LINE:,} bytes: split it")
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                raise InputError(f"{file or 'standard input'}:{number}: is not UTF-8: convert it") from None


def _chunks(lines: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    iterator = iter(lines)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
