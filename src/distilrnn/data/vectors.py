"""Pre-trained word vectors: files read as a stream, and their vectors mapped to the entries of any tokenizer."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, cast

import numpy as np
from tokenizers import Tokenizer

from distilrnn.errors import InputError

WORDS_PER_BLOCK = 4096
FREQUENT_WORDS = 200_000
"""Subwords get the mean of the words that contain them among this many of the first, the most frequent ones."""
ANCHOR = "a"
"""A word before another: so the second is read as within a sentence, with the marker of its tokenizer before it."""
LONGEST_LINE = 1 << 20
"""Bytes: a longer line is not a word with its vector."""


@dataclass(frozen=True)
class Block:
    """Some words of a file, one after the other."""

    words: list[str]
    vectors: Callable[[Sequence[int]], np.ndarray]
    """Some of their vectors, float32 [chosen, width]; only those are parsed."""


@dataclass(frozen=True)
class WordVectors:
    """The words of a file with their vectors, the most frequent word first as far as the file is so ordered."""

    width: int
    blocks: Iterable[Block]


@dataclass(frozen=True)
class MappedVectors:
    """The vectors of a tokenizer's entries."""

    token_ids: np.ndarray
    """int64 [found]: the entries that have one, sorted."""
    vectors: np.ndarray
    """float32 [found, width]."""
    from_subwords: int
    """How many of them are means over the words that contain them."""


def read_word_vectors(path: Path) -> WordVectors:
    """The vectors in a text file (GloVe, word2vec, fastText's .vec; .gz too) or a safetensors file, streamed.

    A safetensors file holds one matrix [words, width]; its words stand, one a line, in a .txt file of the same name, or
    are the entries of a tokenizer.json beside it.

    Raises:
        InputError: there is no such file, or it is of another form; of a fault within the file while it is read.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of word vectors: correct students.<student>.vectors.source")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in (".zip", ".bin", ".pt", ".npy", ".bz2", ".xz", ".7z"):
        raise InputError(
            f"{path}: {path.suffix} files are not read: convert it to text, a word and its numbers a line, or unpack it"
        )
    with _opened(path) as file:
        first, second = (file.readline(LONGEST_LINE).split() for _ in range(2))
    header = len(first) == 2 and all(field.isdigit() for field in first)
    width = len(second if header else first) - 1
    if width < 2:
        line = 2 if header else 1
        raise InputError(
            f"{path}:{line}: is not a word and its numbers, separated by spaces: choose a word vector file"
        )
    if header and int(first[1]) != width:
        raise InputError(f"{path}:2: has {width} numbers, where the first line says {int(first[1])}: download it again")
    return WordVectors(width, _TextFile(path, width, header))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, unpacked where it ends in .gz; raises InputError where it cannot be read."""
    try:
        with cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error}): download it again") from None


@dataclass(frozen=True)
class _TextFile:
    path: Path
    width: int
    header: bool

    def __iter__(self) -> Iterator[Block]:
        with _opened(self.path) as file:
            lines = enumerate(file, 1)
            if self.header:
                next(lines)
            while numbered := list(islice(lines, WORDS_PER_BLOCK)):
                yield self._block(numbered)

    def _block(self, numbered: list[tuple[int, bytes]]) -> Block:
        words, numbers, places = [], [], []
        for number, line in numbered:
            fields = line.rstrip().rsplit(None, self.width)  # a word may hold spaces
            if not fields:
                continue
            if len(fields) <= self.width or _ends_in_number(fields[0]):
                found = len(line.split()) - 1
                raise InputError(
                    f"{self.path}:{number}: has {found} numbers, where the first line has {self.width}: all vectors "
                    "of a file must have one width"
                )
            words.append(fields[0].decode("utf-8", errors="replace"))
            numbers.append(fields[1:])
            places.append(number)

        def vectors(chosen: Sequence[int]) -> np.ndarray:
            return np.array([self._parse(numbers[i], places[i]) for i in chosen], np.float32).reshape(-1, self.width)

        return Block(words, vectors)

    def _parse(self, numbers: list[bytes], line: int) -> np.ndarray:
        try:
            vector = np.array(numbers).astype(np.float32)
        except ValueError:
            vector = np.array([np.nan])
        if not np.isfinite(vector).all():
            raise InputError(f"{self.path}:{line}: is not a word and {self.width} numbers: correct or remove the line")
        return vector


