"""A linear classifier of TF-IDF features: what a user would take instead of a language model or a student.

Features are word and character n-grams, weighed by TF-IDF with sublinear term frequencies, each kind scaled to length 1
(Joachims 1998, ECML; Wang & Manning 2012, ACL, for how hard n-grams are to beat). The classifier is multinomial
logistic regression with an L2 penalty. Vectorising and fitting are scikit-learn's; the file holds arrays and JSON only.

Shapes: n sentences, K classes, F features; of two classes only the second has a row of weights.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import Field
from scipy.sparse import csr_matrix, hstack, vstack
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from distilrnn.artifacts.records import FileRecord, Settings
from distilrnn.artifacts.tensors import load_arrays, streamed_tensors
from distilrnn.errors import InputError
from distilrnn.params.labels import LabelBudget
from distilrnn.params.linear import LinearParams

KINDS = {"words": "word", "characters": "char_wb"}
"""Kinds of n-grams, and what scikit-learn calls them; char_wb does not cross the ends of words."""
LEAST_WEIGHT = 0.01
"""Classes that a teacher finds less likely are left out of a soft target, and the rest scaled to a sum of 1."""
PREDICT_BATCH = 4096


class LinearHeader(FileRecord):
    """Of linear.safetensors."""

    kind_of_system: str = "linear"
    corpus_hash: str = ""
    classes: list[str] = Field(default_factory=list)
    ngrams: dict[str, list[int]] = Field(default_factory=dict)
    """Shortest and longest, by kind."""
    linear: Settings = Field(default_factory=dict)
    selection: Settings = Field(default_factory=dict)
    labels: LabelBudget | None = None
    c: float | None = None
    """Inverse strength of the penalty."""
    seed: int = 0
    teacher_logits_hash: list[str] = Field(default_factory=list)
    confidence_quantiles: list[float] | None = None


@dataclass(frozen=True)
class Features:
    """Fitted vectorisers, in the order of their columns."""

    vectorizers: dict[str, TfidfVectorizer]

    @classmethod
    def fitted(cls, sentences: Sequence[str], params: "LinearParams") -> "Features":
        """Vectorisers of the n-grams of these sentences; raises InputError where there are none."""
        ranges = {"words": params.word_ngrams, "characters": params.character_ngrams}
        vectorizers = {
            kind: _vectorizer(kind, ngrams, max_features=params.max_features)
            for kind, ngrams in ranges.items()
            if ngrams != (0, 0)
        }
        for kind, vectorizer in vectorizers.items():
            try:
                vectorizer.fit(sentences)
            except ValueError as error:
                raise InputError(
                    f"linear: the training sentences have no n-gram of {kind} ({error}): set its range to 0 0"
                ) from None
        return cls(vectorizers)

    def of(self, sentences: Sequence[str]) -> csr_matrix:
        """The sentences' features, [n, F]."""
        return hstack([v.transform(sentences) for v in self.vectorizers.values()], format="csr", dtype=np.float64)


def _vectorizer(kind: str, ngrams: Sequence[int], **options: int | list[str]) -> TfidfVectorizer:
    # Single letters are words too, unlike in scikit-learn's default.
    pattern = {"token_pattern": r"(?u)\b\w+\b"} if kind == "words" else {}
    return TfidfVectorizer(
        analyzer=KINDS[kind], ngram_range=tuple(ngrams), sublinear_tf=True, dtype=np.float64, **pattern, **options
    )


@dataclass(frozen=True)
class LinearClassifier:
    """A trained classifier with all that prediction needs."""

    classes: list[str]
    features: Features
    weights: np.ndarray
    """float32 [K, F], or [1, F] of two classes."""
    bias: np.ndarray
    """float32 [K] or [1]."""

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights.size + self.bias.size

    def with_biases(self, biases: np.ndarray) -> "LinearClassifier":
        """The same with a number, float32 [K], added to each class's logit; the first is 0."""
        return replace(self, bias=self.bias + (biases[1:] if len(self.bias) == 1 else biases))

    def logits(self, sentences: Sequence[str], batch_size: int = PREDICT_BATCH) -> np.ndarray:
        """float32 [n, K]; of two classes the first has 0."""
        found = np.empty((len(sentences), len(self.classes)), np.float32)
        for start in range(0, len(sentences), batch_size):
            batch = sentences[start : start + batch_size]
            scores = self.features.of(batch) @ self.weights.T + self.bias
            found[start : start + len(batch)] = _with_first_class(scores)
        return found

    def probabilities(self, sentences: Sequence[str], batch_size: int = PREDICT_BATCH) -> np.ndarray:
        """Class probabilities, float32 [n, K]."""
        return softmax(self.logits(list(sentences), batch_size), axis=1)

    def predict(self, sentences: Sequence[str]) -> list[str]:
        """The most probable class of each sentence."""
        return [self.classes[best] for best in self.logits(list(sentences)).argmax(axis=1)]


