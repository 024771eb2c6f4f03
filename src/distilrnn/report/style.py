"""What all pictures share: colours, markers, layout and bytes.

Colours: Okabe & Ito (2008), "Color Universal Design". Every colour comes with a marker or a line style of its own.
"""

import io
import textwrap
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from distilrnn.params.splits import DEV, OUT_OF_DOMAIN, TEST

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000"
CYCLE = (VERMILLION, BLUE, GREEN, PURPLE, ORANGE)
"""Colours of lines that differ in no kind."""
Style = dict[str, Any]
"""Keyword arguments of matplotlib's functions that draw lines."""
SPLIT_STYLE: dict[str, Style] = {
    DEV: {"color": BLUE, "marker": "o", "linestyle": "-"},
    TEST: {"color": GREEN, "marker": "^", "linestyle": "-."},
    OUT_OF_DOMAIN: {"color": VERMILLION, "marker": "s", "linestyle": "--"},
}
KIND_STYLE: dict[str, Style] = {
    "teacher": {"color": BLUE, "marker": "o"},
    "ensemble": {"color": PURPLE, "marker": "D"},
    "distilled": {"color": VERMILLION, "marker": "^"},
    "linear": {"color": ORANGE, "marker": "v"},
    "baseline": {"color": GREEN, "marker": "s"},
}
MAJORITY_STYLE: Style = {"color": BLACK, "linestyle": (0, (6, 2, 1, 2)), "linewidth": 1.1}
STYLE: dict[Any, Any] = {  # matplotlib names the type of every key
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "legend.frameon": False,
    "lines.markersize": 5,
    "svg.hashsalt": "distilrnn",
    "savefig.dpi": 160,
}


def encode(figure: Figure, suffix: str) -> bytes:
    """The picture as a file, 'png' or 'svg': the same bytes for the same picture."""
    metadata = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}[suffix]
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=suffix, metadata=metadata)
    return buffer.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def fix_layout(figure: Figure) -> Figure:
    """Lay the figure out once and for all: each drawing would move it by some pixels more, and so change its bytes."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def write_title(figure: Figure, title: str) -> None:
    """The title of the whole picture."""
    width = int(figure.get_figwidth() * 11)
    figure.suptitle(textwrap.fill(title, width), fontweight="bold", fontsize=11)


def write_legend(figure: Figure, axes: Axes, columns: int) -> None:
    """The legend of one panel, below all."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8.5)


def spread(values: np.ndarray, gap: float, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """The values [n], moved as little as possible (least squares) to stand at least `gap` apart, in their order.

    They are kept between `low` and `high` as far as n gaps fit between them.
    """
    order = np.argsort(values, kind="stable")
    steps = gap * np.arange(len(values))
    apart = isotonic_regression(np.asarray(values, dtype=float)[order] - steps).x
    moved = np.empty(len(values))
    moved[order] = np.clip(apart, low, max(low, high - steps[-1])) + steps
    return moved


def wrapped(name: str, width: int) -> str:
    """A name on lines of `width` characters, broken after a hyphen where there is one."""
    return textwrap.fill(name, width, break_long_words=True)
