"""Topic lengths: time and memory of every step over the length of a text, from a phrase to a document."""

import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.jobs import Place
from benchmarks.sizes import Sizes
from benchmarks.timing import run, spread

WORKS = {
    "train": "teacher training",
    "checkpointed": "the same, gradient checkpointing",
    "score": "teacher scoring",
    "student": "student training",
    "predict": "student inference",
}
WIDTH, LAYERS = 256, 6


def measure_lengths(place: Place, sizes: Sizes) -> dict:
    """Processor time of a token, in microseconds, and peak memory, of each work at each length."""
    shape = (sizes.width, sizes.layers) if sizes.tiny else (WIDTH, LAYERS)
    found: dict[str, Any] = {work: {"microseconds_per_token": [], "peak_mb": []} for work in WORKS}
    for length in sizes.lengths:
        for work in WORKS:
            options = (work, length, sizes.length_tokens, place.threads, *shape)
            words = [sys.executable, "-m", "benchmarks.read_text", *map(str, options)]
            runs = [run(words, place.threads) for _ in range(min(2, sizes.repeats))]
            costs = [1e6 * float(one.output.rpartition("took ")[2].split()[0]) for one in runs]
            found[work]["microseconds_per_token"].append(spread(costs))
            found[work]["peak_mb"].append(max(one.peak_mb for one in runs))
    return {"lengths": list(sizes.lengths), "tokens": sizes.length_tokens, "works": found}


def rows(figures: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """For the table: the shortest texts and the longest."""
    for work, name in WORKS.items():
        of = figures["works"][work]
        for place in (0, -1):
            cost, peak = of["microseconds_per_token"][place]["low"], of["peak_mb"][place]
            yield f"{name}, texts of {figures['lengths'][place]:,} tokens", f"{cost:.1f} µs a token", f"{peak:,.0f} MB"
