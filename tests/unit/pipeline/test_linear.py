"""The rule linear on the small experiment: what it learns from, chooses and writes."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from distilrnn.artifacts.files import read_json, write_json
from distilrnn.artifacts.layout import LINEAR_FILES
from distilrnn.artifacts.logits import load_logits
from distilrnn.artifacts.tensors import streamed_tensors
from distilrnn.artifacts.transfer import Pool, PoolCounts, shard_name, shard_rows
from distilrnn.data.corpus import read_split, read_summary
from distilrnn.data.holdout import split_holdout
from distilrnn.errors import InputError
from distilrnn.inference import load_predictor
from distilrnn.models.linear import Features, LinearClassifier, fit_weights
from distilrnn.orchestration.code import code_version
from distilrnn.params.common import SelectionParams
from distilrnn.params.linear import LinearParams
from distilrnn.params.splits import DEV
from distilrnn.pipeline.linear import LinearTeacher, train_linear
from tiny import SELECTION

PARAMS = LinearParams(c=(100.0, 0.001, 1.0))


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    output = tmp_path_factory.mktemp("linear")
    return output, train_linear(tiny.corpus, output, PARAMS, SELECTION)


def test_the_files_are_those_of_the_layout(made):
    output, run = made
    assert sorted(path.name for path in output.iterdir()) == sorted(LINEAR_FILES)
    assert read_json(output / "run.json") == run.to_json()
    assert run.checkpoint_bytes == (output / "linear.safetensors").stat().st_size
    assert run.code == code_version("linear")


def test_logits_are_what_the_saved_classifier_says(tiny, made):
    output, _ = made
    summary = read_summary(tiny.corpus)
    counts = {split: summary.splits[split].sentences for split in list(summary.splits)[1:]}
    logits, _ = load_logits(output / "logits.safetensors", summary.hash, summary.classes, counts)
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
        assert alone.validation_at_best.accuracy == accuracies[c]
    best = max(accuracies.values())
    assert run.c == min(c for c, accuracy in accuracies.items() if accuracy == best)
    assert run.validation_at_best.accuracy == best


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
    assert run.validation == "train_holdout"


def test_the_reference_selects_on_dev(tiny, tmp_path):
    run = train_linear(tiny.corpus, tmp_path, PARAMS, SelectionParams(validation="dev"))
    dev = read_split(tiny.corpus / "in_domain_dev.tsv")
    classifier = load_predictor(tmp_path / "linear.safetensors")
    right = classifier.logits([e.sentence for e in dev]).argmax(axis=1) == np.array([e.label for e in dev])
    assert run.validation_at_best.accuracy == right.mean()


def test_twice_the_same_bytes(tiny, made, tmp_path):
    output, _ = made
    train_linear(tiny.corpus, tmp_path, PARAMS, SELECTION)
    for name in ("linear.safetensors", "logits.safetensors"):
        assert (tmp_path / name).read_bytes() == (output / name).read_bytes()


def pool_of(tiny, folder, sentences, shards):
    """A pool with random logits of one run, in shards; returns the teacher and all logits."""
    summary = read_summary(tiny.corpus)
    (folder / "pool").mkdir()
    (folder / "pool" / "sentences.txt").write_text("".join(f"{sentence}\n" for sentence in sentences))
    pool = Pool({}, "ef" * 32, summary.hash, PoolCounts(sentences=len(sentences)))
    write_json(folder / "pool" / "transfer.json", pool.to_json())
    logits = np.random.default_rng(0).normal(size=(len(sentences), 2)).astype(np.float32) * 5
    for shard in range(shards):
        rows = shard_rows(len(sentences), shard, shards)
        path = folder / "logits" / shard_name(shard + 1, shards) / "logits.safetensors"
        header = {"pool_hash": pool.hash, "first_row": rows.start, "classes": summary.classes}
        shapes = {"logits": (np.dtype(np.float32), (len(rows), 2))}
        with streamed_tensors(path, "transfer-logits", shapes, header) as arrays:
            arrays["logits"][:] = logits[rows.start : rows.stop]
    return LinearTeacher([tiny.logits], [folder / "pool"], [folder / "logits"], shards), logits


def test_a_distilled_one_learns_the_teachers_probabilities_of_labelled_and_unlabelled_sentences(tiny, tmp_path):
    unlabelled = [f"The zebra number {number} grazes." for number in range(30)]
    teacher, logits = pool_of(tiny, tmp_path, unlabelled, 3)
    params = LinearParams(c=(1000.0,))
    run = train_linear(tiny.corpus, tmp_path / "out", params, SELECTION, teacher, 7)
    train = read_split(tiny.corpus / "in_domain_train.tsv")
    rows, _ = split_holdout(np.array([example.label for example in train]), SELECTION)
    assert run.sentences == len(rows) + 30
    assert run.seed == 7
    summary = read_summary(tiny.corpus)
    of_train, _ = load_logits(tiny.logits, summary.hash, summary.classes, {"in_domain_train": len(train)})
    sentences = [*(train[row].sentence for row in rows), *unlabelled]
    targets = softmax(np.concatenate([of_train["in_domain_train"][rows], logits]), axis=1)
    features = Features.fitted(sentences, params)
    wanted = LinearClassifier(summary.classes, features, *fit_weights(features.of(sentences), targets, 1000.0))
    found = load_predictor(tmp_path / "out" / "linear.safetensors")
    np.testing.assert_array_equal(found.logits(sentences), wanted.logits(sentences))
    assert "zebra" in found.features.vectorizers["words"].vocabulary


def test_pools_and_logits_that_do_not_belong_together_are_refused(tiny, tmp_path):
    teacher, _ = pool_of(tiny, tmp_path, ["One zebra.", "Two zebras."], 1)
    with pytest.raises(InputError, match="--pool-logits 0 times"):
        train_linear(tiny.corpus, tmp_path / "out", PARAMS, SELECTION, replace(teacher, pool_logits=()))
    about = read_json(tmp_path / "pool" / "transfer.json")
    write_json(tmp_path / "pool" / "transfer.json", about | {"corpus_hash": "cd" * 32})
    with pytest.raises(InputError, match="another corpus"):
        train_linear(tiny.corpus, tmp_path / "out", PARAMS, SELECTION, teacher)
    assert not (tmp_path / "out").exists()


def test_a_tuned_decision_is_saved_and_used_everywhere(tiny, tmp_path):
    selection = SELECTION.model_copy(update={"threshold": "tuned"})
    plain = train_linear(tiny.corpus, tmp_path / "plain", PARAMS, SELECTION)
    tuned = train_linear(tiny.corpus, tmp_path / "tuned", PARAMS, selection)
    assert plain.threshold is None
    assert tuned.threshold["before"] == pytest.approx(plain.validation_at_best.mcc)
    assert tuned.threshold["after"] == pytest.approx(tuned.validation_at_best.mcc)
    assert tuned.threshold["after"] > tuned.threshold["before"]
    classifiers = [load_predictor(tmp_path / name / "linear.safetensors") for name in ("plain", "tuned")]
    sentences = [example.sentence for example in read_split(tiny.corpus / f"{DEV}.tsv")]
    before, after = (classifier.logits(sentences) for classifier in classifiers)
    np.testing.assert_allclose(after - before, np.tile(tuned.threshold["biases"], (len(sentences), 1)), atol=1e-5)
    summary = read_summary(tiny.corpus)
    written, _ = load_logits(tmp_path / "tuned" / "logits.safetensors", summary.hash, summary.classes, {DEV: 40})
    np.testing.assert_array_equal(written[DEV], after)
