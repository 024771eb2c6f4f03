"""The reader, the writer and the split of the training sentences, for whatever they are given."""

import hashlib
import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distilrnn.data.corpus import (
    SPLITS,
    TRAIN,
    Example,
    check_corpus,
    parse_split,
    read_folder,
    read_split,
    read_summary,
    write_corpus,
)
from distilrnn.data.holdout import split_holdout
from distilrnn.errors import InputError
from distilrnn.params.common import SelectionParams
from fuzzing import fuzz

CLASSES = ("unacceptable", "acceptable")
ENCODABLE = st.characters(codec="utf-8", exclude_characters="\t\n\r\0")
SENTENCES = st.text(ENCODABLE, min_size=1, max_size=60).filter(
    lambda text: any(not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf") for c in text)
)
EXAMPLES = st.builds(
    Example,
    source=st.text(ENCODABLE.filter(str.isprintable), max_size=20),
    label=st.integers(0, 2),
    mark=st.text(ENCODABLE, max_size=3),
    sentence=SENTENCES,
)


def splits_of(train, dev=None, other=None):
    dev = dev or [Example("s", 1, "", "It pours .")]
    return dict(zip(SPLITS, (train, dev, other or [Example("s", 0, "*", "It pour .")]), strict=True))


TRAIN_EXAMPLES = [Example("s", 0, "*", "Her went ."), Example("s", 1, "", "She went .")]


@settings(deadline=None)
@given(st.lists(EXAMPLES, min_size=1, max_size=8))
def test_what_is_written_is_read_back(tmp_path_factory, examples):
    path = tmp_path_factory.getbasetemp() / "round-trip.tsv"
    path.write_bytes("".join(example.line() for example in examples).encode())
    assert read_split(path, 3) == examples


@fuzz(500)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from([b"s", b"0", b"1", b"\t", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\0", b"\xff", b"a b"])
        ).map(b"".join),
    )
)
def test_any_bytes_are_examples_or_bad_input(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.tsv"
    path.write_bytes(data)
    try:
        examples = read_split(path, 2)
    except InputError as refused:
        assert str(refused).startswith(str(path))
        assert "\n" not in str(refused)
    else:
        assert examples
        assert all(example.label in (0, 1) for example in examples)
        # Nothing is lost but byte-order mark, line ends and the empty lines at the end.
        plain = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").rstrip(b"\n")
        assert "".join(example.line() for example in examples).encode() == plain + b"\n"


def test_rows_are_read_one_at_a_time():
    def lines():
        yield b"s\t1\t\tIt rains .\n"
        raise AssertionError("the second row was asked for before the first was used")

    assert next(parse_split(lines(), "file", 2)).sentence == "It rains ."


def test_labels_are_bounded_even_where_the_classes_are_not_known():
    assert next(parse_split([b"s\t7\t\tIt rains .\n"], "file")).label == 7
    with pytest.raises(InputError, match="a number from 0 to 9999"):
        list(parse_split([b"s\t99999\t\tIt rains .\n"], "file"))
    with pytest.raises(InputError, match="not a number from 0 to 2"):
        list(parse_split([b"s\t3\t\tIt rains .\n"], "file", 3))


def test_written_corpus_has_a_summary_that_counts_it(tmp_path):
    written = write_corpus(tmp_path, splits_of(TRAIN_EXAMPLES), ["It snows ."], CLASSES, "here")
    assert read_summary(tmp_path) == written
    assert json.loads((tmp_path / "corpus.json").read_text())["splits"][TRAIN] == {"sentences": 2, "classes": [1, 1]}
    assert written.classes == list(CLASSES)
    assert len(written.warnings) == 2
    assert written.source == "here"
    assert read_folder(tmp_path, 2) == splits_of(TRAIN_EXAMPLES)
    assert (tmp_path / "unlabelled.txt").read_text() == "It snows .\n"
    digests = [hashlib.sha256((tmp_path / f"{split}.tsv").read_bytes()).digest() for split in SPLITS]
    assert written.hash == hashlib.sha256(b"".join(digests)).hexdigest()


@pytest.mark.parametrize("split", SPLITS)
def test_hash_changes_with_any_split(tmp_path, split):
    splits = splits_of(TRAIN_EXAMPLES)
    before = write_corpus(tmp_path, splits, [], CLASSES, "here").hash
    splits[split] = [*splits[split], Example("s", 1, "", "It hails .")]
    assert write_corpus(tmp_path, splits, [], CLASSES, "here").hash != before


def test_corpus_without_a_class_is_not_written(tmp_path):
    with pytest.raises(
        InputError, match=r"here: in_domain_train has no sentence of class 0 \(unacceptable\): add some"
    ):
        write_corpus(tmp_path / "out", splits_of(TRAIN_EXAMPLES[1:]), [], CLASSES, "here")
    assert not (tmp_path / "out").exists()


def test_leaks_are_counted_against_every_label_that_train_has():
    train = [*TRAIN_EXAMPLES, Example("s", 0, "", "She went ."), Example("s", 1, "", "It thaws .")]
    warnings = check_corpus(splits_of(train, [Example("s", 1, "", "She went .")], TRAIN_EXAMPLES[:1]), CLASSES, "here")
    assert warnings == [
        "in_domain_train: 1 rows repeat a sentence, 1 sentences have different labels",
        "in_domain_dev: 1 sentences also stand in in_domain_train, 1 with another label",
        "out_of_domain_dev: 1 sentences also stand in in_domain_train, 0 with another label",
    ]


def test_near_duplicates_are_counted_beside_exact_ones():
    dev = [
        Example("s", 1, "", text) for text in ("She went .", "she WENT!", "SHE  went", "She went 2 .", "$", "€", "!")
    ]
    train = [*TRAIN_EXAMPLES, Example("s", 0, "", "$ ."), Example("s", 0, "", "?")]
    assert check_corpus({TRAIN: train, "in_domain_dev": dev}, CLASSES, "here")[-2:] == [
        "in_domain_dev: 1 sentences also stand in in_domain_train, 0 with another label",
        "in_domain_dev: 3 more sentences differ from one in in_domain_train in case, spaces or punctuation alone",
    ]


def test_a_class_of_one_sentence_is_warned_of():
    single = "in_domain_train: class acceptable has a single sentence: little can be learned of it"
    train = [*TRAIN_EXAMPLES, Example("s", 0, "", "Her goed .")]
    assert check_corpus({TRAIN: train}, CLASSES, "here") == [single]
    assert check_corpus({TRAIN: [*train, Example("s", 1, "", "He ran .")]}, CLASSES, "here") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not readable"),
        ("[]", "lacks hash, classes"),
        ("{}", "lacks hash"),
        ('{"hash": ""}', "lacks classes, splits"),
    ],
)
def test_damaged_summary_is_refused(tmp_path, text, said):
    (tmp_path / "corpus.json").write_text(text)
    with pytest.raises(InputError, match=rf"corpus\.json: .*{said}"):
        read_summary(tmp_path)


LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=200).map(np.array)


@settings(deadline=None)
@given(LABELS, st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_holdout_parts_the_rows(labels, fraction, seed):
    selection = SelectionParams(holdout_fraction=fraction, holdout_seed=seed)
    try:
        train, validation = split_holdout(labels, selection)
    except InputError as refused:
        assert "raise it, or set selection.validation to dev" in str(refused)
        assert all(round((labels == label).sum() * fraction) == 0 or (labels == label).sum() == 1 for label in labels)
        return
    assert sorted([*train, *validation]) == list(range(len(labels)))
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(validation) > 0)
    assert len(validation)
    for label in np.unique(labels):
        rows, held_out = (labels == label).sum(), (labels[validation] == label).sum()
        assert held_out < rows
        assert held_out in (round(rows * fraction), rows - 1)
    for again, part in zip(split_holdout(labels, selection), (train, validation), strict=True):
        assert np.array_equal(again, part)


def test_holdout_depends_on_its_seed_alone():
    labels = np.arange(200) % 2
    first, other = (split_holdout(labels, SelectionParams(holdout_seed=seed))[1] for seed in (0, 1))
    assert not np.array_equal(first, other)
    np.random.seed(7)
    assert np.array_equal(first, split_holdout(labels, SelectionParams())[1])
    assert first[:5].tolist() == [4, 11, 25, 31, 32]


def test_validation_on_dev_holds_nothing_out():
    train, validation = split_holdout(np.array([0, 1, 1]), SelectionParams(validation="dev"))
    assert train.tolist() == [0, 1, 2]
    assert len(validation) == 0
