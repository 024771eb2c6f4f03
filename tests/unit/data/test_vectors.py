"""Pre-trained vectors: files of every form, faults named by line, and the mapping to any tokenizer's entries."""

import gzip
import tracemalloc

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.decoders import WordPiece

from distilrnn.data.tokenizer import learn_bpe, learn_words
from distilrnn.data.vectors import map_vectors, read_word_vectors, reduce_width, token_texts, vectors_of_pieces
from distilrnn.errors import InputError

WORDS = {"the": [1, 2, 3], "dog": [4, 5, 6], "barks": [7, 8, 9], ",": [0.5, 0.5, -1e-3]}
TEXT = "".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in WORDS.items())


def read(path):
    return {
        word: vector.tolist()
        for block in read_word_vectors(path).blocks
        for word, vector in zip(block.words, block.vectors(range(len(block.words))), strict=True)
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("glove.txt", TEXT.encode()),
        ("fast.vec", f"4 3\n{TEXT}".encode()),
        ("word2vec.txt", f"4 3\n{TEXT.replace(chr(10), ' ' + chr(10))}".encode()),
        ("tabs.txt", TEXT.replace(" ", "\t").encode()),
        ("packed.txt.gz", gzip.compress(TEXT.encode(), mtime=0)),
    ],
)
def test_text_files_of_every_form_are_read(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    found = read(tmp_path / name)
    assert list(found) == list(WORDS)
    for word, vector in WORDS.items():
        np.testing.assert_allclose(found[word], vector, rtol=1e-6)


def test_a_word_may_hold_spaces_as_in_glove_840b(tmp_path):
    (tmp_path / "v.txt").write_text(f"{TEXT}. . . 1 2 3\nat name@domain.com 4 5 6\n")
    found = read(tmp_path / "v.txt")
    assert found[". . ."] == [1, 2, 3]
    assert found["at name@domain.com"] == [4, 5, 6]


@pytest.mark.parametrize("words", ["v.txt", "tokenizer.json"])
def test_safetensors_are_read_with_the_words_beside_them(tmp_path, words):
    save_file({"embeddings": torch.arange(12.0).reshape(4, 3).bfloat16()}, tmp_path / "v.safetensors")
    if words == "v.txt":
        (tmp_path / words).write_text("\n".join(WORDS))
    else:
        vocabulary = {word: number for number, word in enumerate(WORDS)}
        Tokenizer(models.WordLevel(vocabulary, unk_token="the")).save(str(tmp_path / words))
    assert read(tmp_path / "v.safetensors") == {
        word: [3.0 * row, 3.0 * row + 1, 3.0 * row + 2] for row, word in enumerate(WORDS)
    }


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("v.txt", TEXT + "cat 1 2\n", r"v\.txt:5: has 2 numbers, where the first line has 3: .* one width"),
        ("v.txt", TEXT + "cat 0.1 2 3 4\n", r"v\.txt:5: has 4 numbers, where the first line has 3"),
        ("v.txt", TEXT + "dog 1 x 3\n", r"v\.txt:5: is not a word and 3 numbers"),
        ("v.txt", TEXT + "dog 1 nan 3\n", r"v\.txt:5: is not a word and 3 numbers"),
        ("v.txt", "", r"v\.txt:1: is not a word and its numbers"),
        ("v.txt", "a sentence\nanother one\n", r"v\.txt:1: is not a word and its numbers"),
        ("v.txt", f"4 300\n{TEXT}", r"v\.txt:2: has 3 numbers, where the first line says 300"),
        ("v.txt.gz", TEXT, r"v\.txt\.gz: cannot be read"),
        ("v.bin", TEXT, r"v\.bin: \.bin files are not read: convert it to text"),
        ("v.safetensors", TEXT, r"v\.safetensors: is not a safetensors file"),
        (None, "", "no such file of word vectors"),
    ],
)
def test_faulty_files_are_refused_with_the_line(tmp_path, name, content, said):
    if name:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        read(tmp_path / (name or "none.txt"))


def test_a_packed_file_that_breaks_off_is_refused(tmp_path):
    random = np.random.default_rng(0)
    text = "".join(f"w{i} {' '.join(map(str, random.random(3)))}\n" for i in range(20_000))
    (tmp_path / "v.txt.gz").write_bytes(gzip.compress(text.encode())[:-5000])
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "v.txt.gz")


