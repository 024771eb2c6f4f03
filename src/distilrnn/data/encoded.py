"""Tokenised splits: what the rule tokens writes, read back without `datasets`, and cut into batches."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from distilrnn.artifacts.files import require_equal
from distilrnn.artifacts.records import BySplit, FileRecord
from distilrnn.artifacts.tensors import map_arrays
from distilrnn.artifacts.transfer import TOKENS_FILE
from distilrnn.data.long_texts import TextLimit, recorded_limit, windows
from distilrnn.errors import InputError

COLUMNS = pa.schema(
    [pa.field("label", pa.int64(), nullable=False), pa.field("ids", pa.list_(pa.int32()), nullable=False)]
)


NO_LABEL = -1
"""What stands for the label of a sentence that has none."""


@dataclass(frozen=True)
class EncodedSplit:
    """The sentences of a split, one after the other."""

    ids: np.ndarray
    """int32 or int64 [tokens]: token ids of all sentences, without padding."""
    offsets: np.ndarray
    """int64 [sentences + 1]: where each sentence begins and the last one ends."""
    labels: np.ndarray
    """int64 [sentences]."""

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def lengths(self) -> np.ndarray:
        """int64 [sentences]: tokens of each sentence."""
        return np.diff(self.offsets)

    def select(self, rows: np.ndarray) -> "EncodedSplit":
        """The sentences of these rows, in their order."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        starts = np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return EncodedSplit(self.ids[starts + np.arange(offsets[-1])], offsets, self.labels[rows])

    def windows(self, limit: TextLimit) -> "EncodedSplit":
        """Every window of every text as a text of its own, with its text's label."""
        found = windows(self.lengths, limit)
        offsets = np.concatenate([[0], np.cumsum(found.lengths)])
        real = np.arange(found.positions.shape[1]) < found.lengths[:, None]
        starts = self.offsets[:-1][found.texts]
        return EncodedSplit(self.ids[(starts[:, None] + found.positions)[real]], offsets, self.labels[found.texts])

    def cut(self, longest: int | None) -> "EncodedSplit":
        """The sentences, each truncated to that many tokens."""
        if longest is None or not len(self) or int(self.lengths.max()) <= longest:
            return self
        lengths = np.minimum(self.lengths, longest)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        starts = np.repeat(self.offsets[:-1] - offsets[:-1], lengths)
        return EncodedSplit(self.ids[starts + np.arange(offsets[-1])], offsets, self.labels)

    def padded(self, rows: np.ndarray, pad_id: int, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Ids, int64 [rows, width], padded on the right, and lengths [rows]; `width` is by default the longest's."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        steps = np.arange(int(lengths.max()) if width is None else width)
        real = steps < lengths[:, None]
        positions = np.where(real, self.offsets[rows, None] + steps, 0)
        return np.where(real, self.ids[positions], pad_id).astype(np.int64, copy=False), lengths


def read_encoded_split(folder: Path, split: str) -> EncodedSplit:
    """A tokenised split, memory-mapped; raises InputError."""
    path = folder / f"{split}.arrow"
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_stream(source).read_all().select(COLUMNS.names).combine_chunks().cast(COLUMNS)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: run the rule tokens") from None
    except (pa.ArrowException, KeyError, OSError, ValueError):
        table = COLUMNS.empty_table()
    if not table.num_rows:
        raise InputError(f"{path}: not a tokenised split, or damaged: run the rule tokens again")
    ids = table.column("ids").combine_chunks()
    return EncodedSplit(
        ids.values.to_numpy(), ids.offsets.to_numpy().astype(np.int64), table.column("label").to_numpy()
    )


class EncodedCounts(FileRecord):
    """The size of a tokenised split."""

    sentences: int
    tokens: int = 0
    """That are kept."""
    longest: int
    """Tokens of the longest sentence, before it is cut."""
    mean: float = 0.0
    """Tokens of a sentence, before it is cut."""
    truncated: int = 0
    """Sentences that are cut."""
    in_windows: int = 0
    """Sentences of more than one window."""
    windows: int = 0


class EncodedSummary(FileRecord):
    """tokens.json."""

    corpus_hash: str
    classes: list[str]
    tokenizer_hash: str
    vocabulary: int
    """Entries of the tokenizer."""
    pad_id: int
    max_length: int | None
    long_texts: TextLimit | None = None
    splits: BySplit[EncodedCounts]

    @property
    def text_limit(self) -> TextLimit:
        """What is read of a long text."""
        return recorded_limit(self.long_texts, self.max_length)

    @property
    def longest_sentence(self) -> int:
        """Tokens of the longest sentence that a teacher reads at once."""
        longest = max(split.longest for split in self.splits.values())
        return longest if self.max_length is None else min(longest, self.max_length)

    def counts(self, splits: Iterable[str]) -> dict[str, int]:
        """The number of sentences of these splits."""
        return {split: self.splits[split].sentences for split in splits}


def read_summary(folder: Path) -> EncodedSummary:
    """tokens.json of a tokenised corpus; raises InputError."""
    return EncodedSummary.read(folder / "tokens.json")


def union(*ids: np.ndarray | Sequence[int]) -> np.ndarray:
    """The ids that any of these has, sorted."""
    return np.unique(np.concatenate([np.asarray(some) for some in ids]))


def used_token_ids(folder: Path, splits: Iterable[str]) -> np.ndarray:
    """The distinct token ids of these splits, int64, sorted."""
    token_ids = [np.unique(read_encoded_split(folder, split).ids) for split in splits]
    return np.unique(np.concatenate(token_ids)).astype(np.int64)


@dataclass(frozen=True)
class EncodedPool(EncodedSplit):
    """Unlabelled sentences, memory-mapped: every label is NO_LABEL."""

    token_ids: np.ndarray
    """int32: the distinct token ids, sorted."""
    hash: str
    """Of the pool's sentences."""


def read_encoded_pool(folder: Path, summary: EncodedSummary) -> EncodedPool:
    """A tokenised pool; raises InputError where it was not tokenised as the corpus of tokens.json, `summary`, was."""
    path = folder / TOKENS_FILE
    arrays, header = map_arrays(path, "tokens")
    require_equal(header.get("tokenizer_hash"), summary.tokenizer_hash, path, "tokenizer")
    require_equal(header.get("long_texts"), asdict(summary.text_limit), path, "limit of long texts")
    labels = np.broadcast_to(np.int64(NO_LABEL), len(arrays["offsets"]) - 1)
    return EncodedPool(arrays["ids"], arrays["offsets"], labels, arrays["token_ids"], header["pool_hash"])
