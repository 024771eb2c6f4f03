"""What is measured on: CoLA's sentences as GPT-2's tokenizer cuts them, or a stand-in of like lengths."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distilrnn.data.corpus import read_split
from distilrnn.data.encoded import EncodedSplit
from distilrnn.data.tokenizer import load_tokenizer
from distilrnn.params.splits import TRAIN

VOCABULARY, END_OF_TEXT = 50257, 50256
MAX_LENGTH = 20
"""The reference experiment cuts here."""


@dataclass(frozen=True)
class Data:
    """Token ids of sentences, each cut to 20 tokens, and labels."""

    name: str
    rows: list[list[int]]
    labels: np.ndarray
    """int64 [sentences]."""

    def part(self, count: int, number: int) -> "Data":
        """Some sentences, others for each number, drawn one by one."""
        chosen = np.random.RandomState(number).permutation(len(self.rows))[:count]
        return self._select(chosen)

    def batches(self, count: int, size: int, number: int) -> "Data":
        """Some sentences, others for each number, as batches by length of a whole epoch have them.

        Sorted by length, all sentences make batches of `size`; one is drawn from each of `count` / `size` ranges of
        equally many. Of 100 such draws it is the one whose mean length is nearest to the corpus's. Drawn one by one, so
        few sentences would make batches of less like lengths than the corpus does.
        """
        random = np.random.RandomState(number)
        lengths = self.tokens.lengths
        shuffled = random.permutation(len(self.rows))
        order = shuffled[np.argsort(lengths[shuffled], kind="stable")]
        size = min(size, count)
        whole = [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
        ranges = np.array_split(np.arange(len(whole)), count // size)
        draws = [np.concatenate([whole[random.choice(some)] for some in ranges]) for _ in range(100)]
        rows = min(draws, key=lambda rows: abs(lengths[rows].mean() - lengths.mean()))
        return self._select(random.permutation(rows))

    def _select(self, rows: np.ndarray) -> "Data":
        return Data(self.name, [self.rows[i] for i in rows], self.labels[rows])

    @property
    def tokens(self) -> EncodedSplit:
        """As this package reads them."""
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in self.rows])])
        return EncodedSplit(np.concatenate([np.asarray(row, np.int64) for row in self.rows]), offsets, self.labels)

    @property
    def types(self) -> np.ndarray:
        """The token types that occur, and the one to pad with."""
        return np.union1d(self.tokens.ids, [END_OF_TEXT])


def cola(folder: Path, tokenizer: Path) -> Data:
    """CoLA's training sentences; raises InputError."""
    examples = read_split(folder / f"{TRAIN}.tsv", 2)
    encoded = load_tokenizer(tokenizer).encode_batch([example.sentence for example in examples])
    labels = np.array([example.label for example in examples], np.int64)
    return Data("CoLA", [encoding.ids[:MAX_LENGTH] for encoding in encoded], labels)


def stand_in(sentences: int = 8551) -> Data:
    """Random ids with CoLA's lengths (mean 9.4, 99th percentile 23), number of types (6,412) and share of labels."""
    random = np.random.RandomState(0)
    lengths = np.clip(random.gamma(4, 2.35, sentences).round(), 2, MAX_LENGTH).astype(int)
    types = random.permutation(END_OF_TEXT)[:6412]
    shares = 1 / np.arange(1, len(types) + 1)
    ids = random.choice(types, lengths.sum(), p=shares / shares.sum())
    rows = [row.tolist() for row in np.split(ids, np.cumsum(lengths)[:-1])]
    return Data("stand-in", rows, (random.rand(sentences) < 0.7).astype(np.int64))
