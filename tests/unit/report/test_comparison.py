import json
import re
from dataclasses import replace

import pytest
from pydantic import ValidationError
from rich.console import Console
from statsmodels.stats.proportion import proportion_confint

from distilrnn.errors import InputError
from distilrnn.evaluation.system_metrics import Measured, VariantScores
from distilrnn.params.published import PublishedParams
from distilrnn.report.comparison import compare
from distilrnn.report.formatting import number, si_count, significant_digits
from distilrnn.report.provenance import Provenance
from distilrnn.report.render import to_json, to_markdown, to_rich
from distilrnn.report.results import read_results
from report_inputs import make_experiment, write_experiment

PROVENANCE = Provenance("0123abc", False, {}, {}, {"teacher": "0a" * 8})


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    return read_results(write_experiment(tmp_path_factory.mktemp("five"), make_experiment()))


def results_of(folder, **options):
    inputs = {name: options.pop(name) for name in ("classes", "sources", "verdicts") if name in options}
    return read_results(write_experiment(folder, make_experiment(**options), **inputs))


def lines_of(comparison, width=80):
    console = Console(width=width, file=None, record=True, quiet=False)
    with console.capture() as capture:
        console.print(to_rich(comparison))
    return capture.get().splitlines()


def test_a_row_for_each_system_and_the_majority_class_first(five):
    rows = [row.system for row in compare(five).rows]
    assert rows == [
        "majority", "lora-gpt2", "lora-gpt2-medium", "distilrnn-gpt2", "distilrnn-gpt2-medium",
        "distillinear-gpt2", "distillinear-gpt2-medium", "rnn", "linear",
    ]  # fmt: skip
    assert [row.title for row in compare(five).rows] == [
        "Majority class",
        "Teacher gpt2 (LoRA)",
        "Teacher gpt2-medium (LoRA)",
        "RNN distilled from gpt2",
        "RNN distilled from gpt2-medium",
        "Linear distilled from gpt2",
        "Linear distilled from gpt2-medium",
        "RNN on labels",
        "Linear on labels",
    ]


def test_numbers_are_those_of_the_files(five):
    for row in compare(five).rows:
        for split in ("in_domain_dev", "out_of_domain_dev"):
            accuracy, mcc = row.scores[split]["accuracy"], row.scores[split]["mcc"]
            assert accuracy.mean == five.metrics[row.system][split]["accuracy"]
            assert accuracy.std == five.metrics[row.system][split]["accuracy_std"]
            assert mcc.mean == five.metrics[row.system][split]["mcc"]
            n = five.corpus.splits[split].sentences
            assert accuracy.interval == pytest.approx(proportion_confint(accuracy.mean * n, n, method="wilson"))
            if row.kind != "majority":
                assert mcc.interval == five.details[row.system].mcc_interval[split]
                assert row.milliseconds == five.costs[row.system].milliseconds_single
                assert row.checkpoint_bytes == five.costs[row.system].checkpoint_bytes


def test_one_seed_has_the_interval_of_its_run_and_no_deviation(tmp_path):
    results = results_of(tmp_path, seeds=(3,))
    comparison = compare(results)
    row = next(row for row in comparison.rows if row.system == "rnn")
    score = row.scores["in_domain_dev"]["accuracy"]
    assert score.interval == pytest.approx(results.details["rnn"].seeds["3"].splits["in_domain_dev"].accuracy_interval)
    assert score.std is None
    table = to_markdown(comparison).partition("\n\n")[0]
    assert "±" not in table
    assert not any("±" in line for line in lines_of(comparison) if "no ±" not in line and "Mean ±" not in line)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "teachers": ("gpt2", "gpt2-medium", "gemma-3-270m-corrected-by-hand"),
            "students": ("rnn", "gru", "lstm-two-layers"),
        },
    ],
    ids=["five systems", "fifteen systems"],
)
def test_the_terminal_table_fits_80_columns_and_cuts_nothing(tmp_path, options):
    comparison = compare(results_of(tmp_path, **options))
    lines = lines_of(comparison)
    assert max(map(len, lines)) <= 80
    # A name may be broken over lines, a number may not; the cell of a cut number would end in an ellipsis.
    text = "\n".join(lines)
    for row in comparison.rows:
        for measures in row.scores.values():
            for score in measures.values():
                assert score.text.replace(" ", "") in text
                assert score.interval_text("…") in text
    names = "".join(line[:19].replace(" ", "") for line in lines)
    assert all(row.title.replace(" ", "") in names for row in comparison.rows)


def test_markdown_is_well_formed(five):
    comparison = compare(with_published(five, rnn=PublishedParams(in_domain_dev_accuracy=0.6945)))
    tables = [part.splitlines() for part in to_markdown(comparison).split("\n\n") if part.startswith("|")]
    assert [len(table) for table in tables] == [2 + len(comparison.rows), 3]
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
        assert set(table[1]) <= set("|:- ")
    assert tables[0][3].startswith("| Teacher gpt2 (LoRA) | 2 | 125M |")


def test_json_holds_unrounded_numbers(five):
    written = json.loads(to_json(compare(five), PROVENANCE))
    assert written["provenance"]["code"] == PROVENANCE.code
    rnn = next(row for row in written["rows"] if row["system"] == "rnn")
    assert rnn["scores"]["out_of_domain_dev"]["mcc"]["mean"] == five.metrics["rnn"]["out_of_domain_dev"]["mcc"]
    assert rnn["scores"]["in_domain_dev"]["accuracy"]["seeds"] == [
        run.accuracy for run in five.details["rnn"].on("in_domain_dev")
    ]


