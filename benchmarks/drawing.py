"""The pictures: how many times as fast, and the cost of a sentence as the corpus grows."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from distilrnn.artifacts.files import write_atomically
from distilrnn.report.style import (
    BLACK,
    BLUE,
    GREEN,
    STYLE,
    VERMILLION,
    encode,
    fix_layout,
    new_figure,
    write_legend,
    write_title,
)

STEP_STYLE = {
    "corpus": {"color": BLACK, "marker": "D", "linestyle": ":"},
    "tokenize": {"color": BLUE, "marker": "o", "linestyle": "-"},
    "logits": {"color": VERMILLION, "marker": "^", "linestyle": "--"},
    "student": {"color": GREEN, "marker": "s", "linestyle": "-."},
}


def ratios(results: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, float]]]:
    """Every measured ratio with its name, in the order of the table."""
    found = []
    if "teacher" in results:
        for topic in ("training", "inference"):
            figures = results["teacher"]["figures"][topic]["ratios"]
            found += [(f"teacher {topic}: {name}", value) for name, value in figures.items()]
    for topic, name in (("distil", "distillation"), ("baseline", "RNN baseline")):
        if topic in results:
            figures = results[topic]["figures"]["ratios"]
            found += [(f"{name}: {contestants}", value) for contestants, value in figures.items()]
    return found


@matplotlib.rc_context(STYLE)
def draw_ratios(results: dict[str, dict[str, Any]], folder: Path) -> None:
    """Bars of the ratios, with the range of the repeats."""
    rows = ratios(results)
    if not rows:
        return
    figure = new_figure(8.5, 1.4 + 0.42 * len(rows))
    axes = figure.add_subplot()
    places = range(len(rows))
    medians = [value["median"] for _, value in rows]
    around = [[v["median"] - v["low"] for _, v in rows], [v["high"] - v["median"] for _, v in rows]]
    colors = [GREEN if "peft" in name.split("/")[-1] else BLUE for name, _ in rows]
    axes.barh(places, medians, 0.62, color=colors, xerr=around, error_kw={"ecolor": BLACK, "capsize": 2.5})
    for place, (_, value) in zip(places, rows, strict=True):
        axes.text(value["high"] * 1.08, place, f"{value['median']:.1f}×", va="center", fontsize=9)
    axes.set_yticks(places, [name for name, _ in rows], fontsize=8.5)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(min(0.8, 0.8 * min(medians)), 2.2 * max(value["high"] for _, value in rows))
    axes.axvline(1, color=BLACK, linewidth=1)
    axes.set_xlabel("times as fast, logarithmic; bars are medians, lines the range of the repeats")
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter("{x:g}")
    write_title(figure, "How many times as fast as the textbook (blue) and as Trainer + peft (green)")
    _write(figure, folder / "ratios")


@matplotlib.rc_context(STYLE)
def draw_growth(results: dict[str, dict[str, Any]], folder: Path) -> None:
    """Microseconds a sentence, and peak memory, over the number of sentences."""
    if "growth" not in results:
        return
    figures = results["growth"]["figures"]
    figure = new_figure(9, 4)
    for number, (key, label) in enumerate(
        (("microseconds_per_sentence", "µs per sentence, start not counted"), ("peak_mb", "peak resident memory, MB"))
    ):
        axes = figure.add_subplot(1, 2, number + 1)
        for step, style in STEP_STYLE.items():
            values = [value or float("nan") for value in figures[step][key]]  # 0: lost in the time to start
            axes.plot(figures["sizes"], values, label=step, **style)
        axes.set_xscale("log")
        if number == 0:
            axes.set_yscale("log")
            highest = max(max(figures[step][key]) for step in STEP_STYLE)
            axes.set_ylim(1, 3 * highest)
            axes.yaxis.set_major_formatter("{x:g}")
        else:
            axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel("training sentences")
        axes.set_ylabel(label)
    write_legend(figure, figure.axes[0], len(STEP_STYLE))
    write_title(figure, "Cost as the corpus grows (tiny teacher and student)")
    _write(figure, folder / "growth")


@matplotlib.rc_context(STYLE)
def draw_inference(results: dict[str, dict[str, Any]], folder: Path) -> None:
    """A lone sentence's median time, with its 99th percentile; and sentences a second in large calls."""
    if "inference" not in results:
        return
    systems = results["inference"]["figures"]["systems"]
    names = list(systems)
    figure = new_figure(9, 1.2 + 0.3 * len(names))
    for number, label in enumerate(("ms for a lone sentence (line: to the 99th percentile)", "sentences per second")):
        axes = figure.add_subplot(1, 2, number + 1)
        for row, name in enumerate(names):
            by_threads = systems[name]["threads"]
            of = by_threads[max(by_threads, key=int)]
            if number == 0:
                of = by_threads.get("1", of)
                middle, high = of["lone_ms_p50"]["median"], of["lone_ms_p99"]["median"]
            else:
                count, seconds = max(of["seconds"].items(), key=lambda item: int(item[0]))
                middle = high = int(count) / seconds["median"]
            color = VERMILLION if name.startswith("teacher") else BLUE if ", " in name and "TF" not in name else GREEN
            axes.barh(row, middle, 0.62, color=color, xerr=[[0], [max(high - middle, 0)]], error_kw={"ecolor": BLACK})
            axes.text(
                max(high, middle) * 1.1,
                row,
                f"{middle:,.2g}" if middle < 100 else f"{middle:,.0f}",
                va="center",
                fontsize=8,
            )
        axes.set_yticks(range(len(names)), names if number == 0 else [""] * len(names), fontsize=8.5)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.margins(x=0.25)
        axes.set_xlabel(label)
        axes.grid(visible=False, axis="y")
    write_title(figure, "From text to probabilities: students (blue), what else one would take (green), teachers (red)")
    _write(figure, folder / "inference")


LENGTH_STYLE = {
    "train": {"color": VERMILLION, "marker": "^", "linestyle": "-", "label": "teacher training"},
    "checkpointed": {"color": VERMILLION, "marker": "v", "linestyle": ":", "label": "with checkpointing"},
    "score": {"color": BLACK, "marker": "D", "linestyle": "--", "label": "teacher scoring"},
    "student": {"color": GREEN, "marker": "s", "linestyle": "-", "label": "student training"},
    "predict": {"color": BLUE, "marker": "o", "linestyle": "-.", "label": "student inference"},
}


@matplotlib.rc_context(STYLE)
def draw_lengths(results: dict[str, dict[str, Any]], folder: Path) -> None:
    """Microseconds a token, and peak memory, over the length of a text."""
    if "lengths" not in results:
        return
    figures = results["lengths"]["figures"]
    figure = new_figure(9, 4)
    for number, label in enumerate(("processor time, µs per token", "peak resident memory, MB")):
        axes = figure.add_subplot(1, 2, number + 1)
        for work, style in LENGTH_STYLE.items():
            of = figures["works"][work]
            values = [one["low"] for one in of["microseconds_per_token"]] if number == 0 else of["peak_mb"]
            axes.plot(figures["lengths"], values, **style)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        if number == 0:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel("tokens of a text")
        axes.set_ylabel(label)
    write_legend(figure, figure.axes[0], len(LENGTH_STYLE))
    write_title(figure, "Cost as texts get longer (a Llama of width 256, a GRU of width 128)")
    _write(figure, folder / "lengths")


def _write(figure: Figure, path: Path) -> None:
    figure = fix_layout(figure)
    for suffix in ("png", "svg"):
        write_atomically(path.with_suffix(f".{suffix}"), encode(figure, suffix))
