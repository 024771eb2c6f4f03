import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from distilrnn.artifacts.files import read_json, write_json
from distilrnn.artifacts.layout import root
from distilrnn.errors import InputError
from distilrnn.orchestration.stages import report_files
from distilrnn.params.published import PublishedParams
from distilrnn.pipeline.report import gather_provenance, write_report
from distilrnn.report import labels, tables
from distilrnn.report.cascades import costed, rows, sentence
from distilrnn.report.comparison import compare
from distilrnn.report.figures import cascade_figure
from distilrnn.report.page import page_html
from distilrnn.report.provenance import Provenance
from distilrnn.report.results import read_results
from distilrnn.report.tables import MOST_SOURCES
from distilrnn.report.tables import sources as sources_sheet
from paths import REPOSITORY
from report_inputs import HOSTILE, make_experiment, write_experiment

pytestmark = pytest.mark.slow  # draws many pictures

PROVENANCE = Provenance(
    "0123abc", True, {"python": "3.11.9"}, {"processor": "Example & Sons", "cores": "2"}, {"teacher": "0a" * 8}
)
SCRIPT = REPOSITORY / "workflow" / "scripts" / "report.py"


class Page(HTMLParser):
    """The tags, the text and the rows of tables (by caption) of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables, self.text = [], {}, []
        self._cell = self._caption = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self._rows = []
        elif tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._cell = ""

    def handle_endtag(self, tag):
        if tag == "caption":
            self.tables[self._caption], self._caption = self._rows, None
        elif tag in ("td", "th"):
            self._rows[-1].append(" ".join(self._cell.split()))
            self._cell = None

    def handle_data(self, data):
        self.text.append(data)
        if self._caption is not None:
            self._caption += data
        elif self._cell is not None:
            self._cell += data


def outputs(experiment):
    """The files that the workflow expects, relative to the experiment's folder."""
    return [str(Path(file).relative_to(root(experiment))) for file in report_files(experiment)]


def page_of(folder, published=None, **options):
    """A page with empty pictures, from freshly written inputs."""
    classes = options.pop("classes", ("unacceptable", "acceptable"))
    experiment = make_experiment(seeds=(0,), **options)
    experiment = experiment.model_copy(update={"published": published or {}})
    results = read_results(write_experiment(folder, experiment, classes=classes))
    pictures = {name: b"<svg/>" for name in outputs(experiment) if name.endswith(".svg")}
    return Page(page_html(results, compare(results), pictures, PROVENANCE))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    params = write_experiment(tmp_path_factory.mktemp("report"), make_experiment())
    write_report(params, PROVENANCE)
    return params


@pytest.fixture(scope="module")
def page(written):
    return Page((written.parent / "report.html").read_text(encoding="utf-8"))


def test_the_files_are_those_that_the_workflow_expects(written):
    experiment = make_experiment()
    inputs = {"params.json", "metrics.json", "statistics.json", "costs.json"}
    made = {
        str(path.relative_to(written.parent))
        for path in written.parent.rglob("*")
        if path.is_file() and path.parent in (written.parent, written.parent / "figures")
    }
    assert made - inputs == set(outputs(experiment))


def test_the_page_needs_no_network(written, page):
    loads = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "data", "poster", "action") or (name == "href" and not value.startswith("#"))
    ]
    assert loads
    assert all(value.startswith("data:image/svg+xml;base64,") for value in loads)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base"}
    text = (written.parent / "report.html").read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text
    assert any(a.get("content", "").startswith("default-src 'none'") for tag, a in page.tags if tag == "meta")


def test_text_of_the_corpus_is_escaped(written, page):
    text = (written.parent / "report.html").read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert any(row[0] == HOSTILE for row in page.tables["Accuracy % by source, in-domain dev, hardest first"])