@pytest.mark.slow
def test_large_files_are_streamed(tmp_path):
    with (tmp_path / "v.txt").open("w") as file:
        line = " ".join(["0.123456"] * 100)
        for number in range(60_000):
            file.write(f"w{number} {line}\n")
    tokenizer = learn_words(iter(["w7 w59999"]), 10, 1, False)
    tracemalloc.start()
    found = map_vectors(read_word_vectors(tmp_path / "v.txt"), tokenizer)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.token_ids) == 2
    assert peak < (tmp_path / "v.txt").stat().st_size


def by_token(tokenizer, found):
    return {tokenizer.id_to_token(int(i)): vector for i, vector in zip(found.token_ids, found.vectors, strict=True)}


def test_words_get_their_vectors_else_those_in_lower_case(tmp_path):
    (tmp_path / "v.txt").write_text("us 1 1\nUS 2 2\nthe 3 3\n[UNK] 4 4\n")
    tokenizer = learn_words(iter(["US us The unknown"]), 10, 1, False)
    found = by_token(tokenizer, map_vectors(read_word_vectors(tmp_path / "v.txt"), tokenizer))
    assert {token: vector.tolist() for token, vector in found.items()} == {"us": [1, 1], "US": [2, 2], "The": [3, 3]}


def test_parts_of_words_get_the_mean_of_the_words_that_contain_them(tmp_path):
    vocabulary = {"[UNK]": 0, "a": 1, "play": 2, "##ing": 3, "##ed": 4, "walk": 5, "##zz": 6}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = WordPiece()
    (tmp_path / "v.txt").write_text("walking 6 0\nplaying 0 6\ning 9 9\nplay 1 2\n")
    found = map_vectors(read_word_vectors(tmp_path / "v.txt"), tokenizer)
    vectors = by_token(tokenizer, found)
    assert vectors["play"].tolist() == [1, 2]
    np.testing.assert_allclose(vectors["##ing"], [4, 2])  # ranks 1 and 2: weights 1 and 1/2; not the word 'ing'
    np.testing.assert_allclose(vectors["walk"], [6, 0])  # no vector of its own: it stands in 'walking'
    assert "##zz" not in vectors
    assert found.from_subwords == 2


def test_byte_level_entries_are_words_behind_a_space(tmp_path):
    tokenizer = learn_bpe(iter(["the dogs bark , the dogs bark , the dogs"] * 5), 300, 2, True)
    (tmp_path / "v.txt").write_text("dogs 1 2\n, 3 4\n")
    vectors = by_token(tokenizer, map_vectors(read_word_vectors(tmp_path / "v.txt"), tokenizer))
    assert vectors["Ġdogs"].tolist() == [1, 2]
    assert vectors[","].tolist() == [3, 4]
    assert token_texts(tokenizer)[0] == ""  # <|endoftext|>


def test_pieces_of_a_language_model_are_averaged_and_the_same_tokenizer_keeps_its_rows():
    pieces = learn_bpe(iter(["the dogs bark"] * 5 + ["the"] * 9), 270, 2, True)
    matrix = np.random.default_rng(0).normal(size=(pieces.get_vocab_size(), 4)).astype(np.float32)
    words = learn_words(iter(["the dogs"]), 10, 1, True)
    found = vectors_of_pieces(pieces, matrix, words)
    vectors = by_token(words, found)
    for word in ("the", "dogs"):
        np.testing.assert_allclose(vectors[word], matrix[pieces.encode(f" {word}").ids].mean(0), rtol=1e-5)
    assert set(vectors) == {"the", "dogs"}
    same = vectors_of_pieces(pieces, matrix, Tokenizer.from_str(pieces.to_str()))
    assert np.array_equal(same.vectors, matrix)


def test_fewer_components_keep_the_distances_of_vectors_that_lie_in_so_few():
    random = np.random.default_rng(0)
    vectors = (random.normal(size=(50, 3)) @ random.normal(size=(3, 20))).astype(np.float32)
    reduced = reduce_width(vectors, 3)
    assert reduced.shape == (50, 3)
    np.testing.assert_allclose(
        np.linalg.norm(reduced[0] - reduced[1:], axis=1), np.linalg.norm(vectors[0] - vectors[1:], axis=1), rtol=1e-4
    )
    assert np.array_equal(reduced, reduce_width(vectors, 3))
