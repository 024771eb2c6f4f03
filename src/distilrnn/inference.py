"""Classifying new sentences with any trained teacher or student; a student needs no torch for it."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from distilrnn.artifacts.files import read_json, require_equal
from distilrnn.artifacts.tensors import read_header
from distilrnn.data.batching import sorted_batches
from distilrnn.data.long_texts import TextLimit
from distilrnn.data.text import one_line
from distilrnn.errors import InputError, optional_imports
from distilrnn.evaluation.confidence import threshold
from distilrnn.models.headers import ClassifierHeader
from distilrnn.models.teacher_header import TeacherHeader

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BATCH = 256
MAX_TOKENS = 16_384
"""Tokens of a batch, padding included: one long text does not decide the memory of all."""

Model = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Padded ids [sentences, tokens] and lengths [sentences], both int64, to logits, float32 [sentences, classes]."""


@dataclass
class Predictor:
    """A trained system with its tokenizer."""

    classes: list[str]
    tokenizer: "Tokenizer"
    pad_id: int
    limit: TextLimit
    """What is read of a long text."""
    width: int | None
    """Tokens to which sentences are padded; None: to the longest of a batch."""
    model: Model
    threads: int = 1
    """Batches that are computed at a time, where `model` uses one core."""

    def probabilities(self, sentences: Sequence[str], batch_size: int = BATCH) -> np.ndarray:
        """Class probabilities, float32 [sentences, classes].

        Raises:
            InputError: a sentence has no token, or too many of them where long texts are refused.
        """
        # As in the corpus, where no text has tabs or line ends: the model has never seen their tokens.
        encodings = self.tokenizer.encode_batch_fast(list(map(one_line, sentences)))
        ids: list[Sequence[int]] = [encoding.ids for encoding in encodings]
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        if self.limit.limit is not None and lengths.max(initial=0) > self.limit.limit:
            ids = [self.limit.cut(row) for row in ids]
            np.minimum(lengths, self.limit.limit, out=lengths)
        if not lengths.all():
            raise InputError(f"sentence {int(lengths.argmin()) + 1} has no token: write something in it")
        if self.limit.policy == "error" and self.limit.is_long(int(lengths.max(initial=0))):
            raise InputError(
                f"sentence {int(lengths.argmax()) + 1} has {lengths.max()} tokens, more than the "
                f"{self.limit.max_length} that the model was trained on: shorten it"
            )
        probabilities = np.empty((len(ids), len(self.classes)), np.float32)

        def classify(rows: np.ndarray) -> None:
            width = int(lengths[rows[0]]) if self.width is None else self.width
            padded = np.full((len(rows), width), self.pad_id, np.int64)
            for place, row in enumerate(rows.tolist()):
                padded[place, : len(ids[row])] = ids[row]
            probabilities[rows] = _softmax(self.model(padded, lengths[rows]))

        batches = sorted_batches(lengths, batch_size, MAX_TOKENS)
        if self.threads == 1 or len(batches) == 1:
            for rows in batches:
                classify(rows)
        else:
            with ThreadPoolExecutor(self.threads) as threads:
                list(threads.map(classify, batches))
        return probabilities

    def predict(self, sentences: Sequence[str]) -> list[str]:
        """The most probable class of each sentence; raises InputError as `probabilities` does."""
        return [self.classes[best] for best in self.probabilities(sentences).argmax(axis=1)]


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


class Classifier(Protocol):
    """What every loaded system offers, a cascade of two included."""

    @property
    def classes(self) -> list[str]:
        """The names of the classes."""

    def probabilities(self, sentences: Sequence[str], batch_size: int = ...) -> np.ndarray:
        """Class probabilities, float32 [sentences, classes]."""

    def predict(self, sentences: Sequence[str]) -> list[str]:
        """The most probable class of each sentence."""


def load_predictor(checkpoint: Path | str, base: Path | None = None, threads: int = 1) -> Classifier:
    """The system in a student.safetensors, an exported student.onnx, a linear.safetensors or an adapter.safetensors.

    A student's file has all it needs. An ONNX file needs the files that were exported with it, and onnxruntime. An
    adapter's base is looked for among the bases of its experiment, where `base` does not name its folder. A
    student, in either form, computes `threads` batches at a time. Raises InputError.
    """
    checkpoint = Path(checkpoint)
    if checkpoint.suffix == ".onnx":
        return _onnx_predictor(checkpoint, threads)
    values = read_header(checkpoint)
    header = ClassifierHeader.parse(values, checkpoint)
    if header.kind == "student":
        return _student_predictor(checkpoint, threads)
    if header.kind == "linear":
        from distilrnn.models.linear import load_linear

        return load_linear(checkpoint)[0]
    if header.kind != "adapter":
        raise InputError(
            f"{checkpoint}: holds {header.kind}: name a student.safetensors, an adapter.safetensors or a "
            "linear.safetensors"
        )
    return _teacher_predictor(checkpoint, base)


def _student_predictor(checkpoint: Path, threads: int) -> Predictor:
    from tokenizers import Tokenizer

    from distilrnn.models.numpy_student import load_numpy_student

    student, tokenizer, header = load_numpy_student(checkpoint)
    return Predictor(
        header.classes,
        Tokenizer.from_str(tokenizer),
        header.pad_id,
        header.text_limit,
        header.width,
        student,
        threads,
    )


