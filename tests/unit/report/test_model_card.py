"""The model card: everything in it comes from the run, and no text of the corpus becomes Markdown."""

import re
from dataclasses import replace

import pytest

from distilrnn.report.comparison import compare
from distilrnn.report.model_card import limits, model_card, plain
from distilrnn.report.render import cells
from distilrnn.report.results import read_results
from report_inputs import HOSTILE, SIZES, make_experiment, write_experiment


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card") / "demo"
    return read_results(write_experiment(folder, make_experiment(), classes=("bad_one", "good")))


@pytest.fixture(scope="module")
def card(results):
    return model_card(results, compare(results))


def rows(card, section):
    """The cells of a section's tables, without their heads, as they read."""
    text = card.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    found = [re.split(r"(?<!\\)\|", line.strip("| ")) for line in lines if not line.startswith("| :")]
    return [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in row] for row in found]


def test_metrics_are_the_tables(results, card):
    comparison = compare(results)
    assert rows(card, "Metrics")[1:] == [cells(row) for row in comparison.rows]
    for sentence in (comparison.verdict, *comparison.sentences, comparison.selection, comparison.note):
        assert plain(sentence) in card


def test_data_training_costs_and_exports_are_the_runs(results, card):
    data = {row[0]: row[1] for row in rows(card, "Data")}
    assert data["in-domain dev"] == str(SIZES["in_domain_dev"])
    assert f"`{results.corpus.hash}`" in card
    names = [system.title for system in results.systems]
    for section in ("Training", "Costs"):
        assert [row[0] for row in rows(card, section)[1:]] == names
    trained = {row[0]: row for row in rows(card, "Training")}
    assert trained["Teacher gpt2 (LoRA)"][1] == "models/gpt2, lora, rank 4 on all-linear"
    assert "on the probabilities of gpt2" in trained["RNN distilled from gpt2"][1]
    assert trained["RNN on labels"][3] == "0, 1, 2, 3, 4"
    best = [run.best_epoch for run in results.details["rnn"].runs]
    assert trained["RNN on labels"][4] == ", ".join(map(str, best))
    exports = {row[0]: row for row in rows(card, "As ONNX")[1:]}
    assert list(exports) == [system.title for system in results.systems if system.student]
    assert exports["RNN on labels"][1:5] == ["25.0 MB", "24.9 MB", "6.30 MB", "2.4e−07"]
    assert exports["RNN on labels"][6].endswith("(−0.2)")
    assert "Example CPU" in card


def test_limits_say_who_is_not_above_the_majority_class(results):
    comparison = compare(results)
    said = "\n".join(limits(results, comparison))
    always = comparison.rows[0].scores["in_domain_dev"]["accuracy"].mean
    for row in comparison.rows[1:]:
        low, high = row.scores["in_domain_dev"]["accuracy"].interval
        below = f"{row.title} is worse than always saying the most frequent class on in-domain dev"
        unclear = f"{row.title} is not shown to be better than always saying the most frequent class on in-domain dev"
        assert (below in said, unclear in said) == (high < always, low <= always <= high)
    assert "Teacher gpt2 (LoRA) is" not in said
    assert "RNN on labels is worse" in said
    assert "One seed only" not in said
    alone = [replace(row, seeds=1) if row.system == "rnn" else row for row in comparison.rows]
    assert any(
        limit == "One seed only, so a spread over seeds is not known: RNN on labels."
        for limit in limits(results, replace(comparison, rows=alone))
    )


def test_the_hardest_sources_are_named(results, card):
    runs = results.details["rnn"].on("in_domain_dev")
    means = {source: sum(run.by_source[source].accuracy for run in runs) / len(runs) for source in runs[0].by_source}
    said = next(row[2] for row in rows(card, "Where they fail") if row[:2] == ["RNN on labels", "in-domain dev"])
    found = sorted(means, key=means.get)[:3]
    assert all(source in said for source in found if source != HOSTILE)
    assert said.startswith(found[0])


def test_no_text_of_the_corpus_becomes_markdown_or_html(card):
    assert "<script>" not in card
    assert r"\<script\>" in card
    assert r"bad\_one" in card
    assert plain("a|b\n# c [d](e) *f*") == r"a\|b \# c \[d\](e) \*f\*"
    for table in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_what_a_student_is_good_for_with_right_and_wrong_answers(results, card):
    section = card.split("## What the students are good for")[1].split("\n## ")[0]
    comparison = compare(results)
    always = comparison.rows[0].scores["in_domain_dev"]["accuracy"].mean
    row = next(row for row in comparison.rows if row.system == "distilrnn-gpt2")
    useful = row.scores["in_domain_dev"]["accuracy"].interval[0] > always
    assert (f"{row.title} is of use" in section) == useful
    assert (f"{row.title} is of no shown use" in section) != useful
    answers = [line.split(" | ") for line in section.splitlines() if line.startswith(("| right", "| wrong"))]
    students = [system for system in results.systems if system.student]
    assert len(answers) == 6 * len(students)
    assert answers[0] == ["| right", "The cat sleeps.", "acceptable", "acceptable (90 %) |"]
    assert "saves Teacher gpt2 (LoRA) no time" in section
    assert "of its time" in section