def test_json_holds_the_variants(five):
    spread = Measured(
        accuracy=0.7, accuracy_std=None, accuracy_interval=(0.6, 0.8), mcc=0.3, mcc_std=None, mcc_interval=(0.2, 0.4)
    )
    variant = VariantScores(
        system="rnn", variant="hidden=8", chosen=True, seeds=1, validation_accuracy=0.7, validation_accuracy_std=None,
        seconds=2.5, splits={"in_domain_dev": spread},
    )  # fmt: skip
    written = json.loads(to_json(replace(compare(five), variants={"rnn": [variant]}), PROVENANCE))
    assert written["variants"]["rnn"][0]["in_domain_dev"]["mcc_interval"] == [0.2, 0.4]


def test_verdict_sentences_stand_below_every_form_of_the_table(five):
    comparison = compare(five)
    assert len(comparison.sentences) == len(five.statistics.claims) == 2 * (2 * 2 + 2 * 3)
    assert all(f"- {sentence}\n" in to_markdown(comparison) for sentence in comparison.sentences)
    printed = " ".join(" ".join(lines_of(comparison)).split())
    assert all(sentence in printed for sentence in comparison.sentences)


def test_selection_is_named_and_selection_on_dev_is_a_warning(tmp_path, five):
    assert "10 % of the training sentences" in compare(five).selection
    on_dev = compare(results_of(tmp_path, selection={"validation": "dev"}))
    assert on_dev.selection.startswith("Warning")
    assert "in-domain dev set" in on_dev.selection
    assert on_dev.selection in to_markdown(on_dev)


OWN = {"source": "files", "train": "x.csv"}
SPLITS_AND_TITLES = {
    "dev": ({"dev_fraction": 0.1}, ["In-domain"], "the dev set served"),
    "test": ({"test_fraction": 0.1}, ["In-domain test"], "the test set served"),
    "dev and test": ({"dev": "y.csv", "test": "z.csv"}, ["In-domain dev", "In-domain test"], "the dev and test sets"),
    "two dev sets": ({"dev": "y.csv", "out_of_domain": "z.csv"}, ["In-domain", "Out-of-domain"], "the dev sets served"),
    "all": (
        {"dev": "y.csv", "test": "z.csv", "out_of_domain": "w.csv"},
        ["In-domain dev", "In-domain test", "Out-of-domain"],
        "the dev and test sets served",
    ),
}


@pytest.mark.parametrize(("splits", "titles", "served"), SPLITS_AND_TITLES.values(), ids=SPLITS_AND_TITLES)
def test_every_form_of_the_table_has_the_splits_of_the_corpus(tmp_path, splits, titles, served):
    comparison = compare(results_of(tmp_path, corpus=OWN | splits, classes=("a", "b", "c", "d")))
    head = to_markdown(comparison).splitlines()[0]
    assert re.findall(r"\| ([\w -]+) accuracy %", head) == titles
    assert served in comparison.selection
    lines = lines_of(comparison)
    assert max(map(len, lines)) <= 80
    for row in comparison.rows:
        assert len(row.scores) == len(titles)
        assert all(measures["accuracy"].text.replace(" ", "") in "".join(lines) for measures in row.scores.values())


def test_selection_on_dev_is_fair_where_there_is_a_test_set(tmp_path):
    corpus = OWN | {"dev_fraction": 0.1, "test_fraction": 0.1}
    comparison = compare(results_of(tmp_path, corpus=corpus, selection={"validation": "dev"}))
    assert comparison.selection.endswith("the in-domain test set served for this report alone.")
    assert comparison.selected_on_dev
    assert not comparison.selection_warns


def test_published_figures_with_the_difference_in_points_and_sentences(five):
    comparison = compare(
        with_published(five, rnn=PublishedParams(in_domain_dev_accuracy=0.6945, out_of_domain_dev_mcc=0.1))
    )
    accuracy, mcc = comparison.published
    ours = five.metrics["rnn"]["in_domain_dev"]["accuracy"]
    assert accuracy.points == pytest.approx(100 * ours - 69.45)
    assert accuracy.sentences == pytest.approx(527 * ours - 527 * 0.6945)
    assert accuracy.of == 527
    assert mcc.points == pytest.approx(100 * five.metrics["rnn"]["out_of_domain_dev"]["mcc"] - 10)
    assert mcc.sentences is None


def test_a_published_figure_of_no_system_is_refused(five):
    with pytest.raises(InputError, match=r"published\.rn: no such system"):
        compare(with_published(five, rn=PublishedParams(in_domain_dev_accuracy=0.7)))


def test_a_published_figure_in_percent_is_refused():
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        PublishedParams(in_domain_dev_accuracy=70.06)


def with_published(results, **published):
    return replace(results, experiment=results.experiment.model_copy(update={"published": published}))


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (si_count(125_031_168), "125M"),
        (si_count(629_760), "630k"),
        (si_count(999_600), "1.00M"),
        (si_count(39_780_098), "39.8M"),
        (si_count(12), "12"),
        (si_count(1_500_000_000, "B"), "1.50 GB"),
        (si_count(None), "–"),
        (significant_digits(0.654), "0.65"),
        (significant_digits(0.0123), "0.0123"),
        (significant_digits(9.996), "10.0"),
        (significant_digits(31.72), "31.7"),
        (significant_digits(634.2), "634"),
        (number(-0.04), "0.0"),
        (number(-1.26), "−1.3"),
        (number(1.26, 1, "+"), "+1.3"),
    ],
)
def test_numbers_are_written_for_people(written, wanted):
    assert written == wanted
