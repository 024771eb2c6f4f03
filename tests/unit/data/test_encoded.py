"""Tokenised splits: made, read back, selected, padded and cut into batches."""

import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from distilrnn.data.batching import BATCHES_PER_POOL, epoch_batches, sorted_batches
from distilrnn.data.corpus import SPLITS, TRAIN, Example, iterate_split, read_folder, write_corpus
from distilrnn.data.encoded import EncodedSplit, read_encoded_split, read_summary, used_token_ids
from distilrnn.data.tokenizer import load_tokenizer, pad_id_of
from distilrnn.errors import InputError, RunError
from distilrnn.pipeline.tokens import tokenize_corpus
from fuzzing import fuzz
from paths import REPOSITORY

SHARED = REPOSITORY.parent / "shared"
GPT2, COLA = SHARED / "gpt2-tokenizer", SHARED / "cola"
needs_gpt2 = pytest.mark.skipif(not GPT2.is_dir(), reason="GPT-2's tokenizer is not beside the repository")
needs_cola = pytest.mark.skipif(not COLA.is_dir(), reason="CoLA is not beside the repository")
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
PEAK = "int(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
"""Kilobytes of this process alone: getrusage's figure is inherited from the process that started it."""
CLASSES = ("unacceptable", "acceptable")
WORDS = ["[PAD]", "[UNK]", "It", "rains", ".", "pours", "She", "went"]

SENTENCES = st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=6), min_size=1, max_size=8)


def tokens_of(sentences):
    offsets = np.cumsum([0] + [len(sentence) for sentence in sentences])
    return EncodedSplit(np.concatenate(sentences), offsets, np.arange(len(sentences)) % 2)


