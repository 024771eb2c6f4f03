"""Measure everything that a CPU can show, write benchmarks/results/, draw it, and print one table: `make bench`."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.sizes import TINY, Sizes
from benchmarks.timing import RESULTS, write_result
from distilrnn.artifacts.files import read_json

TOPICS = (
    *("teacher", "distil", "baseline", "scoring", "kernels"),
    *("inference", "start", "jobs", "memory", "growth", "lengths"),
)
"""Each is measured alone, and becomes results/<topic>.json."""


def measure(
    topics: list[str], cola: Path | None, tokenizer: Path | None, threads: int, sizes: Sizes, output: Path
) -> dict[str, dict]:
    """Measure some topics and write each one's results; returns them by topic."""
    from benchmarks import data, inference, jobs, kernels, lengths, models, scoring

    console = Console(highlight=False)
    real = cola is not None and tokenizer is not None
    sentences = data.cola(cola, tokenizer) if real else data.stand_in()
    if not real:
        console.print(
            "[bold]CoLA's folder or GPT-2's tokenizer is not given (--cola, --tokenizer): skipped; measured on a "
            "stand-in of random tokens with CoLA's lengths, and on generated sentences[/bold]"
        )
        cola = tokenizer = None
    side_by_side = {
        "teacher": models.measure_teacher,
        "distil": models.measure_distil,
        "baseline": models.measure_baseline,
        "scoring": scoring.measure_scoring,
        "kernels": kernels.measure_kernels,
    }
    as_jobs: dict[str, Callable[[Any, Sizes], dict]] = {
        "start": jobs.measure_start,
        "jobs": jobs.measure_jobs,
        "memory": jobs.measure_memory,
        "growth": jobs.measure_growth,
        "lengths": lengths.measure_lengths,
        "inference": inference.measure_inference,
    }
    results = {}
    with TemporaryDirectory() as folder:
        place = None
        for topic in topics:
            started = time.perf_counter()
            if topic in side_by_side:
                figures = side_by_side[topic](sentences, sizes, threads)
            else:
                place = place or jobs.Place(Path(folder), cola, tokenizer, threads)
                figures = as_jobs[topic](place, sizes)
            results[topic] = write_result(output, topic, threads, sizes.repeats, sentences.name, figures)
            console.print(f"{topic}: measured in {time.perf_counter() - started:.0f} s")
    return results


def recorded(folder: Path) -> dict[str, dict]:
    """Every topic that was measured, now or before: a run of some topics leaves the others' results as they are."""
    return {topic: read_json(folder / f"{topic}.json") for topic in TOPICS if (folder / f"{topic}.json").is_file()}


Line = tuple[str, str, str]
"""What is measured, its median, and the range of the repeats."""


def rows(results: dict[str, dict]) -> Iterator[Line]:
    """A line for each figure."""
    from benchmarks import inference, kernels, lengths, scoring
    from benchmarks.drawing import ratios

    for topic in ("teacher", "distil", "baseline"):
        if topic in results:
            yield from LINES[topic](results[topic]["figures"])
    for name, value in ratios(results):
        yield _line(name, value, "×")
    for topic in ("start", "jobs", "memory", "growth"):
        if topic in results:
            yield from LINES[topic](results[topic]["figures"])
    for topic, module in (("scoring", scoring), ("kernels", kernels), ("inference", inference), ("lengths", lengths)):
        if topic in results:
            yield from module.rows(results[topic]["figures"])


def _line(name: str, value: dict, unit: str, digits: int = 1) -> Line:
    return name, f"{value['median']:.{digits}f} {unit}", f"{value['low']:.{digits}f} to {value['high']:.{digits}f}"


def _teacher_lines(figures: dict) -> Iterator[Line]:
    for precision, limit in figures["limit_gflops"].items():
        yield _line(f"matrix products, {precision}", limit, "GFLOP/s", 0)
    for topic in ("training", "inference"):
        for name, value in figures[topic]["sentences_per_second"].items():
            yield _line(f"teacher {topic}: {name}", value, "sentences/s")
        for name, value in figures[topic]["share_of_limit"].items():
            percent = {key: 100 * value[key] for key in ("median", "low", "high")}
            yield _line(f"teacher {topic}: {name}, real tokens' arithmetic", percent, "% of the limit", 0)


