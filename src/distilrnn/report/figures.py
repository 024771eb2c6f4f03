"""The pictures of a report, readable in colour, in black and white and by the colour-blind.

A picture is a function from numbers to a matplotlib Figure; `drawing.encode` makes its bytes, the same every time.
"""

import math
from collections.abc import Mapping, Sequence
from typing import cast

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from distilrnn.evaluation.label_efficiency import Measure
from distilrnn.evaluation.records import LabelCurve
from distilrnn.params.splits import DEV, OUT_OF_DOMAIN, TEST, main_split
from distilrnn.report.cascades import Costed, costed
from distilrnn.report.comparison import Comparison, Row
from distilrnn.report.formatting import number, split_title
from distilrnn.report.labels import curves as label_curves
from distilrnn.report.results import Curve, Results, pooled_reliability
from distilrnn.report.style import (
    BLACK,
    BLUE,
    CYCLE,
    KIND_STYLE,
    MAJORITY_STYLE,
    SPLIT_STYLE,
    STYLE,
    VERMILLION,
    Style,
    fix_layout,
    new_figure,
    spread,
    wrapped,
    write_legend,
    write_title,
)


def all_figures(results: Results, comparison: Comparison) -> dict[str, Figure]:
    """Every picture of an experiment, by the name of its file without suffix."""
    titles = results.titles
    curves = {titles[name]: by_seed for name, by_seed in results.curves.items()}
    best = {
        titles[name]: {
            int(seed): run.best_epoch for seed, run in results.details[name].seeds.items() if run.best_epoch is not None
        }
        for name in results.curves
    }
    on_dev = comparison.selected_on_dev
    validation = "in-domain dev" if on_dev else "held out of train"
    majority = results.validation_majority()
    diagrams, errors = {}, {}
    for system in results.systems:
        runs = {split: results.details[system.name].on(split) for split in results.splits}
        diagrams[system.title] = {s: pooled_reliability([run.reliability for run in of]) for s, of in runs.items()}
        errors[system.title] = {s: float(np.mean([run.ece for run in of])) for s, of in runs.items()}
    with matplotlib.rc_context(STYLE):
        figures = {
            "overview": overview_figure(comparison),
            "comparison": comparison_figure(comparison),
            "quality-cost": quality_cost_figure(comparison),
            "reliability": reliability_figure(diagrams, errors, len(results.classes)),
            "cascade": cascade_figure(list(costed(results)), main_split(results.splits)),
            "curves": curves_figure(curves, best, majority, validation, "Training of every system"),
        }
        if results.statistics.label_curves:
            kinds = {system.name: system.kind for system in results.systems}
            figures["labels"] = labels_figure(label_curves(results), titles, kinds, comparison)
        for name in results.curves:
            title = titles[name]
            figures[f"curves-{name}"] = curves_figure(
                {title: curves[title]}, {title: best[title]}, majority, validation, f"Training of {title}"
            )
    return figures