def _ends_in_number(word: bytes) -> bool:
    """Whether what should be the word alone holds a number too: 'cat 0.1', but not 'at name' or '. .'."""
    first, _, last = word.rpartition(b" ")
    try:
        return bool(first) and b"." in last and np.isfinite(float(last))
    except ValueError:
        return False


def _read_safetensors(path: Path) -> WordVectors:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: is not a safetensors file ({error}): name a file of word vectors") from None
    matrices = [name for name, shape in shapes.items() if len(shape) == 2]
    if len(matrices) != 1:
        raise InputError(f"{path}: holds {len(matrices)} matrices, not one [words, width]: name a file of word vectors")
    words = _words_beside(path)
    count, width = shapes[matrices[0]]
    if len(words) != count:
        raise InputError(f"{path}: holds {count} vectors, but there are {len(words)} words beside it: they must agree")

    def blocks() -> Iterator[Block]:
        with safe_open(path, framework="pt") as file:  # numpy has no bfloat16
            matrix = file.get_slice(matrices[0])
            for start in range(0, count, WORDS_PER_BLOCK):
                end = min(start + WORDS_PER_BLOCK, count)
                yield Block(words[start:end], matrix[start:end].float().numpy().__getitem__)

    return WordVectors(width, _Repeatable(blocks))


@dataclass(frozen=True)
class _Repeatable:
    start: Callable[[], Iterator[Block]]

    def __iter__(self) -> Iterator[Block]:
        return self.start()


def _words_beside(path: Path) -> list[str]:
    listed, tokenizer = path.with_suffix(".txt"), path.with_name("tokenizer.json")
    if listed.is_file():
        return listed.read_text(encoding="utf-8").splitlines()
    if tokenizer.is_file():
        from distilrnn.data.tokenizer import load_tokenizer

        return token_texts(load_tokenizer(tokenizer))
    raise InputError(f"{path}: has no words: put {listed.name} beside it, one word per line, or its tokenizer.json")


def token_texts(tokenizer: Tokenizer) -> list[str]:
    """The text that each entry stands for, without the spaces or markers around it; '' for special entries."""
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    special = tokenizer.get_added_tokens_decoder()
    prefix = getattr(tokenizer.model, "continuing_subword_prefix", None) or ""
    texts = []
    for token_id in range(size):
        token = tokenizer.id_to_token(token_id)
        if token is None or token_id in special:
            texts.append("")
            continue
        text = tokenizer.decode([token_id], skip_special_tokens=False).strip()
        texts.append(text.removeprefix(prefix) if len(text) > len(prefix) else text)
    return texts


def map_vectors(source: WordVectors, tokenizer: Tokenizer) -> MappedVectors:
    """The vector of each entry of a tokenizer that has one.

    An entry that is a word (or a sign) gets the word's vector, or that of the word in lower case. A part of words gets
    the mean of the vectors of the words that contain it, and so does a word without one of its own. The words are
    weighted by 1 / rank in the file, as their frequencies are by Zipf's law (Minixhofer et al. 2022, WECHSEL, section
    3.2, weigh by the frequencies themselves).
    """
    texts = token_texts(tokenizer)
    is_word = _words(texts, tokenizer)
    wanted: dict[str, list[int]] = {}
    for token_id, text in enumerate(texts):
        if text:
            for spelling in dict.fromkeys((text, text.lower())):
                wanted.setdefault(spelling, []).append(token_id)
    subwords = any(text and not word for text, word in zip(texts, is_word, strict=True))
    direct = np.zeros((len(texts), source.width), np.float32)
    quality = np.zeros(len(texts), np.int8)  # 1: found in lower case, 2: as it is spelt
    sums = np.zeros((len(texts) if subwords else 0, source.width), np.float64)
    weights = np.zeros(len(sums))
    anchor = tokenizer.encode(ANCHOR, add_special_tokens=False).ids
    rank = 0
    for block in source.blocks:
        found = [i for i, word in enumerate(block.words) if word in wanted]
        for i, vector in zip(found, block.vectors(found), strict=True):
            for token_id in wanted[block.words[i]]:
                kind = 1 + (block.words[i] == texts[token_id])
                if kind > quality[token_id]:
                    direct[token_id], quality[token_id] = vector, kind
        if subwords and rank < FREQUENT_WORDS:
            _add_to_subwords(block, tokenizer, anchor, rank, sums, weights)
        rank += len(block.words)
    containing = np.zeros(len(texts), bool)
    if subwords:
        containing = (weights > 0) & (~is_word | (quality == 0))
        direct[containing] = sums[containing] / weights[containing, None]
    token_ids = np.flatnonzero(containing | (quality > 0))
    return MappedVectors(token_ids, direct[token_ids], int(containing.sum()))


