import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.text import Text

from distilrnn.artifacts.curves import read_curve
from distilrnn.evaluation.system_metrics import ReliabilityBin
from distilrnn.report.comparison import compare
from distilrnn.report.figures import all_figures
from distilrnn.report.results import pooled_reliability, read_results
from distilrnn.report.style import encode, spread
from report_inputs import make_experiment, write_experiment

pytestmark = pytest.mark.slow  # draws many pictures

CASES = {
    "five systems": {},
    "fifteen systems": {
        "teachers": ("gpt2", "gpt2-medium", "gemma-3-270m-corrected-by-hand"),
        "students": ("rnn", "gru-bidirectional-max", "lstm"),
    },
    "one seed": {"seeds": (0,)},
    "four classes": {"seeds": (0, 1), "classes": ("a", "b", "c", "d")},
    "dev alone": {"corpus": {"source": "files", "train": "x.csv", "dev_fraction": 0.1}, "seeds": (0, 1)},
    "three splits": {
        "corpus": {"source": "files", "train": "x.csv", "dev": "y.csv", "test": "z.csv", "out_of_domain": "w.csv"},
        "seeds": (0, 1),
    },
}


@pytest.fixture(scope="module", params=CASES, ids=list(CASES))
def drawn(request, tmp_path_factory):
    options = dict(CASES[request.param])
    classes = options.pop("classes", ("unacceptable", "acceptable"))
    params = write_experiment(tmp_path_factory.mktemp("figures"), make_experiment(**options), classes=classes)
    results = read_results(params)
    return results, all_figures(results, compare(results))


def visible_texts(figure):
    """Every text that is drawn, with its box in pixels; an annotation's own box would include its line."""
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    hidden = {id(text) for axes in figure.axes if not axes.get_visible() for text in axes.findobj(Text)}
    for axes in figure.axes:  # ticks beyond the limits exist but are not drawn
        for axis in (axes.xaxis, axes.yaxis):
            drawn = {id(label) for tick in axis._update_ticks() for label in (tick.label1, tick.label2)}
            every = (*axis.majorTicks, *axis.minorTicks)
            hidden |= {id(label) for tick in every for label in (tick.label1, tick.label2)} - drawn
    return [(text.get_text(), Text.get_window_extent(text)) for text in texts if id(text) not in hidden]


def test_no_text_covers_another_or_leaves_the_picture(drawn):
    for name, figure in drawn[1].items():
        texts = visible_texts(figure)
        assert len(texts) > 5
        for (first, box), (second, other) in combinations(texts, 2):
            shared = box.padded(-0.5), other.padded(-0.5)
            assert not shared[0].overlaps(shared[1]), f"{name}: {first!r} covers {second!r}"
        for text, box in texts:
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
            assert inside, f"{name}: {text!r} is cut"


def test_no_axis_says_a_number_twice(drawn):
    for name, figure in drawn[1].items():
        for axes in (axes for axes in figure.axes if axes.get_visible()):
            for axis in (axes.xaxis, axes.yaxis):
                said = [tick.label1.get_text() for tick in axis._update_ticks() if tick.label1.get_text()]
                assert len(said) == len(set(said)), name


def test_every_system_is_named_in_the_pictures(drawn):
    results, figures = drawn
    for name in ("overview", "comparison", "reliability", "curves"):
        said = "".join(re.sub(r"\s", "", text) for text, _ in visible_texts(figures[name]))
        drawn_here = [s for s in results.systems if name != "curves" or s.has_curves]
        assert all(system.title.replace(" ", "") in said for system in drawn_here), name
    labels = [text for text, _ in visible_texts(figures["quality-cost"])]
    assert all(sum(s.title[:24] == label[: len(s.title[:24])] for label in labels) >= 2 for s in results.systems)


def test_a_picture_for_each_system_and_four_for_all(drawn):
    results, figures = drawn
    wanted = {"overview", "comparison", "quality-cost", "reliability", "cascade", "curves"}
    assert set(figures) == wanted | {f"curves-{s.name}" for s in results.systems if s.has_curves}


def test_same_inputs_same_bytes_and_readable_files(tmp_path):
    results = read_results(write_experiment(tmp_path, make_experiment(seeds=(0, 1))))
    figures, again = all_figures(results, compare(results)), all_figures(results, compare(results))
    for name in ("comparison", "quality-cost", "reliability", "curves"):
        again[name].draw_without_rendering()  # drawn before or not: the bytes are the same
        for suffix in ("png", "svg"):
            assert encode(figures[name], suffix) == encode(again[name], suffix), f"{name}.{suffix}"
        (tmp_path / "picture.png").write_bytes(encode(figures[name], "png"))
        assert imread(tmp_path / "picture.png").shape[1] > 1000
        svg = encode(figures[name], "svg").decode()
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert "<dc:date>" not in svg