def _with_first_class(scores: np.ndarray) -> np.ndarray:
    return np.hstack([np.zeros_like(scores), scores]) if scores.shape[1] == 1 else scores


def fit_weights(features: csr_matrix, targets: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases, float32, of the smallest cross-entropy with the targets plus the L2 penalty.

    A soft target counts as one example for each class that it finds likely, weighed by its probability, which is the
    same cross-entropy (Hinton et al. 2015, section 2, at temperature 1).

    Args:
        features: [n, F].
        targets: int labels [n] in which every class occurs, or probabilities [n, K].
        c: inverse strength of the penalty.
    """
    if targets.ndim == 1:
        examples, labels, weights = features, targets, None
    else:
        likely = np.where(targets >= LEAST_WEIGHT, targets, 0)
        likely /= likely.sum(axis=1, keepdims=True)
        rows = [np.flatnonzero(likely[:, label]) for label in range(targets.shape[1])]
        examples = vstack([features[chosen] for chosen in rows], format="csr")
        labels = np.repeat(np.arange(targets.shape[1]), [len(chosen) for chosen in rows])
        weights = np.concatenate([likely[chosen, label] for label, chosen in enumerate(rows)])
    model = LogisticRegression(C=c, max_iter=1000, tol=1e-4).fit(examples, labels, weights)
    return model.coef_.astype(np.float32), model.intercept_.astype(np.float32)


def save_linear(path: Path, model: LinearClassifier, header: LinearHeader) -> None:
    """Write a classifier as one file: arrays, and the n-grams as compressed JSON; never a pickle."""
    arrays = {"weights": model.weights, "bias": model.bias}
    ngrams = {}
    for kind, vectorizer in model.features.vectorizers.items():
        names = vectorizer.get_feature_names_out().tolist()
        text = json.dumps(names, ensure_ascii=False).encode()
        arrays[f"{kind}.vocabulary"] = np.frombuffer(zlib.compress(text, 9), np.uint8)
        arrays[f"{kind}.idf"] = vectorizer.idf_.astype(np.float64)
        ngrams[kind] = list(vectorizer.ngram_range)
    shapes = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    filled = header.model_copy(update={"classes": model.classes, "ngrams": ngrams})
    with streamed_tensors(path, "linear", shapes, filled.to_json()) as written:
        for name, array in arrays.items():
            written[name][:] = array


def load_linear(path: Path) -> tuple[LinearClassifier, LinearHeader]:
    """A trained classifier and its header; raises InputError."""
    arrays, values = load_arrays(path, "linear")
    header = LinearHeader.parse(values, path)
    try:
        vectorizers = {}
        for kind in (kind for kind in KINDS if kind in header.ngrams):  # JSON's order is the alphabet's
            names = json.loads(zlib.decompress(arrays[f"{kind}.vocabulary"].tobytes()))
            vectorizers[kind] = _vectorizer(kind, header.ngrams[kind], vocabulary=names)
            vectorizers[kind].idf_ = arrays[f"{kind}.idf"]
        model = LinearClassifier(list(header.classes), Features(vectorizers), arrays["weights"], arrays["bias"])
        columns = sum(len(v.vocabulary) for v in vectorizers.values())
        rows = 1 if len(model.classes) == 2 else len(model.classes)
        if model.weights.shape != (rows, columns) or model.bias.shape != (rows,):
            raise ValueError("its weights are not those of its n-grams")
    except (KeyError, TypeError, AttributeError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: is damaged ({' '.join(str(error).split())[:120]}): train it again") from None
    return model, header