def test_hostile_class_names_and_four_classes(tmp_path):
    classes = ("<b>bold", "two & three", "c", "d")
    page = page_of(tmp_path, classes=classes)
    assert "b" not in {tag for tag, _ in page.tags}
    confusion = page.tables["RNN on labels, in-domain dev (one seed)"]
    assert confusion[0] == ["", *(f"predicted {name}" for name in classes)]
    counts = read_results(tmp_path / "params.json").details["rnn"].seeds["0"].splits["in_domain_dev"].confusion
    assert [row[1:] for row in confusion[1:]] == [[str(cell) for cell in row] for row in counts]


def test_numbers_of_the_page_are_those_of_the_files(written, page):
    results = read_results(written)
    rows = {row[0]: row for row in page.tables["Comparison of the systems"][1:]}
    assert next(iter(rows)) == "Majority class"
    for name, metrics in results.metrics.items():
        assert rows[results.titles[name]][3].startswith(f"{100 * metrics['in_domain_dev']['accuracy']:.1f}")
    runs = page.tables["Every run (training and validation accuracy at the best epoch)"][1:]
    assert len(runs) == 2 + 2 + 5 + 5 + 2 + 2 + 5 + 1
    assert runs[-1][:3] == ["Linear on labels", "0", "–"]
    last = results.details["rnn"].seeds["4"]
    assert runs[-2][:3] == ["RNN on labels", "4", str(last.best_epoch)]
    assert runs[-2][5] == f"{100 * last.splits['in_domain_dev'].accuracy:.2f}"
    added = page.tables["RNN on labels, in-domain dev (5 seeds added)"][1:]
    assert sum(int(cell) for row in added for cell in row[1:]) == 5 * 527


def test_what_int8_costs_stands_beside_the_student(written):
    text = (written.parent / "report.html").read_text(encoding="utf-8")
    section = text.split('<section id="exports">')[1].split("</section>")[0]
    for row in section.split("<tr>")[2:]:
        assert "<td>25.0 MB</td><td>24.9 MB</td><td>6.30 MB</td><td>2.4e−07</td>" in "".join(row.split("\n"))
        assert row.count("(−0.2)") == 4  # accuracy and MCC on both dev sets
    named = ["RNN distilled from gpt2", "RNN distilled from gpt2-medium", "RNN on labels"]
    assert re.findall(r'<th scope="row">([\w -]+)', section) == named


def test_the_page_is_accessible(page):
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 6 + 5
    assert all(len(image["alt"]) > 20 for image in images)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert all(a["href"][1:] in targets for tag, a in page.tags if tag == "a")
    assert ("html", {"lang": "en"}) in page.tags


def test_provenance_stands_at_the_foot(page):
    text = " ".join(" ".join(page.text).split())
    foot = text[text.index("Sentences of the corpus") :]
    for said in ("0123abc", "with uncommitted changes", "Example & Sons", "3.11.9", "ab" * 32, "rnn 0, 1, 2, 3, 4"):
        assert said in foot


def test_lengths_and_texts_that_are_cut_are_counted(page):
    rows = page.tables["Tokens of the texts"]
    assert rows[0] == ["Tokenizer", "Split", "Mean tokens", "Longest", "Texts cut", "In windows"]
    assert all(row[2:] == ["10.0", "310", "3", "0"] for row in rows[1:])


def test_same_inputs_same_bytes(written):
    before = {name: (written.parent / name).read_bytes() for name in outputs(make_experiment())}
    write_report(written, PROVENANCE)
    assert {name: (written.parent / name).read_bytes() for name in before} == before


def test_selection_on_dev_is_a_warning_at_the_head(tmp_path, page):
    on_dev = page_of(tmp_path, selection={"validation": "dev"})
    assert ("p", {"class": "warning"}) in on_dev.tags
    assert ("p", {"class": "warning"}) not in page.tags


def test_published_figures_stand_beside_ours(tmp_path):
    row = page_of(tmp_path, {"rnn": PublishedParams(name="other", in_domain_dev_accuracy=0.6945)}).tables[
        "Beside the published figures"
    ][1]
    assert row[1] == "other"
    assert row[3] == "69.45"
    assert row[6].endswith("of 527")


