"""Judging new sentences with any trained teacher or student."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from distilrnn.artifacts.files import read_json, require_equal
from distilrnn.artifacts.tensors import read_header
from distilrnn.data.batching import sorted_batches
from distilrnn.data.encoded import EncodedSplit
from distilrnn.errors import InputError
from distilrnn.models.checkpoints import load_student
from distilrnn.models.student import Student

BATCH = 256


@dataclass
class Predictor:
    """A trained system with its tokenizer."""

    classes: list[str]
    tokenizer_text: str
    pad_id: int
    max_length: int | None
    width: int | None
    """Tokens to which sentences are padded; None: to the longest of a batch."""
    model: Callable[[np.ndarray, np.ndarray], torch.Tensor]
    """Padded ids and lengths to logits."""

    def __post_init__(self) -> None:
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_str(self.tokenizer_text)

    @torch.no_grad()
    def probabilities(self, sentences: Sequence[str], batch_size: int = BATCH) -> np.ndarray:
        """Class probabilities, float32 [sentences, classes].

        Raises:
            InputError: a sentence has no token.
        """
        encodings = self.tokenizer.encode_batch_fast(list(sentences))
        ids = [encoding.ids[: self.max_length] for encoding in encodings]
        for number, sentence in enumerate(ids, 1):
            if not sentence:
                raise InputError(f"sentence {number} has no token: write something in it")
        offsets = np.concatenate([[0], np.cumsum([len(sentence) for sentence in ids])]).astype(np.int64)
        flat = np.concatenate([np.asarray(sentence, np.int64) for sentence in ids])
        tokens = EncodedSplit(flat, offsets, np.zeros(len(ids), np.int64))
        probabilities = np.empty((len(ids), len(self.classes)), np.float32)
        for rows in sorted_batches(tokens.lengths, batch_size):
            logits = self.model(*tokens.padded(rows, self.pad_id, self.width))
            probabilities[rows] = torch.softmax(logits.float(), -1).numpy()
        return probabilities


def load_predictor(checkpoint: Path, base: Path | None = None) -> Predictor:
    """The system in a student.safetensors or adapter.safetensors.

    A student's file has all it needs. An adapter's base is looked for among the bases of its experiment, where `base`
    does not name its folder. Raises InputError.
    """
    header = read_header(checkpoint)
    if header["kind"] == "student":
        return _student_predictor(checkpoint)
    if header["kind"] != "adapter":
        raise InputError(f"{checkpoint}: holds {header['kind']}: name a student.safetensors or an adapter.safetensors")
    from distilrnn.data.tokenizer import load_tokenizer
    from distilrnn.models.checkpoints import load_teacher

    folder = base if base is not None else find_base(checkpoint, header["base_hash"])
    teacher, header = load_teacher(folder, checkpoint)
    text = load_tokenizer(folder).to_str()
    require_equal(header["tokenizer_hash"], hashlib.sha256(text.encode()).hexdigest(), checkpoint, "tokenizer")

    def judge(ids: np.ndarray, lengths: np.ndarray) -> torch.Tensor:
        return teacher(torch.from_numpy(ids), torch.from_numpy(lengths))

    return Predictor(header["classes"], text, header["pad_id"], header["max_length"], None, judge)


def _student_predictor(checkpoint: Path) -> Predictor:
    student, tokenizer, header = load_student(checkpoint)
    known = np.zeros(header["vocabulary"], bool)
    known[student.token_ids.numpy()] = True
    holder: dict[str, Student] = {"student": student}

    def judge(ids: np.ndarray, lengths: np.ndarray) -> torch.Tensor:
        if not known[ids].all():
            # Types that the student never saw have the vectors that a full embedding would have given them.
            holder["student"] = holder["student"].with_token_ids(np.unique(ids), header["seed"]).eval()
            known[ids] = True
        return holder["student"](torch.from_numpy(ids), torch.from_numpy(lengths))

    width = header["max_length"] if header["model"]["pooling"] == "last_step" else None
    return Predictor(header["classes"], tokenizer.decode(), header["pad_id"], header["max_length"], width, judge)


def find_base(adapter: Path, base_hash: str) -> Path:
    """The folder of the base that an adapter was made with, among its experiment's bases; raises InputError."""
    # results/<experiment>/teachers/<teacher>[/<variant>]/seed<k>/adapter.safetensors
    for folder in adapter.resolve().parents[3:5]:
        for file in sorted(folder.glob("bases/*/base.json")):
            if read_json(file).get("hash") == base_hash:
                return file.parent
    raise InputError(f"{adapter}: its base model was not found: pass --base")