def _onnx_predictor(file: Path, threads: int) -> Predictor:
    from tokenizers import Tokenizer

    with optional_imports():
        from onnxruntime import InferenceSession, SessionOptions
    about = read_json(file.with_name("export.json"), "classes")
    text = file.with_name("tokenizer.json")
    try:
        tokenizer = Tokenizer.from_file(str(text))
    except Exception as error:  # the tokenizers library raises bare Exception
        raise InputError(f"{text}: is not a tokenizer that can be read ({error}): export the student again") from None
    padding = tokenizer.padding or {}
    tokenizer.no_padding()  # batches are cut by length first
    options = SessionOptions()
    options.intra_op_num_threads = 1  # batches are computed side by side; more cores gain a small one nothing
    try:
        session = InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no public base class
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{file}: is not an exported student ({reason}): export the student again") from None

    def logits(ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return session.run(["logits"], {"ids": ids, "lengths": lengths})[0]

    return Predictor(about["classes"], tokenizer, padding.get("pad_id", 0), TextLimit(), None, logits, threads)


def _teacher_predictor(adapter: Path, base: Path | None) -> Predictor:
    with optional_imports():
        import torch

        from distilrnn.data.tokenizer import load_tokenizer
        from distilrnn.models.adapters import load_teacher

    folder = base if base is not None else find_base(adapter)
    teacher, header = load_teacher(folder, adapter)
    tokenizer = load_tokenizer(folder)
    text_hash = hashlib.sha256(tokenizer.to_str().encode()).hexdigest()
    require_equal(header.tokenizer_hash, text_hash, adapter, "tokenizer")

    @torch.no_grad()
    def logits(ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return teacher(torch.from_numpy(ids), torch.from_numpy(lengths)).float().numpy()

    return Predictor(header.classes, tokenizer, header.pad_id, header.text_limit, None, logits)


@dataclass
class Cascade:
    """A student that answers where it is sure, and hands the rest on to its teacher, which is loaded when needed."""

    student: Classifier
    load_teacher: Callable[[], Classifier]
    threshold: float
    """Sentences are handed on up to this confidence: the probability of the student's most probable class."""

    @cached_property
    def teacher(self) -> Classifier:
        """The system that is asked where the student is not sure."""
        return self.load_teacher()

    @property
    def classes(self) -> list[str]:
        """The names of the classes, which are the same for both."""
        return self.student.classes

    def answers(self, sentences: Sequence[str], batch_size: int = BATCH) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities, float32 [sentences, classes], and whether the teacher gave them, bool [sentences]."""
        probabilities = self.student.probabilities(sentences, batch_size)
        handed_on = probabilities.max(axis=1) <= self.threshold
        if handed_on.any():
            unsure = [sentences[row] for row in np.flatnonzero(handed_on).tolist()]
            probabilities[handed_on] = self.teacher.probabilities(unsure, batch_size)
        return probabilities, handed_on

    def probabilities(self, sentences: Sequence[str], batch_size: int = BATCH) -> np.ndarray:
        """Class probabilities, float32 [sentences, classes], whoever gave them; raises InputError as both do."""
        return self.answers(sentences, batch_size)[0]

    def predict(self, sentences: Sequence[str]) -> list[str]:
        """The most probable class of each sentence."""
        return [self.classes[best] for best in self.probabilities(sentences).argmax(axis=1)]


def load_cascade(
    student: Path | str, teacher: Path | str, hand_on: float = 0.2, base: Path | None = None, threads: int = 1
) -> Cascade:
    """A student that hands on what it is least sure of.

    Args:
        student: a student.safetensors or linear.safetensors.
        teacher: usually an adapter.safetensors; any checkpoint of the same corpus will do.
        hand_on: share of the sentences that is handed on, 0 to 1, as on the held-out part of the training sentences;
            of other sentences it may be more or less.
        base: folder of the adapter's base [default: the experiment's own].
        threads: batches that a student computes at a time.

    Raises:
        InputError: `hand_on` is not from 0 to 1, the two are not of one corpus and one list of classes, or a file
            cannot be used.
    """
    student, teacher = Path(student), Path(teacher)
    if not 0 <= hand_on <= 1:
        raise InputError(f"the share to hand on is {hand_on:g}: choose one from 0 to 1")
    own, other = (ClassifierHeader.parse(read_header(path), path) for path in (student, teacher))
    if own.confidence_quantiles is None:
        raise InputError(
            f"{student}: does not know how sure it is (it holds {own.kind}): name a student.safetensors or "
            "linear.safetensors of this version, or train it again"
        )
    if other.kind not in ("adapter", "student", "linear"):
        raise InputError(f"{teacher}: holds {other.kind}: name the teacher's adapter.safetensors")
    require_equal(other.classes, own.classes, teacher, "list of classes")
    require_equal(other.corpus_hash, own.corpus_hash, teacher, "corpus")
    limit = threshold(own.confidence_quantiles, hand_on)
    return Cascade(load_predictor(student, threads=threads), lambda: load_predictor(teacher, base, threads), limit)


def find_base(adapter: Path) -> Path:
    """The folder of the base that an adapter was made with, among its experiment's bases; raises InputError."""
    base_hash = TeacherHeader.parse(read_header(adapter, "adapter"), adapter).base_hash
    # results/<experiment>/teachers/<teacher>[/<variant>]/seed<k>/adapter.safetensors
    for folder in adapter.resolve().parents[3:5]:
        for file in sorted(folder.glob("bases/*/base.json")):
            if read_json(file).get("hash") == base_hash:
                return file.parent
    raise InputError(f"{adapter}: its base model was not found: pass --base")
