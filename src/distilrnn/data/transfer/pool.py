"""A pool: the sentences of one source, each once, without those that evaluation or selection stands on.

Nothing is held in memory but 8 bytes for each sentence that is kept, so a file of any size can be read.
"""

import tempfile
from array import array
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO

import numpy as np

from distilrnn.artifacts.files import whole_file, writing
from distilrnn.artifacts.tensors import streamed_tensors
from distilrnn.artifacts.transfer import KEYS_FILE, SENTENCES_FILE, PoolCounts
from distilrnn.data.transfer.keys import duplicate_key, leak_key, normalise, ranks

CHUNK = 1 << 18
CHARACTERS = 1 << 24
"""Sentences between two looks at which of them are within the bound."""
LONGEST = 1 << 16
"""Characters: more is no sentence."""


@dataclass(frozen=True)
class Excluded:
    """The labelled sentences, by their leak keys."""

    reported: Collection[int]
    """The evaluation splits."""
    held_out: Collection[int]
    """Those of train by which the epoch is chosen."""
    train: Collection[int]
    """The rest of train, which students learn from anyway."""


@dataclass
class PoolWriter:
    """Writes a pool, and counts what becomes of every sentence."""

    excluded: Excluded
    seed: int
    max_sentences: int | None
    counts: PoolCounts = field(default_factory=PoolCounts)

    def write(self, folder: Path, sentences: Iterable[str]) -> str:
        """Write sentences.txt and keys.safetensors into `folder`, nothing where no sentence is left; return the hash.

        With `max_sentences`, those of lowest rank are kept: a random choice that does not depend on their order.
        """
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as candidates:
                return self._write(folder, sentences, candidates)

    def _write(self, folder: Path, sentences: Iterable[str], candidates: IO[bytes]) -> str:
        keys = array("Q")
        limit = np.uint64(2**64 - 1)
        chunk: list[tuple[int, str]] = []
        characters = 0
        for text in sentences:
            sentence = self._usable(text)
            if sentence is not None:
                chunk.append((duplicate_key(sentence), sentence))
                characters += len(sentence)
            if len(chunk) == CHUNK or characters >= CHARACTERS:
                limit = self._add(chunk, keys, candidates, limit)
                chunk.clear()
                characters = 0
        limit = self._add(chunk, keys, candidates, limit)
        kept = self._kept(np.frombuffer(keys, np.uint64), limit)
        self.counts.sentences = int(kept.sum())
        if not self.counts.sentences:
            return ""
        digest = sha256()
        candidates.seek(0)
        with whole_file(folder / SENTENCES_FILE) as file:
            for keep, line in zip(kept, candidates, strict=True):
                if keep:
                    file.write(line)
                    digest.update(line)
        shapes = {"keys": (np.dtype(np.int64), (self.counts.sentences,))}
        with streamed_tensors(folder / KEYS_FILE, "keys", shapes, {"hash": digest.hexdigest()}) as arrays:
            arrays["keys"][:] = np.frombuffer(keys, np.int64)[kept]
        return digest.hexdigest()

    def _usable(self, text: str) -> str | None:
        """The sentence as it is written, or None where it is left out."""
        counts, excluded = self.counts, self.excluded
        counts.read += 1
        sentence = normalise(text)
        counts.normalised += sentence != text
        if not sentence or len(sentence) > LONGEST:
            counts.unusable += 1
            return None
        key = leak_key(sentence)
        if key in excluded.reported:
            counts.in_reported += 1
        elif key in excluded.held_out:
            counts.in_held_out += 1
        elif key in excluded.train:
            counts.in_train += 1
        else:
            return sentence
        return None

    def _add(self, chunk: list[tuple[int, str]], keys: array, candidates: IO[bytes], limit: np.uint64) -> np.uint64:
        """Add the sentences of a chunk whose rank is within the limit; return the new limit."""
        new = np.array([key for key, _ in chunk], np.uint64)
        within = ranks(new, self.seed) <= limit
        self.counts.beyond_bound += int((~within).sum())
        for add, (key, sentence) in zip(within.tolist(), chunk, strict=True):
            if add:
                keys.append(key)
                candidates.write(f"{sentence}\n".encode())
        if self.max_sentences is None or len(keys) <= self.max_sentences:
            return limit
        every = np.unique(ranks(np.frombuffer(keys, np.uint64), self.seed))
        return limit if len(every) <= self.max_sentences else every[self.max_sentences - 1]

    def _kept(self, keys: np.ndarray, limit: np.uint64) -> np.ndarray:
        """Whether each is kept, bool [n]: the first sentence of each key within the limit."""
        within = ranks(keys, self.seed) <= limit
        first = np.zeros(len(keys), bool)
        first[np.unique(keys, return_index=True)[1]] = True
        kept = first & within
        self.counts.beyond_bound += int((~within).sum())
        self.counts.duplicates += int(within.sum() - kept.sum())
        return kept
