"""Labelled sentences and pools of unlabelled ones as a single set to learn from, however large the pools are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from distilrnn.artifacts.logits import average
from distilrnn.artifacts.transfer import PoolLogits
from distilrnn.data.encoded import EncodedPool
from distilrnn.data.transfer.keys import ranks
from distilrnn.errors import InputError
from distilrnn.training.batch import Batch, EncodedDataset, move

CHUNK = 1 << 16
"""Sentences whose logits are looked at together."""


@dataclass(frozen=True)
class TaughtPool:
    """A pool, what each teacher says of it, and the sentences that are learned from."""

    name: str
    tokens: EncodedPool
    logits: Sequence[PoolLogits]
    """Of every member of an ensemble."""
    keys: np.ndarray
    """int64 [sentences]: the duplicate keys."""

    def taught(self, rows: np.ndarray) -> np.ndarray:
        """What the teacher, or the ensemble, says of some rows: float32 [rows, classes]."""
        return average([{"": member.rows(rows)} for member in self.logits])[""]

    def classes(self, rows: np.ndarray) -> np.ndarray:
        """The class of each of some rows, as the teacher sees it: int16 [rows]."""
        parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        return np.concatenate([self.taught(part).argmax(1).astype(np.int16) for part in parts])


class MixedDataset:
    """Labelled sentences first, then those of the pools: rows are numbered through.

    Tokens and logits stay in their memory-mapped files; in memory are 8 bytes for each sentence, and 4 more where the
    pools are weighed.
    """

    def __init__(
        self,
        labelled: EncodedDataset,
        pools: Sequence[TaughtPool],
        rows: Sequence[np.ndarray],
        weights: Sequence[np.ndarray | None],
    ) -> None:
        """`rows` are those of each pool to learn from; `weights` how much each of them counts, None: 1."""
        self.labelled, self.pools, self.rows, self.weights = labelled, pools, rows, weights
        sizes = [len(labelled), *map(len, rows)]
        self.starts = np.cumsum([0, *sizes])
        self.lengths = np.empty(self.starts[-1], np.int32)
        self.lengths[: len(labelled)] = labelled.lengths
        for pool, some, start in zip(pools, rows, self.starts[1:], strict=False):
            for first in range(0, len(some), CHUNK):
                part = some[first : first + CHUNK]
                lengths = pool.tokens.offsets[part + 1] - pool.tokens.offsets[part]
                self.lengths[start + first : start + first + len(part)] = labelled.width or lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: np.ndarray, device: str) -> Batch:
        """These rows, on the device."""
        labelled, pad_id = self.labelled, self.labelled.pad_id
        if labelled.teacher_logits is None:
            raise ValueError("pools are learned from with a teacher's logits alone")
        width = labelled.width or int(self.lengths[rows].max())
        ids = np.empty((len(rows), width), np.int64)
        lengths = np.empty(len(rows), np.int64)
        labels = np.empty(len(rows), np.int64)
        logits = np.empty((len(rows), labelled.teacher_logits.shape[1]), np.float32)
        weights = np.ones(len(rows), np.float32)
        which = np.searchsorted(self.starts, rows, side="right") - 1
        for part in np.unique(which):
            here = np.flatnonzero(which == part)
            chosen = rows[here] - self.starts[part]
            if part == 0:
                tokens, logits[here] = labelled.tokens, labelled.teacher_logits[chosen]
            else:
                pool, given = self.pools[part - 1], self.weights[part - 1]
                if given is not None:
                    weights[here] = given[chosen]
                chosen = self.rows[part - 1][chosen]
                tokens, logits[here] = pool.tokens, pool.taught(chosen)
            ids[here], lengths[here] = tokens.padded(chosen, pad_id, width)
            labels[here] = tokens.labels[chosen]
        return Batch(*(move(values, device) for values in (ids, lengths, labels, logits, weights)))


def with_pools(
    labelled: EncodedDataset,
    pools: Sequence[TaughtPool],
    classes: Sequence[str],
    balance: Literal["train", "weights"] | None,
    seed: int,
) -> MixedDataset:
    """The labelled sentences with those of the pools: each sentence once, whichever pools it stands in.

    Raises:
        InputError: a pool cannot be balanced, since its teacher sees none of it in some class.
    """
    rows = distinct_rows(pools)
    weights: list[np.ndarray | None] = [None] * len(pools)
    if balance is not None:
        target = np.bincount(labelled.tokens.labels, minlength=len(classes)) / len(labelled)
        for place, pool in enumerate(pools):
            seen = pool.classes(rows[place])
            counts = np.bincount(seen, minlength=len(classes))
            for name, share, count in zip(classes, target, counts, strict=True):
                if share and not count:
                    raise InputError(
                        f"transfer source {pool.name}: the teacher sees no sentence of class {name} in it, so it "
                        "cannot be balanced: leave it out, or set transfer.balance to null"
                    )
            if balance == "weights":
                each = np.divide(target * len(seen), counts, out=np.zeros(len(counts)), where=counts > 0)
                weights[place] = each.astype(np.float32)[seen]
            else:
                rows[place] = rows[place][balanced(seen, target, ranks(_keys(pool, rows[place]), seed))]
    return MixedDataset(labelled, pools, rows, weights)


def distinct_rows(pools: Sequence[TaughtPool]) -> list[np.ndarray]:
    """The rows of each pool, int32, without sentences that an earlier pool has."""
    if len(pools) == 1:
        return [np.arange(len(pools[0].tokens), dtype=np.int32)]
    sizes = [len(pool.tokens) for pool in pools]
    first = np.zeros(sum(sizes), bool)
    first[np.unique(np.concatenate([pool.keys for pool in pools]), return_index=True)[1]] = True
    parts = np.split(first, np.cumsum(sizes)[:-1])
    return [np.flatnonzero(part).astype(np.int32) for part in parts]


def balanced(classes: np.ndarray, target: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """As many places of `classes` [n] as can be, ascending, of which each class has the share that `target` [K] says.

    Of a class, those of lowest rank are chosen.
    """
    counts = np.bincount(classes, minlength=len(target))
    size = min(count / share for count, share in zip(counts, target, strict=True) if share)
    kept = []
    for number, share in enumerate(target):
        places = np.flatnonzero(classes == number)
        kept.append(places[np.argsort(ranks[places], kind="stable")[: int(size * share + 1e-9)]])
    return np.sort(np.concatenate(kept))


def _keys(pool: TaughtPool, rows: np.ndarray) -> np.ndarray:
    return pool.keys[rows].view(np.uint64)