def word_tokenizer(folder, words=WORDS, settings=None):
    """A tokenizer of words between spaces, written to `folder`."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.normalizer = normalizers.Replace("#", "")
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return tokenizer


@pytest.fixture
def words(tmp_path):
    word_tokenizer(tmp_path / "words")
    return tmp_path / "words"


@pytest.fixture
def corpus(tmp_path):
    examples = [Example("s", 1, "", "It rains ."), Example("s", 0, "*", "It pour it snows ."), Example("s", 1, "", ".")]
    write_corpus(tmp_path / "corpus", dict.fromkeys(SPLITS, examples), [], CLASSES, "here")
    return tmp_path / "corpus"


@settings(deadline=None)
@given(SENTENCES, st.data())
def test_selected_rows_are_those_rows(sentences, data):
    rows = np.array(data.draw(st.lists(st.integers(0, len(sentences) - 1), max_size=10)), np.int64)
    tokens = tokens_of(sentences)
    selected = tokens.select(rows)
    assert len(selected) == len(rows)
    parts = [selected.ids[a:b].tolist() for a, b in zip(selected.offsets, selected.offsets[1:], strict=False)]
    assert parts == [sentences[row] for row in rows]
    assert selected.labels.tolist() == [row % 2 for row in rows]
    assert selected.lengths.tolist() == [len(sentences[row]) for row in rows]


@settings(deadline=None)
@given(SENTENCES, st.data(), st.booleans())
def test_padding_is_what_a_loop_would_do(sentences, data, fixed):
    rows = np.array(data.draw(st.lists(st.integers(0, len(sentences) - 1), min_size=1, max_size=10)))
    width = data.draw(st.integers(max(map(len, sentences)), 10)) if fixed else None
    ids, lengths = tokens_of(sentences).padded(rows, 99, width)
    longest = width or max(len(sentences[row]) for row in rows)
    assert ids.tolist() == [sentences[row] + [99] * (longest - len(sentences[row])) for row in rows]
    assert lengths.tolist() == [len(sentences[row]) for row in rows]


LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=300).map(np.array)


@settings(deadline=None)
@given(
    LENGTHS,
    st.integers(1, 400),
    st.sampled_from(["bucketed", "shuffled"]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 9),
)
def test_an_epoch_has_every_row_once(lengths, batch_size, batching, seed, epoch):
    batches = epoch_batches(lengths, batch_size, batching, seed, epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    sizes = sorted(map(len, batches))
    assert sizes[-1] <= batch_size
    assert all(size == batch_size for size in sizes[1:])
    again = epoch_batches(lengths, batch_size, batching, seed, epoch)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 400))
def test_inference_has_every_row_once_the_longest_first(lengths, batch_size):
    order = np.concatenate(sorted_batches(lengths, batch_size))
    assert sorted(order) == list(range(len(lengths)))
    assert np.all(np.diff(lengths[order]) <= 0)


def test_epochs_and_seeds_differ_and_buckets_hold_like_lengths():
    lengths = np.random.RandomState(0).randint(1, 50, 2000)
    epochs = [np.concatenate(epoch_batches(lengths, 16, "bucketed", *key)) for key in ((0, 0), (0, 1), (1, 0))]
    assert not any(np.array_equal(a, b) for a, b in zip(epochs, epochs[1:] + epochs[:1], strict=True))

    def padding(batching):
        batches = epoch_batches(lengths, 16, batching, 0, 0)
        return sum(len(rows) * lengths[rows].max() for rows in batches) / lengths.sum() - 1

    assert padding("bucketed") < 0.1 < 0.5 < padding("shuffled")
    assert len(epoch_batches(lengths, 1, "bucketed", 0, 0)) == 2000
    assert BATCHES_PER_POOL * 16 < 2000


def test_tokens_are_those_of_the_tokenizer(tmp_path, corpus, words):
    summary = tokenize_corpus(corpus, words, None, tmp_path / "tokens")
    tokens = read_encoded_split(tmp_path / "tokens", TRAIN)
    assert tokens.ids.tolist() == [2, 3, 4, 2, 1, 1, 1, 4, 4]
    assert tokens.offsets.tolist() == [0, 3, 8, 9]
    assert tokens.labels.tolist() == [1, 0, 1]
    assert all(array.dtype == np.int64 for array in (tokens.offsets, tokens.labels, *tokens.padded(np.arange(3), 0)))
    counts = {"sentences": 3, "tokens": 9, "longest": 5, "mean": 3.0, "truncated": 0}
    assert summary == read_summary(tmp_path / "tokens")
    assert summary.to_json()["splits"] == dict.fromkeys(SPLITS, counts)
    assert summary.vocabulary == 8
    assert summary.pad_id == 0
    assert summary.classes == list(CLASSES)
    assert used_token_ids(tmp_path / "tokens", SPLITS).tolist() == [1, 2, 3, 4]


def test_what_is_cut_is_counted(tmp_path, corpus, words):
    counts = tokenize_corpus(corpus, words, 3, tmp_path / "tokens").splits[TRAIN]
    assert counts.to_json() == {"sentences": 3, "tokens": 7, "longest": 5, "mean": 3.0, "truncated": 1}
    assert read_encoded_split(tmp_path / "tokens", TRAIN).lengths.tolist() == [3, 3, 1]


def test_same_bytes_when_repeated_and_readable_by_datasets(tmp_path, corpus, words):
    from datasets import Dataset

    for name in ("one", "two"):
        tokenize_corpus(corpus, words, None, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted([*(f"{split}.arrow" for split in SPLITS), "tokenizer.json", "tokens.json"])
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    rows = Dataset.from_file(str(tmp_path / "one" / f"{TRAIN}.arrow"))
    assert rows[1] == {"label": 0, "ids": [2, 1, 1, 1, 4], "length": 5}


def test_padding_and_truncation_of_the_tokenizer_itself_are_switched_off(tmp_path, corpus, words):
    tokenizer = Tokenizer.from_file(str(words / "tokenizer.json"))
    tokenizer.enable_padding(length=9)
    tokenizer.enable_truncation(2)
    tokenizer.save(str(words / "tokenizer.json"))
    tokenize_corpus(corpus, words, None, tmp_path / "tokens")
    assert read_encoded_split(tmp_path / "tokens", TRAIN).lengths.tolist() == [3, 5, 1]


def test_special_tokens_of_the_tokenizer_are_kept(tmp_path, corpus, words):
    tokenizer = Tokenizer.from_file(str(words / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(single="It $A .", special_tokens=[("It", 2), (".", 4)])
    tokenizer.save(str(words / "tokenizer.json"))
    tokenize_corpus(corpus, words, None, tmp_path / "tokens")
    assert read_encoded_split(tmp_path / "tokens", TRAIN).ids.tolist()[:5] == [2, 2, 3, 4, 4]


@pytest.mark.parametrize("split", SPLITS)
def test_sentence_without_tokens_is_refused_and_nothing_is_left(tmp_path, corpus, words, split):
    with (corpus / f"{split}.tsv").open("a") as file:
        file.write("s\t1\t\t# #\n")
    with pytest.raises(InputError, match=rf"^\S*{split}\.tsv:4: the sentence has no tokens: fix it or remove the row$"):
        tokenize_corpus(corpus, words, None, tmp_path / "tokens")
    assert list((tmp_path / "tokens").iterdir()) == []


def test_row_beyond_the_first_batch_is_named(tmp_path, corpus, words):
    (corpus / f"{TRAIN}.tsv").write_text("s\t1\t\tIt rains .\n" * 2345 + "s\t1\t\t#\n")
    with pytest.raises(InputError, match=rf"{TRAIN}\.tsv:2346: the sentence has no token"):
        tokenize_corpus(corpus, words, None, tmp_path / "tokens")


@pytest.mark.parametrize(
    ("data", "words_said"), [(b"", "is empty"), (b"s\t2\t\tx\n", ":1: the label is '2'"), (b"\xff", ":1: is not UTF-8")]
)
def test_damaged_corpus_is_one_sentence_and_nothing_is_left(tmp_path, corpus, words, data, words_said):
    (corpus / "out_of_domain_dev.tsv").write_bytes(data)
    with pytest.raises(InputError, match=rf"out_of_domain_dev\.tsv:? ?{words_said}"):
        tokenize_corpus(corpus, words, None, tmp_path / "tokens")
    assert list((tmp_path / "tokens").iterdir()) == []


def test_full_disk_is_one_sentence_and_leaves_what_was_there(tmp_path, corpus, words):
    tokenize_corpus(corpus, words, None, tmp_path / "tokens")
    before = {path.name: path.read_bytes() for path in (tmp_path / "tokens").iterdir()}
    (corpus / f"{TRAIN}.tsv").write_text("s\t1\t\tIt rains .\n" * 9000)
    code = (
        "import resource, sys; from pathlib import Path; from distilrnn import errors\n"
        "from distilrnn.pipeline import tokens as tokenizing\n"
        "import datasets.arrow_writer; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try: tokenizing.tokenize_corpus(*map(Path, sys.argv[1:3]), None, Path(sys.argv[3]))\n"
        "except errors.RunError as failure: print(failure)\n"
    )
    command = [sys.executable, "-c", code, corpus, words, tmp_path / "tokens"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"{TRAIN}.arrow: could not be written (the file is too big): make room" in told
    assert told.count("\n") == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "tokens").iterdir()} == before


def test_output_that_cannot_be_written(tmp_path, corpus, words):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="could not be written"):
        tokenize_corpus(corpus, words, None, tmp_path / "file")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff", b'{"model": {"type": "Nix"}}', b"[" * 10_000])
def test_file_that_is_no_tokenizer(tmp_path, data):
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(InputError, match=r"^\S+: not a readable tokenizer") as refused:
        load_tokenizer(tmp_path)
    assert "\n" not in str(refused.value)


def test_folder_without_a_tokenizer(tmp_path, corpus):
    for source in (tmp_path, tmp_path / "nix", tmp_path / "nix.json"):
        with pytest.raises(
            InputError, match=r"has no tokenizer\.json \(nor vocab\.json with merges\.txt\): name a folder"
        ):
            tokenize_corpus(corpus, source, None, tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()


@pytest.mark.parametrize(
    ("types", "settings", "pad_id"),
    [
        (["a", "<p>", "<e>"], {"pad_token": "<p>", "eos_token": "<e>"}, 1),
        (["a", "<p>", "<e>"], {"pad_token": {"content": "<p>", "special": True}}, 1),
        (["a", "<p>", "<e>"], {"pad_token": None, "eos_token": "<e>"}, 2),
        (["a", "<p>", "<e>"], {"pad_token": "<gone>", "eos_token": {"content": "<e>"}}, 2),
        (["a", "[PAD]", "</s>"], {"eos_token": "[PAD]"}, 1),
        (["a", "<pad>", "<|endoftext|>"], None, 2),
        (["a", "<pad>", "</s>"], {}, 2),
        (["a", "<pad>"], {"pad_token": 7}, 1),
    ],
)
def test_pad_id_is_the_one_that_the_settings_name(tmp_path, types, settings, pad_id):
    tokenizer = word_tokenizer(tmp_path / "words", types, settings)
    assert pad_id_of(tokenizer, tmp_path / "words") == pad_id
    assert pad_id_of(tokenizer, tmp_path / "words" / "tokenizer.json") == pad_id


def test_tokenizer_that_names_no_end(tmp_path, corpus):
    word_tokenizer(tmp_path / "words", ["It", "[UNK]"])
    with pytest.raises(
        InputError, match="names no padding or end-of-text token: set pad_token in its tokenizer_config"
    ):
        tokenize_corpus(corpus, tmp_path / "words", None, tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()
    word_tokenizer(tmp_path / "words", ["It", "[UNK]"], ["no settings"])
    with pytest.raises(InputError, match=r"tokenizer_config\.json: holds no settings"):
        tokenize_corpus(corpus, tmp_path / "words", None, tmp_path / "tokens")


DAMAGED = {
    "ids that are no lists": {"ids": [1, 2], "label": [0, 1]},
    "ids in words": {"ids": [["a"]], "label": [0]},
    "labels in words": {"ids": [[1]], "label": ["a"]},
    "broken ids": {"ids": [[1.5]], "label": [0]},
    "rows missing": {"ids": [[1], None], "label": [0, 1]},
    "labels missing": {"ids": [[1], [2]], "label": [0, None]},
    "no ids": {"label": [0]},
    "no rows": {"ids": pa.array([], pa.list_(pa.int32())), "label": pa.array([], pa.int64())},
}


def write_arrow(path, columns):
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("columns", DAMAGED.values(), ids=DAMAGED)
def test_files_that_hold_no_split_are_refused(tmp_path, columns):
    write_arrow(tmp_path / f"{TRAIN}.arrow", columns)
    with pytest.raises(
        InputError, match=rf"{TRAIN}\.arrow: not a tokenised split, or damaged: run the rule tokens again"
    ):
        read_encoded_split(tmp_path, TRAIN)


def test_truncated_anywhere_is_refused_or_whole(tmp_path):
    path = tmp_path / f"{TRAIN}.arrow"
    write_arrow(path, {"ids": [[1, 2], [3]], "label": [0, 1]})
    data = path.read_bytes()
    for length in range(len(data) - 8):  # the last eight bytes say that nothing follows
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match="damaged"):
            read_encoded_split(tmp_path, TRAIN)


@fuzz(200)
@given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda data: b"\xff\xff\xff\xff" + data))
def test_any_bytes_are_refused(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    (folder / "fuzz.arrow").write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read_encoded_split(folder, "fuzz")


def test_split_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"in_domain_dev\.arrow: no such file: run the rule tokens"):
        read_encoded_split(tmp_path, "in_domain_dev")
    (tmp_path / "tokens.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokens\.json: lacks corpus_hash"):
        read_summary(tmp_path)


@pytest.fixture(scope="module")
def gpt2():
    """transformers' own GPT-2 tokenizer."""
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers import GPT2TokenizerFast

    yield GPT2TokenizerFast.from_pretrained(GPT2)
    os.environ.pop("HF_HUB_OFFLINE") if before is None else os.environ.update(HF_HUB_OFFLINE=before)