def test_a_long_table_of_sources_shows_its_two_ends(tmp_path):
    sources = tuple(f"source{i}" for i in range(MOST_SOURCES + 6))
    results = read_results(write_experiment(tmp_path, make_experiment(seeds=(0,)), sources=sources))
    sheet = sources_sheet(results, "in_domain_dev")
    assert len(sheet.rows) == MOST_SOURCES
    assert "6 sources between" in sheet.caption
    trained = [results.details[system.name].seeds["0"].splits["in_domain_dev"].by_source for system in results.systems]
    means = [sum(by_source[row[0]].accuracy for by_source in trained) for row in sheet.rows]
    assert means == sorted(means)


@pytest.mark.parametrize(
    "name",
    [
        "params.json",
        "metrics.json",
        "metrics/rnn.json",
        "metrics/majority.json",
        "statistics.json",
        "costs.json",
        "corpus/corpus.json",
        "baselines/rnn/seed4/curves.csv",
        "exports/rnn/export.json",
    ],
)
def test_a_missing_file_is_named_and_nothing_is_written(written, tmp_path, name):
    folder = tmp_path / "demo"
    shutil.copytree(
        written.parent, folder, ignore=shutil.ignore_patterns("figures", "table.*", "report.html", "model-card.md")
    )
    (folder / name).unlink()
    with pytest.raises(InputError, match=re.escape(Path(name).name)):
        write_report(folder / "params.json", PROVENANCE)
    assert not any((folder / made).exists() for made in outputs(make_experiment()))


def test_a_system_without_some_seed_is_refused(written, tmp_path):
    folder = tmp_path / "demo"
    shutil.copytree(written.parent, folder)
    path = folder / "metrics" / "rnn.json"
    details = json.loads(path.read_text())
    del details["seeds"]["3"]
    path.write_text(json.dumps(details))
    with pytest.raises(InputError, match="lacks seed 3"):
        write_report(folder / "params.json", PROVENANCE)


def test_provenance_of_a_repository(tmp_path):
    assert gather_provenance(tmp_path).commit is None

    def git(*arguments):
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    for name in ("code.py", "results/table.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one\n")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    folder = tmp_path / "results"
    clean = gather_provenance(folder)
    assert clean.commit == git("rev-parse", "HEAD")
    assert not clean.changed
    (folder / "table.md").write_text("two\n")
    assert not gather_provenance(folder).changed
    (tmp_path / "code.py").write_text("two\n")
    assert gather_provenance(folder).changed
    assert clean.versions["torch"].startswith("2.")
    assert clean.machine["cores"] > 0


