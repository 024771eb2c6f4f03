"""Pools of unlabelled sentences as files: what they hold, their tokens, and what a teacher says of them.

transfer/<source>/{sentences.txt,keys.safetensors,transfer.json}
transfer_tokens/<source>/<tokenizer>/{tokens.safetensors,tokens.json}
logits/transfer/<source>/<teacher>/seed<k>/shard<i>-of-<n>/{logits.safetensors,run.json}
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.artifacts.files import read_json, require_equal
from distilrnn.artifacts.logits import FILE
from distilrnn.artifacts.tensors import map_arrays, read_header
from distilrnn.errors import InputError

SENTENCES_FILE = "sentences.txt"
KEYS_FILE = "keys.safetensors"
POOL_FILES = (SENTENCES_FILE, KEYS_FILE, "transfer.json")
TOKENS_FILE = "tokens.safetensors"
POOL_TOKEN_FILES = (TOKENS_FILE, "tokens.json")


@dataclass
class PoolCounts:
    """What became of the sentences of a source: those that were read are the sum of all but `normalised`."""

    read: int = 0
    normalised: int = 0
    """Changed in spaces, invisible characters or Unicode form."""
    unusable: int = 0
    """Empty, invisible, or longer than 65,536 characters."""
    in_reported: int = 0
    """Stand in an evaluation split."""
    in_held_out: int = 0
    """Stand in the part of train by which the epoch is chosen."""
    in_train: int = 0
    """Stand in the rest of train."""
    duplicates: int = 0
    """Repeat an earlier sentence (among those beyond the bound, repetitions are not counted)."""
    beyond_bound: int = 0
    """Left out by max_sentences."""
    sentences: int = 0
    """Are in the pool."""


@dataclass(frozen=True)
class Pool:
    """transfer.json."""

    source: dict[str, Any]
    """The source's params."""
    hash: str
    """SHA-256 of sentences.txt."""
    corpus_hash: str
    """Of the corpus whose sentences were removed."""
    counts: PoolCounts

    def to_json(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "source": self.source,
            "hash": self.hash,
            "corpus_hash": self.corpus_hash,
            **asdict(self.counts),
        }


def read_pool(folder: Path) -> Pool:
    """The record of a pool; raises InputError."""
    names = [one.name for one in fields(PoolCounts)]
    made = read_json(folder / "transfer.json", "source", "hash", "corpus_hash", *names)
    return Pool(made["source"], made["hash"], made["corpus_hash"], PoolCounts(**{name: made[name] for name in names}))


def read_sentences(folder: Path) -> Iterator[str]:
    """The sentences of a pool, one at a time; raises InputError."""
    try:
        with (folder / SENTENCES_FILE).open(encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.removesuffix("\n")
    except FileNotFoundError:
        raise InputError(f"{folder / SENTENCES_FILE}: no such file: run the rule transfer") from None


def read_keys(folder: Path) -> np.ndarray:
    """The duplicate keys of a pool's sentences, int64 [sentences], memory-mapped; raises InputError."""
    return map_arrays(folder / KEYS_FILE, "keys")[0]["keys"]


def shard_rows(sentences: int, shard: int, shards: int) -> range:
    """The rows of a pool that a shard (from 0) holds."""
    return range(sentences * shard // shards, sentences * (shard + 1) // shards)


def logits_folder(folder: Path, source: str, teacher: str, seed: int | str) -> Path:
    """Where what a teacher says of a source lies: `folder` is the experiment's own."""
    return folder / "logits" / "transfer" / source / teacher / f"seed{seed}"


def shard_name(shard: int | str, shards: int | str) -> str:
    """The folder of one shard, which is counted from 1."""
    return f"shard{shard}-of-{shards}"


def shard_folders(folder: Path, shards: int) -> list[Path]:
    """The folder of every shard of what a teacher says of a pool, in their order."""
    return [folder / shard_name(shard, shards) for shard in range(1, shards + 1)]


class PoolLogits:
    """What one teacher says of a pool: the logits of all shards, memory-mapped, float32 [sentences, classes]."""

    def __init__(self, shards: Sequence[Path], pool_hash: str, classes: Sequence[str], sentences: int) -> None:
        """Open the files in the shards' folders, in their order; raises InputError where they are not of this pool."""
        self.parts, self.starts = [], []
        start = 0
        for path in (shard / FILE for shard in shards):
            arrays, header = map_arrays(path, "transfer-logits")
            require_equal(header.get("pool_hash"), pool_hash, path, "pool")
            require_equal(header.get("classes"), list(classes), path, "list of classes")
            require_equal(header.get("first_row"), start, path, "number of shards")
            self.parts.append(arrays["logits"])
            self.starts.append(start)
            start += len(arrays["logits"])
        if start != sentences:
            raise InputError(f"{shards[0].parent}: holds the logits of {start} of {sentences} sentences: make it again")
        self.sentences, self.classes = sentences, len(classes)

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """The logits of some rows, float32 [rows, classes]."""
        if len(self.parts) == 1:
            return self.parts[0][rows]
        found = np.empty((len(rows), self.classes), np.float32)
        which = np.searchsorted(self.starts, rows, side="right") - 1
        for shard in np.unique(which):
            here = which == shard
            found[here] = self.parts[shard][rows[here] - self.starts[shard]]
        return found


def read_shard_header(path: Path) -> dict[str, Any]:
    """The header of one shard's logits; raises InputError."""
    return read_header(path, "transfer-logits")
