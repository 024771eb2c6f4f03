"""Rule transfer_tokens: token ids of a pool's sentences, in a file to be memory-mapped."""

import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from distilrnn.artifacts.files import file_hash, writing
from distilrnn.artifacts.records import FileRecord
from distilrnn.artifacts.tensors import streamed_tensors
from distilrnn.artifacts.transfer import SENTENCES_FILE, TOKENS_FILE, read_pool
from distilrnn.data.encoded import read_summary, used_token_ids
from distilrnn.data.long_texts import TextLimit
from distilrnn.data.tokenizer import load_tokenizer
from distilrnn.params.splits import TRAIN

BATCH = 1000
COPIED = 1 << 22
"""Token ids that are copied at once."""
UNKNOWN = 0.3
"""A pool with a larger share of tokens that train lacks is in another language or script, or of another kind."""


class PoolTokens(FileRecord):
    """tokens.json of a pool."""

    pool_hash: str
    tokenizer_hash: str
    long_texts: TextLimit
    corpus_hash: str
    sentences: int
    tokens: int
    """That are kept."""
    longest: int
    """Tokens of the longest sentence, as it is kept."""
    mean: float
    """Tokens of a sentence, as it is kept."""
    truncated: int
    """Sentences that are cut."""
    without_tokens: int
    """Sentences that have none."""
    unknown_tokens: float
    """Share of the tokens that train does not have."""
    warnings: list[str]
    bytes_hash: str
    """Of tokens.safetensors."""


def tokenize_pool(pool: Path, tokens: Path, output: Path) -> PoolTokens:
    """Tokenise a pool as the corpus in `tokens` was, and return the tokens.json that is written into `output`.

    A sentence without a token has a single pad token, so that rows are the pool's for every tokenizer. Raises
    InputError.
    """
    record, summary = read_pool(pool), read_summary(tokens)
    tokenizer = load_tokenizer(tokens / "tokenizer.json")
    limit, pad = summary.text_limit, [summary.pad_id]
    if limit.policy == "error":  # of a pool nobody has looked at every sentence
        limit = replace(limit, policy="head")
    truncated = without = 0
    lengths = array("i")
    known = np.zeros(summary.vocabulary, bool)
    known[used_token_ids(tokens, [TRAIN])] = True
    found = np.zeros(summary.vocabulary, np.int64)
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output) as scratch:
            for sentences in _batches(pool / SENTENCES_FILE):
                for encoding in tokenizer.encode_batch_fast(sentences):
                    kept = limit.cut(encoding.ids)
                    truncated += len(kept) < len(encoding.ids)
                    without += not encoding.ids
                    ids = np.array(kept or pad, np.int32)
                    scratch.write(ids.tobytes())
                    lengths.append(len(ids))
                    np.add.at(found, ids, 1)
            header = {
                "pool_hash": record.hash,
                "tokenizer_hash": summary.tokenizer_hash,
                "long_texts": asdict(summary.text_limit),
            }
            _write(output / TOKENS_FILE, scratch, np.frombuffer(lengths, np.int32), np.flatnonzero(found), header)
    unknown = float(found[~known].sum() / found.sum())
    made = PoolTokens(
        pool_hash=record.hash,
        tokenizer_hash=summary.tokenizer_hash,
        long_texts=summary.text_limit,
        corpus_hash=summary.corpus_hash,
        sentences=len(lengths),
        tokens=int(found.sum()),
        longest=max(lengths),
        mean=round(int(found.sum()) / len(lengths), 2),
        truncated=int(truncated),
        without_tokens=without,
        unknown_tokens=round(unknown, 4),
        warnings=_warnings(unknown),
        bytes_hash=file_hash(output / TOKENS_FILE),
    )
    made.write(output / "tokens.json")
    return made


def _warnings(unknown: float) -> list[str]:
    if unknown <= UNKNOWN:
        return []
    return [
        f"{unknown:.0%} of the tokens do not occur in train: the text may be in another language or script, from which "
        "students learn nothing"
    ]


def _batches(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        while lines := list(islice(file, BATCH)):
            yield [line.removesuffix("\n") for line in lines]


def _write(path: Path, ids: IO[bytes], lengths: np.ndarray, token_ids: np.ndarray, header: dict[str, Any]) -> None:
    """Write tokens.safetensors from a file of int32 ids."""
    total = int(lengths.sum(dtype=np.int64))
    shapes: dict[str, tuple[np.dtype, tuple[int, ...]]] = {
        "ids": (np.dtype(np.int32), (total,)),
        "offsets": (np.dtype(np.int64), (len(lengths) + 1,)),
        "token_ids": (np.dtype(np.int32), token_ids.shape),
    }
    ids.seek(0)
    with streamed_tensors(path, "tokens", shapes, header) as arrays:
        for start in range(0, total, COPIED):
            part = ids.read(4 * COPIED)
            arrays["ids"][start : start + len(part) // 4] = np.frombuffer(part, np.int32)
        arrays["offsets"][0] = 0
        np.cumsum(lengths, out=arrays["offsets"][1:])
        arrays["token_ids"][:] = token_ids
