"""The rule linear on the small experiment: what it learns from, chooses and writes."""

import re

import numpy as np
import pytest

from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.layout import LINEAR_FILES
from distilrnn.artifacts.logits import load_logits
from distilrnn.data.corpus import read_split, read_summary
from distilrnn.data.holdout import split_holdout
from distilrnn.inference import load_predictor
from distilrnn.params.common import SelectionParams
from distilrnn.params.linear import LinearParams
from distilrnn.pipeline.linear import train_linear
from tiny import SELECTION

PARAMS = LinearParams(c=(100.0, 0.001, 1.0))


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    output = tmp_path_factory.mktemp("linear")
    return output, train_linear(tiny.corpus, output, PARAMS, SELECTION)


def test_the_files_are_those_of_the_layout(made):
    output, run = made
    assert sorted(path.name for path in output.iterdir()) == sorted(LINEAR_FILES)
    assert read_json(output / "run.json") == run
    assert run["checkpoint_bytes"] == (output / "linear.safetensors").stat().st_size


def test_logits_are_what_the_saved_classifier_says(tiny, made):
    output, _ = made
    summary = read_summary(tiny.corpus)
    counts = {split: summary["splits"][split]["sentences"] for split in list(summary["splits"])[1:]}
    logits, _ = load_logits(output / "logits.safetensors", summary["hash"], summary["classes"], counts)
    classifier = load_predictor(output / "linear.safetensors")
    for split, values in logits.items():
        sentences = [example.sentence for example in read_split(tiny.corpus / f"{split}.tsv")]
        np.testing.assert_array_equal(values, classifier.logits(sentences))


def test_the_penalty_is_chosen_on_the_held_out_part_and_the_stronger_of_equals(tiny, made, tmp_path):
    _, run = made
    train = read_split(tiny.corpus / "in_domain_train.tsv")
    labels = np.array([example.label for example in train])
    _, held_out = split_holdout(labels, SELECTION)
    accuracies = {}
    for c in PARAMS.c:
        alone = train_linear(tiny.corpus, tmp_path / str(c), LinearParams(c=(c,)), SELECTION)
        classifier = load_predictor(tmp_path / str(c) / "linear.safetensors")
        predicted = classifier.logits([train[row].sentence for row in held_out]).argmax(axis=1)
        accuracies[c] = (predicted == labels[held_out]).mean()
        assert alone["validation_at_best"]["accuracy"] == accuracies[c]
    best = max(accuracies.values())
    assert run["c"] == min(c for c, accuracy in accuracies.items() if accuracy == best)
    assert run["validation_at_best"]["accuracy"] == best


def test_held_out_sentences_are_not_learned_from(tiny, made):
    output, run = made
    train = read_split(tiny.corpus / "in_domain_train.tsv")
    rows, held_out = split_holdout(np.array([example.label for example in train]), SELECTION)
    vocabulary = set(load_predictor(output / "linear.safetensors").features.vectorizers["words"].vocabulary)
    words = {
        part: {word for row in part_rows for word in re.findall(r"\w+", train[row].sentence.lower())}
        for part, part_rows in (("train", rows), ("held out", held_out))
    }
    assert words["train"] <= vocabulary
    assert words["held out"] - words["train"]
    assert not vocabulary & (words["held out"] - words["train"])
    assert run["validation"] == "train_holdout"


def test_the_reference_selects_on_dev(tiny, tmp_path):
    run = train_linear(tiny.corpus, tmp_path, PARAMS, SelectionParams(validation="dev"))
    dev = read_split(tiny.corpus / "in_domain_dev.tsv")
    classifier = load_predictor(tmp_path / "linear.safetensors")
    right = classifier.logits([e.sentence for e in dev]).argmax(axis=1) == np.array([e.label for e in dev])
    assert run["validation_at_best"]["accuracy"] == right.mean()


def test_twice_the_same_bytes(tiny, made, tmp_path):
    output, _ = made
    train_linear(tiny.corpus, tmp_path, PARAMS, SELECTION)
    for name in ("linear.safetensors", "logits.safetensors"):
        assert (tmp_path / name).read_bytes() == (output / name).read_bytes()