def test_the_script_prints_the_table_and_the_path(tmp_path):
    params = write_experiment(tmp_path, make_experiment(seeds=(0,)))
    done = subprocess.run([sys.executable, SCRIPT, "--experiment", params], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Majority" in done.stdout
    assert done.stdout.rstrip().endswith(f"Report: {tmp_path / 'report.html'}")
    params.unlink()
    failed = subprocess.run([sys.executable, SCRIPT, "--experiment", params], capture_output=True, text=True)
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert str(params) in failed.stderr


def test_the_first_screen_is_the_verdict_one_picture_and_one_table(written):
    text = (written.parent / "report.html").read_text(encoding="utf-8")
    comparison = compare(read_results(written))
    first = text.split("<main>")[1].split("</section>")[0]
    assert comparison.headline.split(":")[0] in text.split("<main>")[0]
    assert first.count("<img") == 1
    assert first.count("<table") == 1
    page = Page(text)
    rows = page.tables["Accuracy on the in-domain dev set, time and size"]
    assert [row[0] for row in rows[1:]] == [row.title for row in comparison.rows]
    rnn = next(row for row in comparison.rows if row.system == "rnn")
    assert rows[-2][1] == rnn.scores["in_domain_dev"]["accuracy"].text


def test_cascades_and_disagreements_are_those_of_the_files(written):
    results = read_results(written)
    page = Page((written.parent / "report.html").read_text(encoding="utf-8"))
    rows = page.tables["RNN distilled from gpt2, handing on to Teacher gpt2 (LoRA)"][1:]
    cascade = next(
        c for c in results.statistics.cascades if c.student == "distilrnn-gpt2" and c.split == "in_domain_dev"
    )
    own, teacher = (results.costs[name].milliseconds_single for name in ("distilrnn-gpt2", "lora-gpt2"))
    by_share = {row[0].split(" %")[0]: row for row in rows}
    half = next(point for point in cascade.points if point.share == 0.5)
    assert by_share["50"][1:3] == [f"{100 * half.handed_on:.1f}", f"{100 * half.accuracy:.1f} ± 1.0"]
    assert float(by_share["50"][4]) == pytest.approx(own + half.handed_on * teacher, rel=0.01)
    assert sum("recommended" in row[0] for row in rows) == sum(
        one.recommended is not None for one in costed(results) if one.cascade.student == "distilrnn-gpt2"
    )
    found = next(
        rows for caption, rows in page.tables.items() if caption.startswith("RNN distilled from gpt2: another")
    )
    assert found[1] == [HOSTILE, "unacceptable", "acceptable (80 %)", "unacceptable (95 %)"]


def test_the_recommended_cascade_is_chosen_on_the_held_out_part(written):
    found = next(costed(read_results(written)))
    points = found.cascade.points
    found = replace(found, milliseconds=list(map(float, range(len(points)))))
    enough = [point.held_out_accuracy >= 0.99 * points[-1].held_out_accuracy for point in points]
    assert found.recommended == enough.index(True)
    point = points[found.recommended]
    assert f"hands {100 * point.handed_on:.0f} % of the sentences on to Teacher gpt2 (LoRA)" in sentence(found)
    (marked,) = [row for row in rows(found) if "recommended" in row[0]]
    assert float(marked[4]) == found.recommended


def test_no_cascade_is_recommended_that_takes_longer_than_its_teacher(written):
    found = next(costed(read_results(written)))
    slow = replace(found, milliseconds=[2.0] * (len(found.milliseconds) - 1) + [1.0])
    assert slow.recommended is None
    assert sentence(slow).startswith("RNN distilled from gpt2 saves Teacher gpt2 (LoRA) no time: ")
    assert not any("recommended" in row[0] for row in rows(slow))
    labels = [line.get_label() for axes in cascade_figure([slow], "in_domain_dev").axes for line in axes.get_lines()]
    assert not any("recommended" in str(label) for label in labels)


def test_statistics_of_another_version_are_refused(written, tmp_path):
    folder = tmp_path / "demo"
    shutil.copytree(written.parent, folder)
    statistics = json.loads((folder / "statistics.json").read_text())
    del statistics["cascades"]
    (folder / "statistics.json").write_text(json.dumps(statistics))
    with pytest.raises(InputError, match="lacks cascades"):
        write_report(folder / "params.json", PROVENANCE)


GRAMMAR = {
    "source": "grammar", "kind": "corpus", "read": 1234, "duplicates": 20, "in_reported": 3, "in_held_out": 4,
    "in_train": 5, "unusable": 2, "beyond_bound": 200, "sentences": 1000,
    "judged": [
        {
            "teacher": "lora-gpt2",
            "shares": {"unacceptable": 0.253, "acceptable": 0.747},
            "answers": [{"sentence": HOSTILE, "answer": "acceptable", "probability": 0.93}],
        }
    ],
}  # fmt: skip


def test_the_unlabelled_text_stands_in_page_and_model_card(tmp_path):
    params = write_experiment(tmp_path, make_experiment(teachers=("gpt2",)))
    statistics = read_json(tmp_path / "statistics.json")
    write_report(params, PROVENANCE)
    without = (tmp_path / "report.html").read_text()
    write_json(tmp_path / "statistics.json", statistics | {"pools": [GRAMMAR]})
    write_report(params, PROVENANCE)
    page = (tmp_path / "report.html").read_text()
    assert 'id="pools"' in page
    assert "Unlabelled" not in without
    assert HOSTILE not in page
    results = read_results(params)
    (row,) = tables.pools(results).rows
    assert row == ["grammar", "corpus", "1,234", "20", "3", "4", "5", "2", "200", "1,000"]
    train, grammar = tables.pool_shares(results).rows
    assert (train[:2], grammar[1:]) == (["train", "labels"], ["Teacher gpt2 (LoRA)", "25.3", "74.7"])
    assert tables.pool_answers(results)[0].rows == [[HOSTILE, "acceptable (93 %)"]]
    card = (tmp_path / "model-card.md").read_text()
    assert "| grammar | Teacher gpt2 (LoRA) | 25.3 | 74.7 |" in card
    unscored = GRAMMAR | {"judged": []}
    write_json(tmp_path / "statistics.json", statistics | {"pools": [unscored]})
    write_report(params, PROVENANCE)
    results = read_results(params)
    assert len(tables.pools(results).rows) == len(tables.pool_shares(results).rows) == 1
    assert tables.pool_answers(results) == []


def test_what_labels_are_worth_is_said_in_page_and_table(tmp_path):
    experiment = make_experiment(teachers=("gpt2",), labels={"sentences": [100]})
    params = write_experiment(tmp_path, experiment)
    values = {"distilrnn-gpt2": (0.85, 0.95), "rnn": (0.75, 0.9), "linear": (0.65, 0.7)}
    curves = [
        {
            "system": name,
            "split": "in_domain_dev",
            "points": [
                {
                    "labels": n,
                    "accuracy": a,
                    "accuracy_interval": (a - 0.1, a + 0.1),
                    "mcc": 0.9,
                    "mcc_interval": (0.8, 1),
                }
                for n, a in zip((100, 2700), measured, strict=True)
            ],
        }
        for name, measured in values.items()
    ]
    write_json(tmp_path / "statistics.json", read_json(tmp_path / "statistics.json") | {"label_curves": curves})
    write_report(params, PROVENANCE)
    page = (tmp_path / "report.html").read_text()
    about = round(math.exp(math.log(100) + (0.1 / 0.15) * math.log(27)), -1)
    sentence = (
        f"RNN distilled from gpt2 with 100 labels equals RNN on labels with about {about:.0f} in accuracy and at most "
        "100 in MCC."
    )
    assert sentence in page
    assert sentence in (tmp_path / "table.md").read_text()
    assert (tmp_path / "figures" / "labels.svg").is_file()
    assert tables.labels(read_results(params))[0].rows[1] == [
        "RNN on labels",
        "75.0 (65.0 to 85.0)",
        "90.0 (80.0 to 100.0)",
    ]


def test_a_student_that_is_no_better_than_the_majority_class_equals_no_number_of_labels(tmp_path):
    params = write_experiment(tmp_path, make_experiment(teachers=("gpt2",), labels={"sentences": [100]}))
    statistics = read_json(tmp_path / "statistics.json")

    def said(low_accuracy, low_mcc):
        points = [
            {
                "labels": n,
                "accuracy": 0.8,
                "accuracy_interval": (low_accuracy, 0.9),
                "mcc": 0.3,
                "mcc_interval": (low_mcc, 1),
            }
            for n in (100, 2700)
        ]
        curves = [{"system": name, "split": "in_domain_dev", "points": points} for name in ("distilrnn-gpt2", "rnn")]
        write_json(tmp_path / "statistics.json", statistics | {"label_curves": curves})
        (sentence,) = labels.sentences(read_results(params))
        return sentence.removeprefix("RNN distilled from gpt2 with 100 labels ")

    assert said(0.6, -0.1) == "is not shown to be better than the majority class."
    assert said(0.6, 0.1) == "equals RNN on labels with at most 100 in MCC."
    assert said(0.75, 0.1) == "equals RNN on labels with at most 100, in accuracy and in MCC."
