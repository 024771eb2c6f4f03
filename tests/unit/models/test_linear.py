"""The linear classifier: scikit-learn's own numbers, soft targets as a cross-entropy, and files that are refused."""

import json
import zlib

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from distilrnn.artifacts.tensors import load_arrays, streamed_tensors
from distilrnn.errors import InputError
from distilrnn.inference import load_predictor
from distilrnn.models.linear import Features, LinearClassifier, LinearHeader, fit_weights, load_linear, save_linear
from distilrnn.params.linear import LinearParams

SENTENCES = [
    "The cat sleeps.", "The cats sleeps.", "A dog barks.", "Dogs barks.", "Ein Hund bellt.", "I ran.",
    "猫が寝る。", "🙂",
]  # fmt: skip
LABELS = np.array([0, 1, 0, 1, 0, 1, 0, 1])
PARAMS = LinearParams(c=(1.0,))


def trained(classes=("good", "bad"), labels=LABELS, params=PARAMS):
    features = Features.fitted(SENTENCES, params)
    return LinearClassifier(list(classes), features, *fit_weights(features.of(SENTENCES), labels, params.c[0]))


def test_it_is_scikit_learns_pipeline():
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b").fit(SENTENCES)
    alone = trained(params=LinearParams(character_ngrams=(0, 0), c=(3.0,)))
    model = LogisticRegression(C=3.0).fit(words.transform(SENTENCES), LABELS)
    wanted = model.predict_proba(words.transform(SENTENCES))
    np.testing.assert_allclose(alone.probabilities(SENTENCES), wanted, atol=1e-3)


def test_words_and_characters_are_beside_each_other():
    model = trained()
    kinds = model.features.vectorizers
    assert list(kinds) == ["words", "characters"]
    assert model.weights.shape == (1, sum(len(v.vocabulary_) for v in kinds.values()))
    assert "i" in kinds["words"].vocabulary_  # a word of one letter counts
    assert "猫が" in kinds["characters"].vocabulary_
    assert model.parameters == model.weights.size + 1


def test_most_features_are_the_most_frequent():
    features = Features.fitted(SENTENCES, LinearParams(max_features=7))
    assert features.of(SENTENCES).shape == (len(SENTENCES), 14)


@pytest.mark.parametrize("classes", [2, 3])
def test_soft_targets_minimise_their_cross_entropy(classes):
    """Against a direct minimisation of cross-entropy plus penalty over all weights."""
    random = np.random.default_rng(0)
    matrix = Features.fitted(SENTENCES, LinearParams(max_features=5)).of(SENTENCES)
    targets = softmax(random.normal(size=(len(SENTENCES), classes)), axis=1)
    weights, bias = fit_weights(matrix, targets, 2.0)
    dense, outputs = matrix.toarray(), weights.shape[0]

    def objective(flat):
        w, b = flat[:-outputs].reshape(outputs, -1), flat[-outputs:]
        scores = dense @ w.T + b
        scores = np.hstack([np.zeros_like(scores), scores]) if outputs == 1 else scores
        return -2.0 * (targets * log_softmax(scores, axis=1)).sum() + (w**2).sum() / 2

    best = minimize(objective, np.zeros(weights.size + outputs)).fun
    assert objective(np.concatenate([weights.ravel(), bias])) == pytest.approx(best, rel=1e-3)


def test_hard_targets_are_soft_ones_that_are_sure():
    matrix = Features.fitted(SENTENCES, PARAMS).of(SENTENCES)
    for hard, soft in zip(fit_weights(matrix, LABELS, 1.0), fit_weights(matrix, np.eye(2)[LABELS], 1.0), strict=True):
        np.testing.assert_allclose(hard, soft, atol=1e-3)


@pytest.mark.parametrize(("classes", "labels"), [("ab", LABELS), ("abc", LABELS + (np.arange(8) == 7))])
def test_a_saved_classifier_answers_the_same(tmp_path, classes, labels):
    model = trained(classes, labels)
    path = tmp_path / "linear.safetensors"
    save_linear(path, model, LinearHeader(seed=0))
    loaded, header = load_linear(path)
    new = ["A cat barks.", "completely unseen zzz", "猫", "   "]
    np.testing.assert_array_equal(loaded.logits(new), model.logits(new))
    assert loaded.classes == list(classes)
    assert header.seed == 0
    first = path.read_bytes()
    save_linear(path, model, LinearHeader(seed=0))
    assert path.read_bytes() == first
    np.testing.assert_allclose(load_predictor(path).probabilities(new), model.probabilities(new))
    np.testing.assert_allclose(model.probabilities(new).sum(axis=1), 1, rtol=1e-6)


def test_no_pickle_is_in_the_file(tmp_path):
    save_linear(tmp_path / "linear.safetensors", trained(), LinearHeader())
    arrays, header = load_arrays(tmp_path / "linear.safetensors", "linear")
    names = json.loads(zlib.decompress(arrays["words.vocabulary"].tobytes()))
    assert "the cat" in names
    assert header["ngrams"] == {"words": [1, 2], "characters": [2, 5]}


@pytest.mark.parametrize("spoil", ["words.vocabulary", "characters.idf", "weights", "bias", "shape"])
def test_a_damaged_file_is_refused(tmp_path, spoil):
    path = tmp_path / "linear.safetensors"
    save_linear(path, trained(), LinearHeader())
    arrays, header = load_arrays(path, "linear")
    if spoil == "shape":
        arrays["weights"] = arrays["weights"][:, :-1]
    else:
        del arrays[spoil]
    header = {key: value for key, value in header.items() if key not in ("kind", "format")}
    shapes = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    with streamed_tensors(path, "linear", shapes, header) as written:
        for name, array in arrays.items():
            written[name][:] = array
    with pytest.raises(InputError, match="is damaged"):
        load_predictor(path)


def test_sentences_without_any_ngram_are_refused():
    with pytest.raises(InputError, match="no n-gram of words"):
        Features.fitted(["!", "?"], PARAMS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"word_ngrams": (2, 1)},
        {"word_ngrams": (0, 2)},
        {"character_ngrams": (1, 11)},
        {"word_ngrams": (0, 0), "character_ngrams": (0, 0)},
        {"c": ()},
        {"c": (1, 1)},
        {"c": (0,)},
    ],
)
def test_params_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        LinearParams(**wrong)
