"""distilrnn init: says what it found in a screenful, asks what it cannot tell, writes an experiment, or refuses."""

import io
import re
import sys
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from distilrnn.cli.main import commands
from distilrnn.cli.options import run
from distilrnn.params.experiment import read_experiment
from distilrnn.scaffold.measure import Bench, Estimate
from own_data import write_csv
from paths import REPOSITORY

TEXTS = [f"This is the review number {row} , and it is a long one ." for row in range(200)]


@pytest.fixture
def init(tmp_path, monkeypatch, capsys):
    """Runs the command in a folder with the root's dvc.yaml; returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    Path("dvc.yaml").write_text((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))

    def call(*options, estimate=False):
        monkeypatch.setattr(sys, "argv", ["distilrnn", "init", *options, *([] if estimate else ["--no-estimate"])])
        with pytest.raises(SystemExit) as stopped:
            run(commands)
        return stopped.value.code, *capsys.readouterr()

    return call


def reviews(path, **more):
    columns = {"Review": TEXTS, "Stars": list("1234") * 50} | more
    write_csv(Path(path), list(zip(*columns.values(), strict=True)), header=tuple(columns), delimiter=";")


def test_it_says_what_it_found_and_writes_an_experiment(init):
    reviews("Reviews 2024.csv")
    code, printed, errors = init("Reviews 2024.csv")
    assert (code, errors) == (0, "")
    for words in ("200 texts", "text Review, label Stars", "1 50 █", "median 14", "pre-trained here", "by semicolon"):
        assert words in printed
    said, command = printed.split("Wrote ")
    assert max(map(len, said.splitlines())) <= 80
    assert len(printed.splitlines()) < 40
    assert "snakemake --configfile experiments/reviews-2024/params.yaml --cores all" in command
    experiment = read_experiment(Path("experiments/reviews-2024/params.yaml"))
    assert experiment.corpus.train == "Reviews 2024.csv"
    assert experiment.corpus.text_column == "Review"
    assert "- params: experiments/reviews-2024/params.yaml" in Path("experiments/reviews-2024/dvc.yaml").read_text()


def test_a_dry_run_writes_nothing_and_shows_the_params(init, tmp_path):
    reviews("reviews.csv")
    before = sorted(tmp_path.rglob("*"))
    code, printed, _ = init("reviews.csv", "--dry-run")
    assert code == 0
    assert "experiment: reviews" in printed
    assert "kind: text" not in printed
    assert sorted(tmp_path.rglob("*")) == before


def test_it_asks_only_what_it_cannot_tell(init, monkeypatch):
    reviews("x.csv", Shop=["here", "there"] * 100)
    assert init("x.csv", "--dry-run")[0] == 0  # Stars has a usual name
    columns = {"words": TEXTS, "shop": ["a", "b", "c", "d"] * 50, "tone": ["x", "y"] * 100}
    write_csv(Path("y.csv"), list(zip(*columns.values(), strict=True)), header=tuple(columns))
    code, _, errors = init("y.csv")
    assert code == 2
    assert re.fullmatch(r"error: y\.csv: tone or shop could be the label: name it with .*\n", errors)
    assert init("y.csv", "--yes", "--name", "first")[0] == 0
    assert read_experiment(Path("experiments/first/params.yaml")).corpus.label_column == "tone"
    assert init("y.csv", "--label-column", "shop", "--name", "given")[0] == 0
    assert read_experiment(Path("experiments/given/params.yaml")).corpus.label_column == "shop"

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("2\n"))
    code, printed, _ = init("y.csv", "--name", "asked")
    assert code == 0
    assert "Which column is the label?" in printed
    assert read_experiment(Path("experiments/asked/params.yaml")).corpus.label_column == "shop"


def test_what_cannot_be_used_is_one_sentence_and_nothing_is_written(init, tmp_path):
    reviews("x.csv")
    write_csv(Path("few.csv"), [("It rains .", "a"), ("It pours .", "b")] * 10)
    write_csv(Path("ids.csv"), [(str(row), str(row * 7)) for row in range(100)], header=("a", "b"))
    Path("experiments/there").mkdir(parents=True)
    Path("experiments/there/params.yaml").touch()
    for options, words in {
        ("nix.csv",): "nix.csv: no such file",
        ("x.csv", "--label-column", "colour"): "has no column colour, only Review, Stars: check --label-column",
        ("x.csv", "--base", "nix.gguf"): "no such GGUF file",
        ("x.csv", "--unlabelled", "nix.txt"): "nix.txt: no such file",
        ("x.csv", "--name", "there"): "is already there: choose another name",
        ("x.csv", "--name", "a b"): "not a usable name",
        ("few.csv",): "too few to pre-train a base on",
        ("ids.csv",): "no column seems to be the",
    }.items():
        code, _, errors = init(*options)
        assert code == 2
        assert re.fullmatch(rf"error: .*{words}.*\n", errors), errors
    assert sorted(path.name for path in Path("experiments").rglob("*")) == ["params.yaml", "there"]


def test_folders_that_are_splits_and_texts_of_no_class_are_found(init):
    for split in ("train", "test"):
        for label in ("neg", "pos", *(["unsup"] if split == "train" else [])):
            folder = Path("imdb", split, label)
            folder.mkdir(parents=True)
            for row in range(60):
                (folder / f"{row}.txt").write_text(f"In {split} {label} this is text {row} .")
    code, printed, _ = init("imdb", "--dry-run")
    assert code == 0
    for words in ("train: imdb/train", "test: imdb/test", "kind: text", "60 texts, 8 words", "neg (60), pos (60)"):
        assert words in printed


@pytest.mark.slow
def test_a_dataset_of_save_to_disk_is_found_with_its_splits_and_class_names(init, capsys):
    features = Features({"id": Value("int64"), "sentence": Value("string"), "label": ClassLabel(names=["bad", "good"])})

    def rows(count, first):
        numbers = range(first, first + count)
        texts = [f"This is the text number {row} , and it is a long one ." for row in numbers]
        return Dataset.from_dict({"id": [*numbers], "sentence": texts, "label": [row % 2 for row in numbers]}, features)

    DatasetDict(train=rows(200, 0), validation=rows(40, 200)).save_to_disk("saved")
    rows(60, 0).save_to_disk("odd")
    capsys.readouterr()  # the progress bars of save_to_disk
    code, printed, errors = init("saved", "--name", "mine")
    assert (code, errors) == (0, "")
    assert "saved: 200 texts" in printed
    corpus = read_experiment(Path("experiments/mine/params.yaml")).corpus
    assert (corpus.source, corpus.path, corpus.train, corpus.dev) == ("dataset", "saved", "train", "validation")
    assert (corpus.text_column, corpus.label_column) == ("sentence", "label")
    assert corpus.test is None
    assert corpus.test_fraction is not None
    code, printed, _ = init("odd", "--dry-run", "--text-column", "text")
    assert code == 2
    code, _, errors = init("owner/name", "--revision", "0" * 40)
    assert code == 2
    assert errors.startswith("error: owner/name: cannot be loaded at revision 000")


def test_the_estimate_is_measured_and_said(init, monkeypatch):
    """The stages really run, on a few batches; here what they measure is replaced by figures that can be checked."""
    reviews("x.csv")
    asked = []
    monkeypatch.setattr(Bench, "prepare_base", lambda self, params: asked.append(params.model))
    monkeypatch.setattr(
        Bench,
        "token_lengths",
        lambda self: __import__("distilrnn.scaffold.plan").scaffold.plan.TokenLengths(20, 22, True),
    )
    monkeypatch.setattr(Bench, "estimate", lambda self, experiment, unlabelled: Estimate(60, 600, 30, 1200, 60))
    code, printed, _ = init("x.csv", "--dry-run", estimate=True)
    assert code == 0
    assert asked == ["pretrain"]
    assert "about 32 min: base 60 s, teacher 10 min" in printed
    assert "99 % up to 20" in printed
