"""The pools that a student learns from, as they are named to its script."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from distilrnn.artifacts.files import file_hash, require_equal
from distilrnn.artifacts.logits import FILE
from distilrnn.artifacts.transfer import PoolLogits, read_keys, read_pool, shard_folders
from distilrnn.data.encoded import EncodedSummary, read_encoded_pool
from distilrnn.errors import InputError
from distilrnn.training.transfer import TaughtPool


@dataclass(frozen=True)
class TransferInputs:
    """Folders of the pools, each with its tokens and with the logits of each teacher of the student's."""

    pools: Sequence[Path]
    tokens: Sequence[Path]
    """Of each pool."""
    logits: Sequence[Path]
    """Of each pool, one after the other, as many as there are teachers' runs: folders of shards."""
    shards: int
    """Into how many shards each pool was cut."""
    balance: Literal["train", "weights"] | None
    seed: int

    def shard_folders(self, logits: Path) -> list[Path]:
        """The shards in one of the folders of logits."""
        return shard_folders(logits, self.shards)

    def header(self) -> dict[str, Any]:
        """What a student depends on."""
        return {
            "sources": [pool.name for pool in self.pools],
            "pool_hash": [read_pool(pool).hash for pool in self.pools],
            "logits_hash": [file_hash(shard / FILE) for folder in self.logits for shard in self.shard_folders(folder)],
            "balance": self.balance,
            "seed": self.seed,
        }


def read_pools(inputs: TransferInputs, summary: EncodedSummary) -> list[TaughtPool]:
    """The pools, memory-mapped; `summary` is tokens.json of the labelled sentences.

    Raises:
        InputError: pools, tokens and logits do not belong together, or are of another corpus.
    """
    members, rest = divmod(len(inputs.logits), len(inputs.pools))
    if rest or not members or len(inputs.tokens) != len(inputs.pools):
        raise InputError(
            f"--pool is given {len(inputs.pools)} times, --pool-tokens {len(inputs.tokens)} and --pool-logits "
            f"{len(inputs.logits)} times: name the tokens of each pool, and the logits of each teacher for each pool"
        )
    found = []
    for place, (folder, tokens) in enumerate(zip(inputs.pools, inputs.tokens, strict=True)):
        pool = read_pool(folder)
        require_equal(pool.corpus_hash, summary.corpus_hash, folder, "corpus")
        encoded = read_encoded_pool(tokens, summary)
        require_equal(encoded.hash, pool.hash, tokens, "pool")
        logits = [
            PoolLogits(inputs.shard_folders(one), pool.hash, summary.classes, len(encoded))
            for one in inputs.logits[place * members : (place + 1) * members]
        ]
        found.append(TaughtPool(folder.name, encoded, logits, read_keys(folder)))
    return found
