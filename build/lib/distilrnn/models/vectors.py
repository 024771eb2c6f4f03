"""Vectors that a student's embedding begins with, as a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.artifacts.files import require_equal
from distilrnn.artifacts.tensors import load_arrays
from distilrnn.errors import InputError
from distilrnn.models.embeddings import initial_embeddings

VECTORS_FILE = "vectors.safetensors"


@dataclass(frozen=True)
class TokenVectors:
    """The pre-trained vectors of some token ids; the others have initial embeddings."""

    token_ids: np.ndarray
    """int64 [found], sorted."""
    vectors: np.ndarray
    """float32 [found, embedding]."""

    def fill(self, token_ids: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Overwrite the rows, float32 [token_ids, embedding], of the ids that have a vector; return them."""
        place = np.searchsorted(self.token_ids, token_ids)
        place[place == len(self.token_ids)] = 0
        found = self.token_ids[place] == token_ids
        rows[found] = self.vectors[place[found]]
        return rows


def load_vectors(path: Path, tokenizer_hash: str, width: int) -> tuple[TokenVectors, dict[str, Any]]:
    """The vectors that the rule vectors wrote, and their header; raises InputError where they fit another student."""
    arrays, header = load_arrays(path, "vectors")
    require_equal(header.get("tokenizer_hash"), tokenizer_hash, path, "tokenizer")
    try:
        found = TokenVectors(arrays["token_ids"].astype(np.int64), arrays["vectors"])
    except KeyError:
        raise InputError(f"{path}: is damaged: run the rule vectors again") from None
    if found.vectors.shape != (len(found.token_ids), width):
        raise InputError(f"{path}: does not fit a student of embedding {width}: run the rule vectors again")
    return found, header


def starting_embeddings(seed: int, token_ids: np.ndarray, width: int, vectors: TokenVectors | None) -> np.ndarray:
    """What training begins with, float32 [token_ids, width]: pre-trained vectors where there are some."""
    rows = initial_embeddings(seed, token_ids, width)
    return rows if vectors is None else vectors.fill(token_ids, rows)
