"""When two sentences are the same: the keys by which duplicates and leaks are found."""

import re
import unicodedata
from hashlib import blake2b

import numpy as np

SPACES = re.compile(r"\s+")
NO_WORD = re.compile(r"[^a-z0-9]+")
INVISIBLE = re.compile("[\0-\x08\x0e-\x1b\x7f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff\ud800-\udfff]")
"""Controls, what directs text, and halves of surrogate pairs: nothing that a reader sees."""


def normalise(text: str) -> str:
    """The sentence in Unicode's form C, without invisible characters, with single spaces.

    Tabs and line ends become spaces too, so that it fits a line of a text file.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return SPACES.sub(" ", INVISIBLE.sub("", text)).strip()


def duplicate_key(sentence: str) -> int:
    """64 bits that normalised sentences share which differ in case or compatibility form alone (NFKC)."""
    return _hash(sentence.casefold() if sentence.isascii() else _folded(sentence))


def leak_key(sentence: str) -> int:
    """64 bits that sentences share which differ in case, spaces, punctuation or Unicode form alone.

    Letters, digits and marks count; where there are none, every visible character does.
    """
    if sentence.isascii():
        folded = sentence.lower()
        words = NO_WORD.sub("", folded)
    else:
        folded = _folded(sentence)
        words = "".join(character for character in folded if unicodedata.category(character)[0] in "LMN")
    return _hash(words or SPACES.sub("", folded))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def ranks(keys: np.ndarray, seed: int) -> np.ndarray:
    """A random order of keys, uint64 [n], which depends on each key and the seed alone (splitmix64's last steps)."""
    mixed = keys ^ np.uint64(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