def curves_figure(
    curves: Mapping[str, Mapping[int, Curve]],
    best_epochs: Mapping[str, Mapping[int, float]],
    majority: float,
    validation: str,
    title: str,
) -> Figure:
    """Loss and accuracy per epoch: the mean over seeds, a band from the lowest to the highest, the best epochs starred.

    Args:
        curves: by system and seed; one system fills the page, several become small multiples.
        best_epochs: the chosen epoch (from 1) by system and seed.
        majority: accuracy of the majority class on the validation sentences.
        validation: what validation was measured on, in words.
        title: of the whole picture.
    """
    if len(curves) == 1:
        figure = new_figure(7.4, 3.6)
        panels = [tuple(figure.subplots(1, 2))]
        panels[0][0].set_title("Loss")
        panels[0][1].set_title("Accuracy")
    else:
        blocks = math.ceil(len(curves) / 5)
        columns = math.ceil(len(curves) / blocks)
        figure = new_figure(max(2.1 * columns, 7.4), 3.6 * blocks + 0.9)
        grid = figure.subplots(2 * blocks, columns, squeeze=False)
        panels = [
            (grid[2 * (i // columns), i % columns], grid[2 * (i // columns) + 1, i % columns])
            for i in range(blocks * columns)
        ]
        for empty in (axes for panel in panels[len(curves) :] for axes in panel):
            empty.set_visible(False)
        for (above, below), name in zip(panels, curves, strict=False):
            above.set_title(wrapped(name, 22), fontsize=9)
            below.sharey(panels[0][1])
    for place, (name, (loss, accuracy)) in enumerate(zip(curves, panels, strict=False)):
        _draw_curves(loss, curves[name], best_epochs[name], "loss", 1)
        _draw_curves(accuracy, curves[name], best_epochs[name], "accuracy", 100)
        accuracy.axhline(100 * majority, label="majority class", **MAJORITY_STYLE)
        accuracy.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g} %"))
        if len(curves) == 1 or place % columns == 0:
            loss.set_ylabel("Loss" if len(curves) > 1 else "")
            accuracy.set_ylabel("Accuracy" if len(curves) > 1 else "")
    write_title(figure, f"{title} (validation: {validation})")
    write_legend(figure, panels[0][1], 3)
    return fix_layout(figure)


def _draw_curves(
    axes: Axes, curves: Mapping[int, Curve], best: Mapping[int, float], measure: str, scale: float
) -> None:
    several = len(curves) > 1
    styles: dict[str, Style] = {
        "train": {"color": VERMILLION, "marker": "s", "linestyle": "--", "markerfacecolor": "white"},
        "validation": {"color": BLUE, "marker": "o", "linestyle": "-"},
    }
    for part, style in styles.items():
        by_epoch: dict[int, list[float]] = {}
        for curve in curves.values():
            for epoch, value in zip(curve["epoch"], curve[f"{part}_{measure}"], strict=True):
                by_epoch.setdefault(int(epoch), []).append(scale * value)
        epochs = sorted(by_epoch)
        word = "training" if part == "train" else part
        label = f"{word} (mean over seeds)" if several else word
        axes.plot(epochs, [np.mean(by_epoch[e]) for e in epochs], label=label, linewidth=1.5, markersize=4, **style)
        if several:
            low, high = [min(by_epoch[e]) for e in epochs], [max(by_epoch[e]) for e in epochs]
            axes.fill_between(epochs, low, high, color=style["color"], alpha=0.18, linewidth=0)
    stars = [
        (best[seed], scale * curve[f"validation_{measure}"][list(curve["epoch"]).index(best[seed])])
        for seed, curve in curves.items()
    ]
    axes.plot(
        *zip(*stars, strict=True),
        linestyle="none",
        marker="*",
        markersize=8,
        markerfacecolor="white",
        markeredgecolor=BLACK,
        markeredgewidth=0.7,
        label="best epoch" + (" of each seed" if several else ""),
        zorder=4,
    )
    if several:
        axes.fill_between([], [], [], color="0.75", label="band: lowest to highest seed")
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    axes.margins(x=0.06, y=0.1)


OFFSETS = {1: (0.0,), 2: (-0.17, 0.17), 3: (-0.27, 0.0, 0.27)}
"""Where the splits stand around the middle of a system's row, by their number."""


def overview_figure(comparison: Comparison) -> Figure:
    """The picture of the first screen: accuracy of every system on the main split, with its interval."""
    rows = [row for row in comparison.rows if row.kind != "majority"]
    split = main_split(comparison.splits)
    majority = next(row for row in comparison.rows if row.kind == "majority").scores[split]["accuracy"].mean
    figure = new_figure(5.6, 1.25 + 0.42 * len(rows))
    axes = figure.subplots()
    for place, row in enumerate(rows):
        score, style = row.scores[split]["accuracy"], KIND_STYLE[row.kind]
        low, high = (100 * end for end in score.ends)
        axes.plot([low, high], [place] * 2, color=style["color"], linewidth=1.6)
        axes.plot(100 * score.mean, place, linestyle="none", markersize=7, **style)
        axes.annotate(
            number(100 * score.mean),
            (high, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.axvline(100 * majority, zorder=1, label="majority class", **MAJORITY_STYLE)
    axes.set_yticks(range(len(rows)), [wrapped(row.title, 30) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.14 * (right - left))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"{split_title(split).capitalize()} accuracy (%)")
    write_legend(figure, axes, 1)
    return fix_layout(figure)


def cascade_figure(found: Sequence[Costed], split: str) -> Figure:
    """Accuracy of each cascade against the share that is handed on, and against the time for one sentence."""
    figure = new_figure(7.4, 3.9 + 0.16 * len(found))
    by_share, by_time = figure.subplots(1, 2, sharey=True)
    first = next((one for one in found if one.recommended is not None), None)
    for place, one in enumerate(found):
        style = {"color": CYCLE[place % len(CYCLE)], "linestyle": ("-", "--", "-.", ":")[place // len(CYCLE) % 4]}
        accuracy = np.array([100 * point.accuracy for point in one.cascade.points])
        shares = np.array([100 * point.handed_on for point in one.cascade.points])
        for axes, xs in ((by_share, shares), (by_time, np.array(one.milliseconds))):
            axes.plot(xs, accuracy, linewidth=1.5, label=wrapped(f"{one.title}, then its teacher", 60), **style)
            std = [100 * (point.accuracy_std or 0) for point in one.cascade.points]
            axes.fill_between(xs, accuracy - std, accuracy + std, color=style["color"], alpha=0.15, linewidth=0)
            if one.recommended is None:
                continue
            axes.plot(
                xs[one.recommended],
                accuracy[one.recommended],
                marker="*",
                markersize=11,
                linestyle="none",
                markerfacecolor="white",
                markeredgecolor=BLACK,
                label="recommended on the held-out part" if one is first else None,
                zorder=4,
            )
    by_share.set_xlabel("Handed on to the teacher (%)")
    by_time.set_xlabel("Time for one sentence (ms)")
    by_share.set_ylabel("Accuracy (%)")
    write_title(figure, f"The student answers where it is sure ({split_title(split)})")
    write_legend(figure, by_share, 1 if any(len(one.title) > 24 for one in found) else 2)
    return fix_layout(figure)


def labels_figure(
    curves: Sequence[LabelCurve], titles: Mapping[str, str], kinds: Mapping[str, str], comparison: Comparison
) -> Figure:
    """Accuracy and MCC of every system by the number of labelled sentences, with bands; `curves` are of one split."""
    split = curves[0].split
    figure = new_figure(7.4, 3.9 + 0.16 * len(curves))
    panels: dict[Measure, Axes] = dict(zip(("accuracy", "mcc"), figure.subplots(1, 2), strict=True))
    numbers = [point.labels for point in curves[0].points]
    majority = next(row for row in comparison.rows if row.kind == "majority").scores[split]
    for measure, axes in panels.items():
        for curve in curves:
            style, line = KIND_STYLE[kinds[curve.system]], "--" if "linear" in curve.system else "-"
            if curve.system == "linear":
                style = {"color": BLACK, "marker": "v"}
            means = [100 * getattr(point, measure) for point in curve.points]
            low, high = zip(*(getattr(point, f"{measure}_interval") for point in curve.points), strict=True)
            axes.plot(numbers, means, linestyle=line, linewidth=1.5, label=titles[curve.system], **style)
            axes.fill_between(
                numbers, 100 * np.array(low), 100 * np.array(high), color=style["color"], alpha=0.13, linewidth=0
            )
        axes.axhline(100 * (majority[measure].mean or 0), label="majority class", **MAJORITY_STYLE)
        axes.set_xscale("log")
        axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("Labelled sentences (logarithmic)")
        axes.set_ylabel({"accuracy": "Accuracy (%)", "mcc": "MCC × 100"}[measure])
    write_title(
        figure,
        f"What labels are worth ({split_title(split)}; bands: {100 * comparison.confidence:g} % intervals)",
    )
    write_legend(figure, panels["accuracy"], 2)
    return fix_layout(figure)


def comparison_figure(comparison: Comparison) -> Figure:
    """The picture of the result: accuracy and MCC of every system on every reported split, with intervals."""
    rows = [row for row in comparison.rows if row.kind != "majority"]
    majority = next(row for row in comparison.rows if row.kind == "majority")
    splits = comparison.splits
    names = [wrapped(row.title, 26) for row in rows]
    most_lines = max(name.count("\n") + 1 for name in names)
    figure = new_figure(7.4, 1.9 + max(0.52, 0.18 * most_lines) * len(rows))
    panels = dict(zip(("accuracy", "mcc"), figure.subplots(1, 2, sharey=True), strict=True))
    for measure, axes in panels.items():
        for offset, split in zip(OFFSETS[len(splits)], splits, strict=True):
            _draw_intervals(axes, rows, split, measure, offset, SPLIT_STYLE[split])
        levels = {s: majority.scores[s]["accuracy"].mean for s in splits}
        for split, value in (levels if measure == "accuracy" else {"": 0.0}).items():
            color = SPLIT_STYLE[split]["color"] if split else BLACK
            dashes = {OUT_OF_DOMAIN: (0, (2, 2)), TEST: (0, (1, 1))}.get(split, MAJORITY_STYLE["linestyle"])
            label = f"majority class, {split_title(split)}" if split else "majority class"
            axes.axvline(100 * value, color=color, linestyle=dashes, linewidth=1.1, label=label, zorder=1)
        axes.set_xlabel({"accuracy": "Accuracy (%)", "mcc": "MCC × 100"}[measure])
        left, right = axes.get_xlim()
        axes.set_xlim(left - 0.03 * (right - left), right + 0.12 * (right - left))
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
    first = panels["accuracy"]
    first.set_yticks(range(len(rows)), names)
    first.set_ylim(len(rows) - 0.5, -0.5)
    for axes in panels.values():
        for place in range(1, len(rows)):
            axes.axhline(place - 0.5, color="0.92", linewidth=0.8, zorder=0)
    write_title(figure, f"Accuracy and MCC of every system, with {100 * comparison.confidence:g} % intervals")
    write_legend(figure, first, 2)
    return fix_layout(figure)


def _draw_intervals(axes: Axes, rows: Sequence[Row], split: str, measure: str, offset: float, style: Style) -> None:
    for place, row in enumerate(rows):
        score = row.scores[split][measure]
        mean, (low, high) = 100 * score.mean, [100 * end for end in score.ends]
        axes.plot([low, high], [place + offset] * 2, color=style["color"], linewidth=1.4)
        axes.plot(
            mean,
            place + offset,
            color=style["color"],
            marker=style["marker"],
            linestyle="none",
            markerfacecolor="white" if split == OUT_OF_DOMAIN else style["color"],
            label=split_title(split) if not place else None,
        )
        axes.annotate(
            number(mean),
            (high, place + offset),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )


def quality_cost_figure(comparison: Comparison) -> Figure:
    """Accuracy in the domain against the time for one sentence and against the size of the checkpoint."""
    costs = [
        (row, row.milliseconds, row.checkpoint_bytes / 1e6)
        for row in comparison.rows
        if row.milliseconds is not None and row.checkpoint_bytes is not None
    ]
    rows = [row for row, _, _ in costs]
    majority = next(row for row in comparison.rows if row.kind == "majority")
    split = main_split(comparison.splits)
    level = 100 * majority.scores[split]["accuracy"].mean
    figure = new_figure(7.4, 1.3 + 2 * max(2.1, 0.19 * len(rows)))
    panels = figure.subplots(2, 1, sharey=True)
    measured = (
        ("Time for one sentence (ms, logarithmic)", [milliseconds for _, milliseconds, _ in costs]),
        ("Size of the checkpoint (MB, logarithmic)", [megabytes for _, _, megabytes in costs]),
    )
    for axes, (label, values) in zip(panels, measured, strict=True):
        logarithms = np.log10(values)
        reach = max(np.ptp(logarithms), 1.0)
        xs = 10 ** spread(logarithms, 0.012 * reach)
        axes.set_xscale("log")
        axes.set_xlim(10 ** (min(logarithms) - 0.15 * reach), 10 ** (max(logarithms) + 0.15 * reach))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(label)
        axes.set_ylabel(f"{split_title(split).capitalize()} accuracy")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g} %"))
        for row, x in zip(rows, xs, strict=True):
            score, style = row.scores[split]["accuracy"], KIND_STYLE[row.kind]
            low, high = (100 * end for end in score.ends)
            axes.vlines(x, low, high, color=style["color"], linewidth=1.2, alpha=0.8)
            first = row is next(other for other in rows if other.kind == row.kind)
            axes.plot(x, 100 * score.mean, linestyle="none", label=row.kind if first else None, **style)
            _name_at_the_right(axes, row.title, (x, 100 * score.mean))
        axes.axhline(level, label="majority class", zorder=1, **MAJORITY_STYLE)
        axes.margins(y=0.08)
    write_title(figure, "What accuracy costs: up and left is better")
    write_legend(figure, panels[0], 4)
    names = [text for axes in panels for text in axes.texts]
    widest = max(Text.get_window_extent(text).width for text in names) / figure.bbox.width
    cast(ConstrainedLayoutEngine, figure.get_layout_engine()).set(rect=(0, 0, 0.95 - widest, 1))
    fix_layout(figure)
    for axes in panels:
        _part_names(axes)
    return figure


def _name_at_the_right(axes: Axes, name: str, point: tuple[float, float]) -> None:
    text = axes.annotate(
        name if len(name) <= 48 else f"{name[:24]}…{name[-23:]}",
        point,
        xytext=(1.04, 0.5),
        textcoords="axes fraction",
        va="center",
        fontsize=7.5,
        arrowprops={
            "arrowstyle": "-",
            "linewidth": 0.5,
            "color": "0.6",
            "relpos": (0, 0.5),
            "shrinkA": 0,
            "shrinkB": 3,
        },
        annotation_clip=False,
        zorder=1,
    )
    text.set_in_layout(False)


def _part_names(axes: Axes) -> None:
    """Move the names at the right of the axes, whose layout is final, to the heights of their points, and apart."""
    names = [text for text in axes.texts if isinstance(text, Annotation)]
    to_fraction = axes.transData + axes.transAxes.inverted()
    heights = np.array([to_fraction.transform(text.xy)[1] for text in names])
    gap = 11 / 72 * axes.figure.dpi / axes.bbox.height
    for text, height in zip(names, spread(heights, gap, 0.0, 1.0), strict=True):
        text.set_position((1.04, height))


def reliability_figure(
    diagrams: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]],
    errors: Mapping[str, Mapping[str, float]],
    classes: int,
) -> Figure:
    """Reliability diagrams (Guo et al. 2017): how often a system is right when it is so sure, by system and split.

    Args:
        diagrams: by system and split, as `pooled_reliability` gives them.
        errors: expected calibration error by system and split.
        classes: their number; no confidence is below 1 / classes.
    """
    columns = min(len(diagrams), 3 if len(diagrams) <= 6 else 4)
    lines = math.ceil(len(diagrams) / columns)
    figure = new_figure(7.4 if columns < 4 else 9.0, 2.55 * lines + 1.0)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for empty in grid[len(diagrams) :]:
        empty.set_visible(False)
    for axes, (name, by_split) in zip(grid, diagrams.items(), strict=False):
        axes.plot([0, 100], [0, 100], color="0.4", linewidth=1, linestyle=":", label="right as often as sure")
        for split, diagram in by_split.items():
            style = SPLIT_STYLE[split]
            full = diagram["n"] > 0
            axes.plot(
                100 * diagram["confidence"][full],
                100 * diagram["accuracy"][full],
                linewidth=1,
                alpha=0.9,
                color=style["color"],
                linestyle=style["linestyle"],
            )
            axes.scatter(
                100 * diagram["confidence"][full],
                100 * diagram["accuracy"][full],
                s=12 + 110 * diagram["n"][full] / diagram["n"].sum(),
                marker=style["marker"],
                facecolor="none" if split == OUT_OF_DOMAIN else style["color"],
                edgecolor=style["color"],
                label=split_title(split),
                zorder=3,
            )
        words = {DEV: "dev" if TEST in by_split else "in-domain", TEST: "test", OUT_OF_DOMAIN: "out"}
        by_split_text = ", ".join(f"{words[split]} {100 * errors[name][split]:.1f} %" for split in by_split)
        axes.set_title(f"{wrapped(name, 28)}\n{wrapped(f'error: {by_split_text}', 36)}", fontsize=8)
        axes.set_xlim(100 / classes - 4, 104)
        axes.set_ylim(-4, 104)
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("Confidence (%)")
    for axes in grid[::columns]:
        axes.set_ylabel("Right (%)")
    write_title(figure, "How sure a system is, and how often it is right (larger marks: more sentences)")
    write_legend(figure, grid[0], 3)
    return fix_layout(figure)
