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
"""Sentences that are classified together: enough to form batches of similar length."""
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
    cascade: Annotated[
        Path | None,
        typer.Option(help="The teacher's adapter.safetensors: it answers where the student is least sure."),
    ] = None,
    hand_on: Annotated[
        float | None, typer.Option(help="Share of the sentences that --cascade hands on, 0 to 1 [default: 0.2].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines, with the probability of every class.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all].")] = None,
) -> None:
    """Classify sentences with a trained teacher or student. Prints label, probability and sentence, tab-separated.

    With --cascade, a column before the sentence says which of the two answered: student or teacher.
    """
    if sentences and file:
        raise InputError("both sentences and --file are given: choose one")
    if hand_on is not None and cascade is None:
        raise InputError("--hand-on is given without a teacher to hand on to: name one with --cascade")
    lines = enumerate(sentences, 1) if sentences else numbered_lines(file)
    # Read by numpy, torch and the tokenizers when they are loaded. Batches are computed side by side, each on one core:
    # numpy's own threads would mostly wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if threads is not None:
        os.environ.update(OMP_NUM_THREADS=str(threads), RAYON_NUM_THREADS=str(threads))
    from distilrnn.inference import Cascade, Classifier, load_cascade, load_predictor

    cores = threads or len(os.sched_getaffinity(0))
    predictor: Classifier
    if cascade is None:
        predictor = load_predictor(checkpoint, base, cores)
    else:
        predictor = load_cascade(checkpoint, cascade, 0.2 if hand_on is None else hand_on, base, cores)
    where = "argument" if sentences else str(file or "standard input")
    for chunk in _chunks(lines):
        for number, sentence in chunk:
            if not sentence.strip():
                raise InputError(f"{where}:{number}: the sentence is empty: write it or remove the line")
            if not sentence.isprintable() and any("\ud800" <= c <= "\udfff" for c in sentence):
                raise InputError(f"{where}:{number}: is not UTF-8: convert it")
        texts = [sentence for _, sentence in chunk]
        answered_by: Iterable[str | None] = [None] * len(texts)
        if isinstance(predictor, Cascade):
            rows, handed_on = predictor.answers(texts)
            answered_by = ["teacher" if row else "student" for row in handed_on.tolist()]
        else:
            rows = predictor.probabilities(texts)
        line = _json_line if as_json else _tabbed_line
        answers = zip(rows.tolist(), texts, answered_by, strict=True)
        sys.stdout.writelines(line(predictor.classes, *answer) for answer in answers)
        sys.stdout.flush()


def _tabbed_line(classes: list[str], row: list[float], sentence: str, answered_by: str | None) -> str:
    probability = max(row)
    source = f"{answered_by}\t" if answered_by else ""
    return f"{classes[row.index(probability)]}\t{probability:.4f}\t{source}{sentence}\n"


def _json_line(classes: list[str], row: list[float], sentence: str, answered_by: str | None) -> str:
    probability = max(row)
    answer = {
        "sentence": sentence,
        "label": classes[row.index(probability)],
        "probability": round(probability, 6),
        **({"answered_by": answered_by} if answered_by else {}),
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