def _distil_lines(figures: dict) -> Iterator[Line]:
    for name, value in figures["seconds"].items():
        yield _line(f"distillation of {figures['sentences']} sentences: {name}", value, "s", 2)
    yield _line("first student: bound by one pass at the limit", figures["bound_of_first_student"], "×")


def _baseline_lines(figures: dict) -> Iterator[Line]:
    for name, value in figures["sentences_per_second"].items():
        yield _line(f"RNN baseline: {name}", value, "sentences/s", 0)


def _start_lines(figures: dict) -> Iterator[Line]:
    yield "slowest --help of a script", f"{figures['slowest_help_seconds']:.2f} s", ""
    yield _line("student job: launch to first step", figures["student_first_step_seconds"], "s", 2)


def _jobs_lines(figures: dict) -> Iterator[Line]:
    for cores in ("cores 1", "cores 2"):
        seconds = figures[cores]["seconds_per_further_trivial_job"]
        yield f"Snakemake, {cores}: a further trivial job", f"{seconds:.3f} s", ""
    yield "Snakemake: added to a student job", f"{figures['overhead_per_student_job_seconds']:.2f} s", ""
    yield "student jobs, 2 cores against 1", f"{figures['speedup_of_two_cores']:.2f} ×", ""


def _memory_lines(figures: dict) -> Iterator[Line]:
    yield "student job: peak memory", f"{figures['student_job_mb']:,.0f} MB", ""
    yield "teacher job: peak memory", f"{figures['teacher_job_mb']:,.0f} MB", ""
    if "pool_sentences" not in figures:  # as measured before pools were
        return
    for count, peak in zip(figures["pool_sentences"], figures["student_job_with_pool_mb"], strict=True):
        yield f"student job with {count:,} unlabelled sentences: peak memory", f"{peak:,.0f} MB", ""


def _growth_lines(figures: dict) -> Iterator[Line]:
    largest = f"{figures['sizes'][-1]:,} sentences"
    for step in ("corpus", "tokenize", "logits", "student"):
        cost, peak = figures[step]["microseconds_per_sentence"][-1], figures[step]["peak_mb"][-1]
        yield f"{step}, {largest}", f"{cost:.0f} µs a sentence", f"{peak:,.0f} MB"
    rate = figures["tokenize_sentences_per_second"]
    yield f"tokenize, {largest}, start counted", f"{rate:,.0f} sentences/s", ""


LINES = {
    "teacher": _teacher_lines,
    "distil": _distil_lines,
    "baseline": _baseline_lines,
    "start": _start_lines,
    "jobs": _jobs_lines,
    "memory": _memory_lines,
    "growth": _growth_lines,
}


def main(
    topics: Annotated[list[str], typer.Argument(help=f"What to measure, of {', '.join(TOPICS)}.")] = list(TOPICS),  # noqa: B006
    cola: Annotated[Path | None, typer.Option(help="Folder of CoLA's raw TSV files.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="GPT-2's tokenizer.json, or its vocab.json and merges.txt.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = os.cpu_count() or 1,
    output: Annotated[Path, typer.Option(help="Folder to write.")] = RESULTS,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="How often each is measured; by default three times.")
    ] = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="Sizes that only show that the code runs.")] = False,
) -> None:
    """Measure this package beside the textbook and Trainer + peft."""
    from benchmarks.drawing import draw_growth, draw_inference, draw_lengths, draw_ratios
    from distilrnn.errors import InputError

    unknown = [topic for topic in topics if topic not in TOPICS]
    if unknown:
        raise InputError(f"{unknown[0]} is nothing to measure: name some of {', '.join(TOPICS)}")
    started = time.perf_counter()
    sizes = TINY if tiny else Sizes()
    measure(topics, cola, tokenizer, threads, replace(sizes, repeats=repeats or sizes.repeats), output)
    results = recorded(output)
    draw_ratios(results, output)
    draw_growth(results, output)
    draw_inference(results, output)
    draw_lengths(results, output)
    table = Table("", "median", "range or memory", caption=f"{time.perf_counter() - started:.0f} s in all")
    for row in rows(results):
        table.add_row(*row)
    Console(highlight=False).print(table)


if __name__ == "__main__":
    from distilrnn.cli.options import run

    run(main)
