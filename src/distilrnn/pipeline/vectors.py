"""Rule vectors: pre-trained vectors for the entries of a student's tokenizer."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from distilrnn.artifacts.records import FileRecord
from distilrnn.artifacts.tensors import save_tensors
from distilrnn.data.encoded import read_encoded_split, read_summary
from distilrnn.data.tokenizer import load_tokenizer
from distilrnn.data.vectors import MappedVectors, map_vectors, read_word_vectors, reduce_width, vectors_of_pieces
from distilrnn.errors import InputError
from distilrnn.models.vectors import VECTORS_FILE
from distilrnn.orchestration.code import code_version
from distilrnn.params.splits import TRAIN


class VectorsRecord(FileRecord):
    """run.json."""

    code: str
    """The version of the code that made it."""
    source: str
    width: int
    """Of the source's vectors."""
    embedding: int
    """Width of the student's embedding."""
    entries: int
    """Of the tokenizer."""
    with_vector: int
    """Entries that have a vector."""
    from_subwords: int
    """Those among them that have the mean of the words that contain them."""
    train_coverage: float
    """Share of train's tokens that have a vector."""
    train_ids_coverage: float
    """Share of its distinct tokens."""


def prepare_vectors(tokens: Path, source: Path, size: int, output: Path) -> VectorsRecord:
    """Map the vectors in `source` to a tokenizer's entries; write vectors.safetensors and run.json into `output`.

    `source` is a file of word vectors, or the folder of a base, whose input embeddings are taken. Wider vectors than
    `size` are projected on their first principal components. All are then scaled by one number: the vectors of train's
    tokens get components of unit variance, as the initial embeddings of the tokens without a vector have.

    Raises:
        InputError: the vectors are narrower than `size`, or no token of train has one, or the file is faulty.
    """
    summary = read_summary(tokens)
    tokenizer = load_tokenizer(tokens / "tokenizer.json")
    mapped, width = _map(source, tokenizer)
    used, counts = np.unique(read_encoded_split(tokens, TRAIN).ids, return_counts=True)
    covered = np.isin(used, mapped.token_ids)
    if not covered.any():
        raise InputError(f"{source}: has a vector for none of the tokens of train: name one of the corpus's language")
    if width < size:
        raise InputError(
            f"{source}: has vectors of {width} numbers, but students.<student>.model.embedding is {size}: set it to "
            f"{width}, or lower"
        )
    vectors = mapped.vectors
    if size < width:
        if len(vectors) < size:
            raise InputError(f"{source}: has only {len(vectors)} vectors, from which no {size} components can be taken")
        vectors = reduce_width(vectors, size)
    of_train = vectors[np.isin(mapped.token_ids, used)].astype(np.float64)
    spread = float(np.sqrt(np.square(of_train).mean()))
    if not spread:
        raise InputError(f"{source}: all vectors of train's tokens are zero: choose another file")
    run = VectorsRecord(
        code=code_version("vectors"),
        source=str(source),
        width=width,
        embedding=size,
        entries=summary.vocabulary,
        with_vector=len(mapped.token_ids),
        from_subwords=mapped.from_subwords,
        train_coverage=round(float(counts[covered].sum() / counts.sum()), 4),
        train_ids_coverage=round(float(covered.mean()), 4),
    )
    header = {"tokenizer_hash": summary.tokenizer_hash, **run.model_dump(mode="json", exclude={"code"})}
    _save(output, mapped.token_ids, (vectors / spread).astype(np.float32), header)
    run.write(output / "run.json")
    return run


def _map(source: Path, tokenizer: Tokenizer) -> tuple[MappedVectors, int]:
    if source.is_dir():
        matrix = input_embeddings(source)
        return vectors_of_pieces(load_tokenizer(source), matrix, tokenizer), matrix.shape[1]
    words = read_word_vectors(source)
    return map_vectors(words, tokenizer), words.width


def input_embeddings(base: Path) -> np.ndarray:
    """The input embeddings of a base, float32 [entries, width]; raises InputError."""
    from transformers import AutoModel

    try:
        model = AutoModel.from_pretrained(base, use_safetensors=True)
    except Exception as error:  # a damaged folder makes transformers raise nearly anything
        raise InputError(
            f"{base}: cannot be loaded ({' '.join(str(error).split())[:200]}): run the rule base again"
        ) from None
    return model.get_input_embeddings().weight.detach().float().numpy()


def _save(output: Path, token_ids: np.ndarray, vectors: np.ndarray, header: Mapping[str, object]) -> None:
    import torch

    tensors = {
        "token_ids": torch.from_numpy(token_ids.astype(np.int32)),
        "vectors": torch.from_numpy(np.ascontiguousarray(vectors)),
    }
    save_tensors(output / VECTORS_FILE, "vectors", tensors, dict(header))