@pytest.fixture(scope="module")
def ours():
    return load_tokenizer(GPT2)


@pytest.mark.slow
@needs_gpt2
@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60))
def test_ids_are_those_of_transformers(gpt2, ours, text):
    assert ours.encode(text).ids == gpt2(text)["input_ids"]


@needs_gpt2
def test_end_of_text_is_one_token(gpt2, ours):
    text = "It rains .<|endoftext|>  It\tpours"
    assert ours.encode(text).ids == gpt2(text)["input_ids"]
    assert ours.encode("<|endoftext|>").ids == [50256] == [pad_id_of(ours, GPT2)]
    assert ours.get_vocab_size() == 50257 == len(gpt2)


@needs_gpt2
@needs_cola
def test_cola_in_gpt2_tokens(tmp_path, gpt2):
    write_corpus(tmp_path / "corpus", read_folder(COLA, 2), [], CLASSES, "cola")
    summary = tokenize_corpus(tmp_path / "corpus", GPT2, 20, tmp_path / "tokens")
    tokenize_corpus(tmp_path / "corpus", GPT2, None, tmp_path / "whole")
    assert [summary.splits[split].sentences for split in SPLITS] == [8551, 527, 516]
    for split in SPLITS:
        sentences = [example.sentence for example in iterate_split(COLA / f"{split}.tsv")]
        expected = gpt2(sentences)["input_ids"]
        whole, cut = (read_encoded_split(tmp_path / name, split) for name in ("whole", "tokens"))
        assert whole.ids.tolist() == list(chain.from_iterable(expected))
        assert whole.lengths.tolist() == list(map(len, expected))
        assert cut.ids.tolist() == list(chain.from_iterable(ids[:20] for ids in expected))
        assert summary.splits[split].truncated == sum(len(ids) > 20 for ids in expected)
    assert summary.splits[TRAIN].truncated == 187
    assert summary.splits[TRAIN].mean == 9.37
    lengths = read_encoded_split(tmp_path / "whole", TRAIN).lengths
    assert (round(lengths.mean(), 1), np.percentile(lengths, 99), lengths.max()) == (9.4, 23, 45)
    assert len(used_token_ids(tmp_path / "whole", [TRAIN])) == 6412


@pytest.mark.slow
@needs_proc
def test_a_large_corpus_is_streamed(tmp_path, corpus, words):
    """The peak is a whole process's: the import of `datasets` alone takes some 250 MB of it."""
    line = "s\t1\t\t" + "It rains . " * 20 + "\n"
    with (corpus / f"{TRAIN}.tsv").open("w") as file:
        file.writelines(line for _ in range(200_000))
    code = (
        "import sys; from pathlib import Path; from distilrnn.pipeline.tokens import tokenize_corpus\n"
        "tokenize_corpus(*map(Path, sys.argv[1:3]), None, Path(sys.argv[3]))\n"
        f"print({PEAK})\n"
    )
    command = [sys.executable, "-c", code, corpus, words, tmp_path / "tokens"]
    kilobytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert read_summary(tmp_path / "tokens").splits[TRAIN].tokens == 12_000_000
    assert kilobytes < 600_000
