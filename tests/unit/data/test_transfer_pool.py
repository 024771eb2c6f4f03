"""Pools: normalised, each sentence once, none of those that evaluation stands on, bounded, the same each time."""

import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilrnn.artifacts.transfer import read_keys, read_sentences
from distilrnn.data.transfer.keys import duplicate_key, leak_key, normalise, ranks
from distilrnn.data.transfer.pool import CHUNK, Excluded, PoolWriter

NOTHING = Excluded(frozenset(), frozenset(), frozenset())


def make(folder, sentences, excluded=NOTHING, seed=0, most=None):
    writer = PoolWriter(excluded, seed, most)
    digest = writer.write(folder, sentences)
    kept = list(read_sentences(folder)) if digest else []
    return kept, writer.counts, digest


def accounted(counts):
    out = counts.unusable + counts.in_reported + counts.in_held_out + counts.in_train
    return out + counts.duplicates + counts.beyond_bound + counts.sentences


def smuggled(sentence):
    """The sentence in other case, spaces, punctuation and Unicode form."""
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in sentence)
    return [
        sentence,
        sentence.upper(),
        f"  {sentence}\t",
        sentence.replace(" ", "  "),
        sentence.replace(" ", "\u00a0"),
        sentence.rstrip(".") + " !?",
        f"“{sentence}”",
        unicodedata.normalize("NFD", sentence),
        wide,
        sentence.replace("e", "e\u200b"),
        sentence.replace("t", "\u00adt"),
    ]


def test_sentences_of_dev_test_and_the_held_out_part_cannot_be_smuggled_in(tmp_path):
    reported, held_out, train = "The café is not open at three.", "He said so himself.", "They have left the house."
    excluded = Excluded(*({leak_key(one)} for one in (reported, held_out, train)))
    texts = [text for one in (reported, held_out, train) for text in smuggled(one)]
    kept, counts, _ = make(tmp_path, [*texts, "A new sentence."], excluded)
    assert kept == ["A new sentence."]
    each = len(smuggled(reported))
    assert (counts.in_reported, counts.in_held_out, counts.in_train) == (each, each, each)
    assert accounted(counts) == counts.read == len(texts) + 1


def test_what_differs_in_words_is_no_leak():
    assert leak_key("He saw her.") != leak_key("He saw him.")
    assert leak_key("2 + 2") != leak_key("2 + 3")
    assert leak_key(":)") != leak_key(":(")
    assert leak_key("कि") != leak_key("का")


def test_duplicates_are_removed_and_the_first_is_kept_in_its_place(tmp_path):
    kept, counts, _ = make(tmp_path, ["b  b", "a", "B b", "c", "a", "", " \u200b", "x" * 70_000])
    assert kept == ["b b", "a", "c"]
    assert (counts.duplicates, counts.unusable, counts.normalised) == (2, 3, 2)
    assert accounted(counts) == counts.read == 8
    assert read_keys(tmp_path).view(np.uint64).tolist() == [duplicate_key(sentence) for sentence in kept]


@pytest.mark.parametrize("most", [1, 10, 99, 100, 1000])
def test_a_bound_is_a_random_choice_that_depends_on_the_seed_alone(tmp_path, monkeypatch, most):
    monkeypatch.setattr("distilrnn.data.transfer.pool.CHUNK", 7)
    sentences = [f"number {number}" for number in range(100)] * 2
    kept, counts, digest = make(tmp_path / "a", sentences, most=most)
    assert len(kept) == len(set(kept)) == min(most, 100) == counts.sentences
    assert accounted(counts) == counts.read == 200
    turned, _, _ = make(tmp_path / "b", sentences[::-1], most=most)
    assert set(turned) == set(kept)
    monkeypatch.setattr("distilrnn.data.transfer.pool.CHUNK", CHUNK)
    assert make(tmp_path / "c", sentences, most=most)[2] == digest
    if 1 < most < 99:
        assert set(make(tmp_path / "d", sentences, seed=1, most=most)[0]) != set(kept)
        assert kept != sentences[:most]


def test_nothing_is_written_where_nothing_is_left(tmp_path):
    kept, counts, digest = make(tmp_path, ["", "A."], Excluded({leak_key("a")}, (), ()))
    assert (kept, digest, counts.in_reported) == ([], "", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_source_is_read_one_sentence_at_a_time(tmp_path, monkeypatch):
    """The writer never holds more than a chunk of what it has read."""
    monkeypatch.setattr("distilrnn.data.transfer.pool.CHUNK", 10)

    class Counted(str):
        alive = most = 0

        def __new__(cls, text):
            Counted.alive += 1
            Counted.most = max(Counted.most, Counted.alive)
            return super().__new__(cls, text)

        def __del__(self):
            Counted.alive -= 1

    kept, _, _ = make(tmp_path, (Counted(f"sentence {number}") for number in range(1000)))
    assert len(kept) == 1000
    assert Counted.most < 50


def test_ranks_are_a_permutation_that_the_seed_changes():
    keys = np.random.default_rng(0).integers(0, 2**63, 10_000).astype(np.uint64)
    first, second = ranks(keys, 0), ranks(keys, 1)
    assert len(np.unique(first)) == len(keys)
    assert abs(np.corrcoef(np.argsort(first), np.argsort(second))[0, 1]) < 0.05
    assert np.array_equal(first[:10], ranks(keys[:10], 0))


@given(st.text())
def test_a_normalised_sentence_fits_a_line_and_stays_as_it_is(text):
    sentence = normalise(text)
    assert normalise(sentence) == sentence
    assert sentence.splitlines() == ([sentence] if sentence else [])
    assert (sentence + "\n").encode().decode() == sentence + "\n"
    assert (
        leak_key(sentence) == leak_key(f"  {sentence.upper()} ") or "ß" in text or sentence.upper().lower() != sentence
    )


READ_AND_SAY_THE_PEAK = """
import resource, sys
from pathlib import Path
from distilrnn.data.transfer.pool import Excluded, PoolWriter
from distilrnn.data.transfer.text import read_text
from distilrnn.params.transfer import TextSource

nothing = frozenset()
writer = PoolWriter(Excluded(nothing, nothing, nothing), 0, None)
writer.write(Path(sys.argv[2]), read_text(TextSource(kind="text", files=(sys.argv[1],))))
print(writer.counts.sentences, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_a_large_file_of_long_lines_is_streamed(tmp_path):
    """Two files of lines of 4 kB, 20 and 200 MB, in a process each: the larger one takes a chunk more at most."""
    peaks = {}
    for megabytes in (20, 200):
        file, lines = tmp_path / f"{megabytes}.txt", megabytes * 250
        with file.open("w") as text:
            text.writelines(f"{number} {'sparse ' * 570}\n" for number in range(lines))
        assert file.stat().st_size >= megabytes * 990_000
        command = [sys.executable, "-c", READ_AND_SAY_THE_PEAK, file, tmp_path / f"pool{megabytes}"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        sentences, peaks[megabytes] = map(int, done.stdout.split())
        assert sentences == lines
    assert peaks[200] - peaks[20] < 60