def _words(texts: list[str], tokenizer: Tokenizer) -> np.ndarray:
    """Whether each entry is a whole word within a sentence, a capitalised one at its beginning, or a sign: bool."""
    anchor = tokenizer.encode(ANCHOR, add_special_tokens=False).ids
    within = tokenizer.encode_batch([f"{ANCHOR} {text}" for text in texts], add_special_tokens=False)
    first = tokenizer.encode_batch(texts, add_special_tokens=False)
    return np.array(
        [
            inside.ids == [*anchor, token_id]
            or (alone.ids == [token_id] and text[:1].isupper())
            or not any(character.isalnum() for character in text)
            for token_id, (text, inside, alone) in enumerate(zip(texts, within, first, strict=True))
        ],
        bool,
    )


def _add_to_subwords(
    block: Block, tokenizer: Tokenizer, anchor: list[int], rank: int, sums: np.ndarray, weights: np.ndarray
) -> None:
    """Add the words' vectors to the entries that they consist of, where they are several."""
    encodings = tokenizer.encode_batch([f"{ANCHOR} {word}" for word in block.words], add_special_tokens=False)
    pieces = [encoding.ids[len(anchor) :] for encoding in encodings]
    chosen = [i for i, ids in enumerate(pieces) if len(ids) > 1]
    if not chosen:
        return
    shares = 1 / (rank + np.array(chosen) + 1)
    ids = np.fromiter(chain.from_iterable(pieces[i] for i in chosen), np.int64)
    of_word = np.repeat(np.arange(len(chosen)), [len(pieces[i]) for i in chosen])
    np.add.at(sums, ids, (block.vectors(chosen) * shares[:, None])[of_word])
    np.add.at(weights, ids, shares[of_word])


def vectors_of_pieces(pieces: Tokenizer, matrix: np.ndarray, tokenizer: Tokenizer) -> MappedVectors:
    """The vector of each entry of a tokenizer: the mean over the pieces into which another one parts its text.

    `matrix`, float32 [entries of `pieces`, width], are the input embeddings of a language model. The same tokenizer
    gets it as it is.
    """
    if pieces.to_str() == tokenizer.to_str():
        return MappedVectors(np.arange(len(matrix)), matrix, 0)
    texts = token_texts(tokenizer)
    is_word = _words(texts, tokenizer)
    anchor = pieces.encode(ANCHOR, add_special_tokens=False).ids
    within = pieces.encode_batch([f"{ANCHOR} {text}" for text in texts], add_special_tokens=False)
    alone = pieces.encode_batch(texts, add_special_tokens=False)
    token_ids, vectors = [], []
    for token_id, text in enumerate(texts):
        as_word = is_word[token_id] and within[token_id].ids[: len(anchor)] == anchor
        ids = within[token_id].ids[len(anchor) :] if as_word else alone[token_id].ids
        ids = [i for i in ids if i < len(matrix)]
        if text and ids:
            token_ids.append(token_id)
            vectors.append(matrix[ids].mean(axis=0))
    return MappedVectors(np.array(token_ids, np.int64), np.array(vectors, np.float32), 0)


def reduce_width(vectors: np.ndarray, width: int) -> np.ndarray:
    """Vectors [n, more] on their first `width` principal components, float32 [n, width]."""
    from sklearn.decomposition import PCA

    return PCA(width, svd_solver="covariance_eigh").fit_transform(vectors.astype(np.float64)).astype(np.float32)
