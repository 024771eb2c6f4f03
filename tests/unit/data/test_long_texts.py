"""What is read of a text that is longer than a model reads at once."""

from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from distilrnn.data.encoded import EncodedCounts, EncodedSplit, EncodedSummary
from distilrnn.data.long_texts import TextLimit, affixes, windows

POLICIES = ["error", "head", "tail", "head_tail", "windows"]

SPLITS = {name: EncodedCounts(sentences=1, longest=1) for name in ("in_domain_train", "in_domain_dev")}


def text(length, prefix=1, suffix=1):
    """[CLS] 1 2 3 ... [SEP] as numbers: specials are negative."""
    return [-1] * prefix + list(range(1, length - prefix - suffix + 1)) + [-2] * suffix


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ("head", [-1, 1, 2, 3, 4, 5, 6, 7, 8, -2]),
        ("tail", [-1, 11, 12, 13, 14, 15, 16, 17, 18, -2]),
        ("head_tail", [-1, 1, 2, 13, 14, 15, 16, 17, 18, -2]),
    ],
)
def test_a_long_text_keeps_its_special_tokens_and_the_part_that_the_policy_names(policy, kept):
    limit = TextLimit(policy, 10, None, 1, 1)
    assert limit.cut(text(20)) == kept
    assert limit.cut(text(10)) == text(10)


def test_the_papers_head_and_tail_are_128_and_382_of_510():
    limit = TextLimit("head_tail", 512, None, 1, 1)
    assert limit.cut(text(1000)) == [-1, *range(1, 129), *range(998 - 382 + 1, 999), -2]


def test_windows_keep_as_much_as_a_student_reads():
    limit = TextLimit("windows", 10, 15, 1, 1)
    assert limit.cut(text(20)) == [-1, *range(1, 14), -2]
    assert limit.is_long(11)
    assert not limit.is_long(10)


@given(
    lengths=st.lists(st.integers(3, 200), min_size=1, max_size=8),
    size=st.integers(4, 50),
    prefix=st.integers(0, 1),
    suffix=st.integers(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_windows_cover_every_token_overlap_and_are_full(lengths, size, prefix, suffix):
    limit = TextLimit("windows", size, 1000, prefix, suffix)
    found = windows(np.array(lengths), limit)
    for number, length in enumerate(lengths):
        own = [
            positions[:count].tolist()
            for positions, count in zip(
                found.positions[found.texts == number], found.lengths[found.texts == number], strict=True
            )
        ]
        assert set().union(*own) == set(range(length))
        if length <= size:
            assert own == [list(range(length))]
            continue
        last = list(range(length - suffix, length))
        for window in own:
            assert len(window) == size
            assert window[:prefix] == list(range(prefix))
            assert window[size - suffix :] == last
            content = window[prefix : size - suffix]
            assert content == list(range(content[0], content[0] + len(content)))
        content = size - prefix - suffix
        for one, other in pairwise(own):
            shared = len(set(one[prefix : size - suffix]) & set(other[prefix : size - suffix]))
            assert shared >= int(content * 0.25)


def test_a_splits_windows_are_texts_with_their_texts_labels():
    texts, limit = [text(25), text(6), text(11)], TextLimit("windows", 10, 100, 1, 1)
    offsets = np.cumsum([0, *map(len, texts)])
    split = EncodedSplit(np.concatenate(texts), offsets, np.array([1, 0, 2]))
    found = split.windows(limit)
    assert found.labels.tolist() == [1, 1, 1, 1, 0, 2, 2]
    assert found.lengths.tolist() == [10, 10, 10, 10, 6, 10, 10]
    rows = [found.ids[start:end].tolist() for start, end in zip(found.offsets, found.offsets[1:], strict=False)]
    assert rows[0] == [-1, 1, 2, 3, 4, 5, 6, 7, 8, -2]
    assert rows[3] == [-1, 16, 17, 18, 19, 20, 21, 22, 23, -2]
    assert rows[4] == text(6)


def test_affixes_are_what_the_tokenizer_adds():
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[C]": 1, "[S]": 2, "[U]": 3}, unk_token="[U]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    assert affixes(tokenizer) == (0, 0)
    tokenizer.post_processor = processors.TemplateProcessing("[C] $A [S]", None, [("[C]", 1), ("[S]", 2)])
    assert affixes(tokenizer) == (1, 1)


def test_a_limit_is_recorded_and_older_files_cut_at_their_maximum():
    summary = EncodedSummary(
        corpus_hash="", classes=[], tokenizer_hash="", vocabulary=1, pad_id=0, max_length=9, splits=SPLITS
    )
    limit = TextLimit("head_tail", 9, 20, 1, 0)
    written = summary.model_copy(update={"long_texts": limit}).to_json()
    assert written["long_texts"] == asdict(limit)
    assert EncodedSummary.parse(written, Path("tokens.json")).text_limit == limit
    assert summary.text_limit.cut(list(range(20))) == list(range(9))
    assert summary.model_copy(update={"max_length": None}).text_limit.cut(list(range(20))) == list(range(20))
