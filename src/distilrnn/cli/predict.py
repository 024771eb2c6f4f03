"""The command predict: label and probability of a sentence, of a file's lines, or of standard input."""

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from distilrnn.errors import InputError

CHUNK = 1024
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
    from distilrnn.inference import load_predictor
    from distilrnn.runtime.device import prepare

    prepare("fp32", threads)
    predictor = load_predictor(checkpoint, base)
    where = "argument" if sentences else str(file or "standard input")
    for chunk in _chunks(lines):
        for number, sentence in chunk:
            if not sentence.strip():
                raise InputError(f"{where}:{number}: the sentence is empty: write it or remove the line")
            if not sentence.isprintable() and any("\ud800" <= c <= "\udfff" for c in sentence):
                raise InputError(f"{where}:{number}: is not UTF-8: convert it")
        for (_, sentence), row in zip(chunk, predictor.probabilities([s for _, s in chunk]), strict=True):
            best = int(row.argmax())
            label, probability = predictor.classes[best], float(row[best])
            if as_json:
                named = {name: round(float(p), 6) for name, p in zip(predictor.classes, row, strict=True)}
                answer = {
                    "sentence": sentence,
                    "label": label,
                    "probability": round(probability, 6),
                    "probabilities": named,
                }
                print(json.dumps(answer, ensure_ascii=False), flush=True)
            else:
                print(f"{label}\t{probability:.4f}\t{sentence}", flush=True)


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
