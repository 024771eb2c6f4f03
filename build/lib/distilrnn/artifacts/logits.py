"""Logits files: a system's logits of every sentence, keyed by corpus hash and sentence ids."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.artifacts.files import require_equal
from distilrnn.artifacts.tensors import load_arrays, streamed_tensors
from distilrnn.errors import InputError

FILE = "logits.safetensors"


@contextmanager
def written_logits(path: Path, sentences: Mapping[str, int], header: dict[str, Any]) -> Iterator[dict[str, np.ndarray]]:
    """Memory-mapped arrays by split, float32 [sentences, classes], to be filled in.

    The file appears when all is written. A sentence's id is its row in the split. Raises RunError.
    """
    shapes: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
    for split, rows in sentences.items():
        shapes[f"{split}.ids"] = np.dtype(np.int64), (rows,)
        shapes[f"{split}.logits"] = np.dtype(np.float32), (rows, len(header["classes"]))
    with streamed_tensors(path, "logits", shapes, header) as arrays:
        for split, rows in sentences.items():
            arrays[f"{split}.ids"][:] = np.arange(rows)
        yield {split: arrays[f"{split}.logits"] for split in sentences}


def average(members: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The logits of an ensemble: the log of its members' mean probabilities, by split (Lakshminarayanan et al. 2017).

    Logits [sentences, classes] to log-probabilities of that shape, float32; those of a single member are unchanged.
    """
    if len(members) == 1:
        return dict(members[0])

    def log_probabilities(logits: np.ndarray) -> np.ndarray:
        exact = logits.astype(np.float64)
        return exact - np.logaddexp.reduce(exact, axis=-1, keepdims=True)

    def mean(split: str) -> np.ndarray:
        each = np.stack([log_probabilities(member[split]) for member in members])
        return (np.logaddexp.reduce(each) - np.log(len(each))).astype(np.float32)

    return {split: mean(split) for split in members[0]}


def load_logits(
    path: Path, corpus_hash: str, classes: Sequence[str], sentences: Mapping[str, int]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Logits [sentences, classes] of the splits that `sentences` counts, in the order of the corpus; and the header.

    Raises:
        InputError: the logits are of another corpus, other classes or other sentences, or not finite.
    """
    arrays, header = load_arrays(path, "logits")
    require_equal(header.get("corpus_hash"), corpus_hash, path, "corpus")
    require_equal(header.get("classes"), list(classes), path, "list of classes")
    logits = {}
    for split, rows in sentences.items():
        ids, values = arrays.get(f"{split}.ids"), arrays.get(f"{split}.logits")
        if ids is None or values is None:
            raise InputError(f"{path}: has no logits of {split}: make it again")
        if not np.array_equal(np.sort(ids), np.arange(rows)):
            raise InputError(f"{path}: its ids are not the {rows} rows of {split}.tsv, once each: make it again")
        if values.shape != (rows, len(classes)):
            raise InputError(
                f"{path}: the logits of {split} are {' x '.join(map(str, values.shape))}, not {rows} sentences x "
                f"{len(classes)} classes: make it again"
            )
        if not np.isfinite(values).all():
            raise InputError(
                f"{path}: {(~np.isfinite(values)).any(axis=1).sum()} sentences of {split} have a logit that is not a "
                "finite number: train this system again, with a lower learning rate"
            )
        logits[split] = values[np.argsort(ids)]
    return logits, header