def test_curves_show_mean_band_best_epochs_and_majority(drawn):
    results, figures = drawn
    curves = results.curves["rnn"]
    loss, accuracy = figures["curves-rnn"].axes
    for axes, measure, scale in ((loss, "loss", 1), (accuracy, "accuracy", 100)):
        values = scale * np.array([curve[f"validation_{measure}"] for curve in curves.values()])
        lines = {line.get_label(): line for line in axes.lines}
        mean = next(line for label, line in lines.items() if label.startswith("validation"))
        np.testing.assert_allclose(mean.get_ydata(), values.mean(axis=0))
        stars = next(line for label, line in lines.items() if label.startswith("best epoch"))
        best = [run.best_epoch for run in results.details["rnn"].runs]
        assert list(stars.get_xdata()) == best
        np.testing.assert_allclose(stars.get_ydata(), [row[epoch - 1] for row, epoch in zip(values, best, strict=True)])
        if len(curves) > 1:
            edges = np.concatenate([c.get_paths()[0].vertices[:, 1] for c in axes.collections if c.get_paths()])
            for bound in (*values.min(axis=0), *values.max(axis=0)):
                assert np.isclose(edges, bound).any()
        else:
            assert not axes.collections
    majority = next(line for line in accuracy.lines if line.get_label() == "majority class")
    train = results.corpus.splits["in_domain_train"].classes
    assert majority.get_ydata()[0] == pytest.approx(100 * max(train) / sum(train))


def test_on_dev_the_majority_line_is_that_of_dev(tmp_path):
    experiment = make_experiment(seeds=(0,), selection={"validation": "dev"})
    results = read_results(write_experiment(tmp_path, experiment))
    assert results.validation_majority() == pytest.approx(results.metrics["majority"]["in_domain_dev"]["accuracy"])


def test_one_epoch_is_still_a_visible_point(tmp_path):
    results = read_results(write_experiment(tmp_path, make_experiment(seeds=(0,))))
    short = {name: curve[:1] for name, curve in results.curves["rnn"][0].items()}
    results.curves["rnn"][0] = short
    runs = results.details["rnn"].seeds
    runs["0"] = runs["0"].model_copy(update={"best_epoch": 1})
    figure = all_figures(results, compare(results))["curves-rnn"]
    line = next(line for line in figure.axes[0].lines if line.get_label().startswith("validation"))
    assert len(line.get_xdata()) == 1
    assert line.get_marker() not in ("", "None", None)
    assert encode(figure, "png")


def test_systems_differ_in_black_and_white(drawn):
    loss = drawn[1]["curves-rnn"].axes[0]
    training, validation = (
        next(line for line in loss.lines if line.get_label().startswith(word)) for word in ("training", "validation")
    )
    assert training.get_linestyle() != validation.get_linestyle()
    assert training.get_marker() != validation.get_marker()
    markers = {line.get_marker() for line in drawn[1]["quality-cost"].axes[0].lines if line.get_linestyle() == "None"}
    assert len(markers) == len({"teacher", "distilled", "linear", "baseline"})


def test_reliability_pools_the_sentences_of_the_seeds():
    def bins(n, confidence, accuracy):
        empty = ReliabilityBin(lower=0, upper=0.5, n=0, confidence=None, accuracy=None)
        return [empty, ReliabilityBin(lower=0.5, upper=1, n=n, confidence=confidence, accuracy=accuracy)]

    pooled = pooled_reliability([bins(10, 0.8, 0.5), bins(30, 0.6, 0.9)])
    assert pooled["n"].tolist() == [0, 40]
    assert pooled["confidence"][1] == pytest.approx((10 * 0.8 + 30 * 0.6) / 40)
    assert pooled["accuracy"][1] == pytest.approx((10 * 0.5 + 30 * 0.9) / 40)
    assert np.isnan(pooled["accuracy"][0])


def test_spread_keeps_order_gap_and_bounds():
    values = np.array([0.5, 0.1, 0.52, 0.51, 0.95])
    moved = spread(values, 0.1, 0.0, 1.0)
    assert (np.argsort(moved) == np.argsort(values)).all()
    assert np.diff(np.sort(moved)).min() >= 0.1 - 1e-12
    assert moved.min() >= 0
    assert moved.max() <= 1 + 1e-12
    np.testing.assert_allclose(spread(np.array([3.0, 1.0, 2.0]), 0.5), [3, 1, 2])


def test_a_damaged_curve_is_refused(tmp_path):
    from distilrnn.errors import InputError

    path = tmp_path / "curves.csv"
    for text in (
        "",
        "epoch,train_loss\n1,0.5\n",
        "epoch,train_loss,train_accuracy,validation_loss,validation_accuracy\n",
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=r"curves\.csv"):
            read_curve(path)
