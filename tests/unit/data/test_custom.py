"""One's own tables: every format gives the same corpus, splits are drawn fairly, and bad tables are one sentence."""

import gzip
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distilrnn.cli.options import run
from distilrnn.data.corpus import Example, read_split, read_summary
from distilrnn.data.custom import LONGEST_TEXT, read_own_data, split_off
from distilrnn.data.sources import SOURCES
from distilrnn.errors import InputError
from distilrnn.orchestration import stages
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.splits import DEV, OUT_OF_DOMAIN, TEST, TRAIN
from own_data import ROWS, TOPICS, WRITERS, files, write_csv, write_jsonl, write_parquet
from paths import REPOSITORY

ROOT = REPOSITORY
SCRIPT = ROOT / "workflow" / "scripts" / "corpus.py"
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
PEAK = "int(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"


def sentences(examples):
    return [(example.sentence, example.label) for example in examples]


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_gives_the_same_corpus(tmp_path, suffix):
    WRITERS[suffix](tmp_path / f"data{suffix}")
    found = read_own_data(files(tmp_path / f"data{suffix}"))
    assert found.classes == list(TOPICS)
    assert found.notes == []
    assert sentences(found.splits[TRAIN]) == [(text.strip(), TOPICS.index(label)) for text, label in ROWS]
    assert list(found.splits) == [TRAIN, DEV]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A dataset of three splits, whose label column names its numbers in an order of its own."""
    import datasets

    names = list(reversed(TOPICS))
    made = datasets.Dataset.from_dict(
        {"text": [text for text, _ in ROWS], "label": [names.index(label) for _, label in ROWS]}
    ).cast_column("label", datasets.ClassLabel(names=names))
    folder = tmp_path_factory.mktemp("saved")
    datasets.DatasetDict({"train": made, "validation": made, "test": made.select([0, 1])}).save_to_disk(folder)
    return folder


def dataset(path, **more):
    return CorpusParams(source="dataset", path=str(path), **{"train": "train", "dev": "validation"} | more)


def test_a_saved_dataset_is_read_with_its_names(saved):
    found = read_own_data(dataset(saved, test="test"))
    assert found.classes == list(reversed(TOPICS))
    assert sentences(found.splits[TRAIN]) == [(text.strip(), 3 - TOPICS.index(label)) for text, label in ROWS]
    assert [len(found.splits[split]) for split in (TRAIN, DEV, TEST)] == [5, 5, 2]
    assert read_own_data(dataset(saved, classes=TOPICS)).splits[TRAIN][0].label == TOPICS.index("weather")


def test_the_hub_is_asked_for_the_commit_and_for_no_code(saved, monkeypatch):
    import datasets

    asked = []

    def load(*arguments, **options):
        asked.append((arguments, options))
        return datasets.load_from_disk(saved)

    monkeypatch.setattr(datasets, "load_dataset", load)
    params = dataset("owner/name", revision="a" * 40, subset="small")
    assert sentences(read_own_data(params).splits[TRAIN])[0][0] == "It rains ."
    assert asked == [(("owner/name", "small"), {"revision": "a" * 40})]
    assert params.origin == f"owner/name@{'a' * 40}"


def test_without_a_network_the_folder_to_set_is_named(monkeypatch):
    import datasets

    def fail(*_, **__):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    said = r"^owner/name: cannot be loaded at revision a+ \(ConnectionError: no route to host\): set subset, or"
    with pytest.raises(InputError, match=said):
        read_own_data(dataset("owner/name", revision="a" * 40))


LABELS = {
    "names, sorted": (["b", "a", "b"], (), ["a", "b"], [1, 0, 1]),
    "names in the order of the params": (["b", "a", "b"], ("b", "a"), ["b", "a"], [0, 1, 0]),
    "numbers by size, not by characters": (["10", "9", "-1"], (), ["-1", "9", "10"], [2, 1, 0]),
    "numbers of named classes": (["1", "0", "1"], ("no", "yes"), ["no", "yes"], [1, 0, 1]),
    "names and numbers of named classes": (["yes", "0", "1"], ("no", "yes"), ["no", "yes"], [1, 0, 1]),
    "numbers that are names": (["2", "1", "2"], ("2", "1"), ["2", "1"], [0, 1, 0]),
    "spaces around": ([" b", "a ", "b"], (), ["a", "b"], [1, 0, 1]),
    "capitals count": (["B", "b", "B"], (), ["B", "b"], [0, 1, 0]),
}


@pytest.mark.parametrize(("labels", "classes", "names", "numbers"), LABELS.values(), ids=LABELS)
def test_labels_are_names_or_numbers(tmp_path, labels, classes, names, numbers):
    write_csv(tmp_path / "x.csv", [(f"Text {row} .", label) for row, label in enumerate(labels)])
    found = read_own_data(files(tmp_path / "x.csv", classes=classes))
    assert found.classes == names
    assert [example.label for example in found.splits[TRAIN]] == numbers


@pytest.mark.parametrize(
    ("labels", "names"),
    [([1, 0, 1], ["0", "1"]), ([True, False, True], ["false", "true"]), ([2.0, 1.0, 2.0], ["1", "2"])],
)
@pytest.mark.parametrize("write", [write_jsonl, write_parquet])
def test_typed_labels(tmp_path, labels, names, write):
    path = tmp_path / ("x.jsonl" if write is write_jsonl else "x.parquet")
    write(path, [(f"Text {row} .", label) for row, label in enumerate(labels)])
    found = read_own_data(files(path))
    assert found.classes == names
    assert [example.label for example in found.splits[TRAIN]] == [1, 0, 1]


def test_named_columns_and_sources(tmp_path):
    rows = [("x", "a", "Press", "It rains ."), ("x", "b", " Web  forum ", "It pours ."), ("x", "b", "", "It hails .")]
    write_csv(tmp_path / "x.csv", rows, header=("text", "topic", "origin", "sentence"))
    params = files(tmp_path / "x.csv", text_column="sentence", label_column="topic", source_column="origin")
    assert read_own_data(params).splits[TRAIN] == [
        Example("Press", 0, "", "It rains ."),
        Example("Web forum", 1, "", "It pours ."),
        Example("", 1, "", "It hails ."),
    ]


def test_tabs_and_line_ends_become_spaces_and_are_counted(tmp_path):
    rows = [("One\ttab .", "a"), ("Two\r\n\r\n  lines\u2028here .", "b"), ("\nOuter ones alone .\n", "b")]
    write_csv(tmp_path / "x.csv", rows)
    found = read_own_data(files(tmp_path / "x.csv"))
    assert [e.sentence for e in found.splits[TRAIN]] == ["One tab .", "Two lines here .", "Outer ones alone ."]
    assert found.notes == [f"{tmp_path / 'x.csv'}: 2 texts held tabs or line ends, which are now spaces"] * 2


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=10, max_size=300),
    st.floats(0.05, 0.45),
    st.floats(0.05, 0.45),
    st.integers(0, 2**32 - 1),
)
def test_what_is_split_off_is_stratified_and_nothing_is_lost(labels, test, dev, seed):
    examples = [Example("", label, "", str(row)) for row, label in enumerate(labels)]
    try:
        parts = split_off(examples, {TEST: test, DEV: dev}, seed)
    except InputError as refused:
        assert "leaves in_domain_" in str(refused)
        return
    rows = {split: [int(example.sentence) for example in part] for split, part in parts.items()}
    assert sorted(row for part in rows.values() for row in part) == list(range(len(labels)))
    assert all(part == sorted(part) and part for part in rows.values())
    for label in set(labels):
        count = labels.count(label)
        drawn = {split: sum(example.label == label for example in part) for split, part in parts.items()}
        assert drawn[TRAIN] >= 1
        assert drawn[TEST] == min(round(count * test), count - 1)
        assert drawn[DEV] == min(round(count * dev), count - 1 - drawn[TEST])
    assert split_off(examples, {TEST: test, DEV: dev}, seed) == parts
    assert split_off(examples, {TEST: test}, seed)[TEST] == parts[TEST]


def test_the_seed_chooses_what_is_split_off(tmp_path):
    write_csv(tmp_path / "x.csv", [(f"Text {row} .", "ab"[row % 2]) for row in range(100)])
    first, again, other = (
        read_own_data(files(tmp_path / "x.csv", dev=None, dev_fraction=0.2, seed=seed)).splits for seed in (0, 0, 1)
    )
    assert first == again
    assert first[DEV] != other[DEV]
    assert [len(first[split]) for split in (TRAIN, DEV)] == [80, 20]


def test_unlabelled_sentences_are_those_of_train_alone(tmp_path):
    write_csv(tmp_path / "x.csv", [(f"Text {row} .", "ab"[row % 2]) for row in range(100)])
    found = SOURCES["files"](files(tmp_path / "x.csv", dev=None, dev_fraction=0.2))
    assert list(found.unlabelled) == [example.sentence for example in found.splits[TRAIN]]


def test_the_rule_depends_on_every_named_file(tmp_path, monkeypatch, saved):
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "b.jsonl"):
        Path(name).touch()
    params = CorpusParams(source="files", train="a.csv", dev="b.jsonl", test="a.csv", out_of_domain="not-there.csv")
    assert stages.corpus_sources(params) == ["a.csv", "b.jsonl"]
    of_dataset = stages.corpus_sources(dataset(saved))
    assert {str(saved / "train/state.json"), str(saved / "dataset_dict.json")} <= set(of_dataset)
    assert stages.corpus_sources(dataset("owner/name", revision="a" * 40)) == []


def text(content):
    return content if isinstance(content, bytes) else content.encode()


GOOD = "text,label\nIt rains .,a\nIt pours .,b\n"
REFUSED = {
    "empty file": ("x.csv", "", r"x\.csv: is empty: give it a header row"),
    "header alone": ("x.csv", "text,label\n", r"x\.csv: has no row: give it texts of two classes"),
    "byte-order mark alone": ("x.csv", b"\xef\xbb\xbf", r"x\.csv: is empty"),
    "missing column": ("x.csv", "phrase,label\na,b\n", r"x\.csv:1: has no column text, only phrase, label: set"),
    "two columns that could be it": ("x.csv", "Review,label,body\na,b,c\n", r"x\.csv:1: Review or body could be the"),
    "one column for both": ("x.csv", "class\na\n", r"x\.csv:1: has no column text"),
    "no header row": ("x.csv", "It rains .,a\nIt pours .,b\n", r"x\.csv:1: has no column text, only It rains \., a"),
    "semicolons and a missing column": ("x.csv", "text;mark\na;b\n", r"x\.csv:1: has no column label, only text, mark"),
    "two delimiters": ("x.csv", "text;label\ttext|label\na;b\n", r"x\.csv:1: has no column text, only 'text;label"),
    "column twice": ("x.csv", "text,label,text\na,b,c\n", r"x\.csv:1: has more than one column text"),
    "column that steers a terminal": ("x.csv", "\x1b[31m,label\na,b\n", r"only '\\x1b\[31m', label"),
    "a cell too many": ("x.csv", GOOD + "It rains, hard .,a\n", r"x\.csv:4: has 3 cells, the header row 2: put a text"),
    "a cell too few": ("x.csv", GOOD + "It rains .\n", r"x\.csv:4: has 1 cells, the header row 2"),
    "quote left open": ("x.csv", GOOD + '"It rains .,a\n' * 3, r"x\.csv:4: is not CSV \(.*\): put a text"),
    "quote left open to the end": ("x.csv", GOOD + '"It rains .,a\n', r"x\.csv:4: is not CSV \(unexpected end"),
    "quote within": ("x.tsv", 'text\tlabel\n"It" rains .\ta\n', r"x\.tsv:2: is not TSV \(.*expected after"),
    "huge cell": ("x.csv", GOOD + f"{'x' * 2_000_000},a\n", r"x\.csv:4: the text has more than 1048576 characters"),
    "cell of 10 MB": (
        "x.csv",
        GOOD + '"' + ("x" * 999 + "\n") * 10_000 + '",a\n',
        r"x\.csv:4: is not CSV \(field larger than",
    ),
    "line of 10 MB": ("x.csv", GOOD + "x" * 10_000_000, r"x\.csv:4: is longer than 8388608 characters"),
    "lone CR line ends": ("x.csv", GOOD.replace("\n", "\r"), r"x\.csv:1: is not CSV"),
    "UTF-8 and Latin-1": (
        "x.csv",
        f"{GOOD}Café .,a\n".encode() + "Café .,a\n".encode("latin-1"),
        r"x\.csv:5: is not UTF-8, but line 4 is: convert the file",
    ),
    "Cyrillic": (
        "x.csv",
        GOOD.encode() + "Всё хорошо на этой неделе .,a\n".encode("cp1251"),
        r"x\.csv:4: is not UTF-8, and hardly Western text",
    ),
    "no encoding": (
        "x.csv",
        GOOD.encode() + b"It \x81 rains .,a\n",
        r"x\.csv:4: is not UTF-8 \(byte 4\) and not Windows",
    ),
    "half a UTF-16 character": (
        "x.csv",
        GOOD.encode("utf-16") + b"x",
        r"x\.csv: begins as UTF-16 and goes on otherwise",
    ),
    "gzip that is none": ("x.csv.gz", GOOD, r"x\.csv\.gz: cannot be unpacked \("),
    "gzip cut off": ("x.csv.gz", gzip.compress(GOOD.encode())[:-12], r"x\.csv\.gz: cannot be unpacked \("),
    "zst that is none": ("x.csv.zst", GOOD, r"x\.csv\.zst: cannot be unpacked \("),
    "Parquet in gzip": ("x.parquet.gz", GOOD, r"x\.parquet\.gz: unsupported file type"),
    "a list of texts": ("x.txt", GOOD, r"x\.txt: a \.txt file has no labels"),
    "one number in two spellings": (
        "x.csv",
        "text,label\na,01\nb,1\nc,2\n",
        r"x\.csv: the labels 01 and 1 could be one",
    ),
    "a name with and without its zeros": (
        "dev.csv",
        "text,label\na,a\nb,b\nc,+0\n",
        r"dev\.csv:4: the label is '0', a number, which is not read as the index",
    ),
    "NUL": ("x.csv", GOOD + "It\0rains .,a\n", r"x\.csv:4: holds a NUL"),
    "no text": ("x.csv", GOOD + ",a\n", r"x\.csv:4: the text is empty or invisible: add it, or remove the row"),
    "text of spaces": ("x.csv", GOOD + "\u200b \u3000,a\n", r"x\.csv:4: the text is empty or invisible"),
    "no label": ("x.csv", GOOD + "It hails .,\n", r"x\.csv:4: has no label: add it, or remove the row"),
    "unknown label in dev": (
        "dev.csv",
        GOOD + "It hails .,c\n",
        r"dev\.csv:4: the label is 'c', which is not a class: choose one of a, b,",
    ),
    "one class": ("x.csv", "text,label\nIt rains .,a\n", r"x\.csv: has only the label 'a': give it texts of two"),
    "label column of texts": (
        "x.csv",
        "text,label\n" + "".join(f"t,{n}\n" for n in range(1001)),
        r"column label has more than 1000 different labels: set corpus\.label_column",
    ),
    "label that is no name": ("x.csv", GOOD + f"It hails .,{'x' * 65}\n", r"x\.csv: classes .*more than 64 characters"),
    "JSON list of texts": ("x.json", '["It rains ."]', r"x\.json: row 1: is not a JSON object: write an array of"),
    "JSON list that breaks off": ("x.json", '[{"text": "b", "label": "b"}', r"x\.json: row 1: is followed by ''"),
    "JSON list that goes on": ("x.json", '[{"text": "b", "label": "b"}] 1', r"x\.json: goes on after its array"),
    "JSON list with a comma too many": (
        "x.json",
        '[{"text": "b", "label": "b"}, {"text": "c", "label": "c"},]',
        r"x\.json: row 3: is not JSON \(Expecting value\)",
    ),
    "empty JSON list": ("x.json", "[ ]", r"x\.json: has no row"),
    "JSON over lines": (
        "x.json",
        '{\n"text": "It rains ."\n}',
        r"x\.json:1: is not JSON \(.*\): write one object per line",
    ),
    "no JSON": ("x.jsonl", "It rains .", r"x\.jsonl:1: is not JSON"),
    "deep JSON": ("x.jsonl", "[" * 100_000, r"x\.jsonl: row 1: is not JSON"),
    "empty JSON Lines": ("x.jsonl", "\n\n", r"x\.jsonl: has no row"),
    "null text": (
        "x.jsonl",
        '{"text": null, "label": "a"}\n{"text": "b", "label": "b"}',
        r"x\.jsonl:1: has no text \(null\)",
    ),
    "text a number": (
        "x.jsonl",
        '{"text": "b", "label": "b"}\n{"text": 3, "label": "a"}',
        r"x\.jsonl:2: the text is a number, not a string: quote it, or",
    ),
    "label a list": (
        "x.jsonl",
        '{"text": "b", "label": ["b"]}',
        r"x\.jsonl:1: the label is a list, neither a name nor",
    ),
    "label a fraction": ("x.jsonl", '{"text": "b", "label": 0.5}', r"x\.jsonl:1: the label is a fraction"),
    "label NaN": ("x.jsonl", '{"text": "b", "label": NaN}', r"x\.jsonl:1: has no label"),
    "labels of two kinds": (
        "x.jsonl",
        '{"text": "b", "label": 1}\n{"text": "c", "label": "a"}',
        r"x\.jsonl:2: the label is text, and others are not",
    ),
    "key missing in a row": (
        "x.jsonl",
        '{"text": "b", "label": "b"}\n{"text": "c"}',
        r"x\.jsonl:2: has no column label, only text",
    ),
    "key twice": (
        "x.jsonl",
        '{"text": "b", "text": "c", "label": "b"}',
        r"x\.jsonl:1: is not JSON \(a key stands twice",
    ),
    "half a surrogate pair": (
        "x.jsonl",
        '{"text": "b", "label": "b"}\n{"text": "\\ud83d", "label": "a"}',
        r"x\.jsonl:2: the text holds a NUL or half a surrogate",
    ),
    "text above the limit": (
        "x.jsonl",
        json.dumps({"text": "x" * (LONGEST_TEXT + 1), "label": "a"}) + '\n{"text": "b", "label": "b"}',
        r"x\.jsonl:1: the text has more than 1048576 characters",
    ),
    "Parquet that is none": ("x.parquet", GOOD, r"x\.parquet: cannot be read as Parquet \(.*\): write the file again"),
    "empty Parquet": ("x.parquet", b"", r"x\.parquet: cannot be read as Parquet"),
    "unknown kind": (
        "x.xlsx",
        b"PK",
        r"x\.xlsx: unsupported file type: save the sheet as CSV",
    ),
    "no suffix": ("data", GOOD, r"data: unsupported file type: use \.csv, \.tsv, "),
}


@pytest.fixture
def script(monkeypatch, capsys, tmp_path):
    """Runs the script with some options, and returns exit code, standard error and output folder."""
    specification = importlib.util.spec_from_file_location("corpus_script", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)

    def call(*options):
        output = tmp_path / "out"
        monkeypatch.setattr(sys, "argv", ["corpus.py", f"--output={output}", *options])
        with pytest.raises(SystemExit) as stopped:
            run(module.main)
        return stopped.value.code, capsys.readouterr(), output

    return call


@pytest.mark.parametrize(("name", "content", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_in_one_sentence(tmp_path, script, name, content, words):
    (tmp_path / "good.csv").write_text(GOOD, encoding="utf-8")
    (tmp_path / name).write_bytes(text(content))
    train, dev = ("good.csv", name) if name.startswith("dev") else (name, "good.csv")
    code, printed, output = script("--source=files", f"--train={tmp_path / train}", f"--dev={tmp_path / dev}")
    assert code == 2
    assert re.fullmatch(rf"error: .*{words}.*\n", printed.err), printed.err
    assert len(printed.err) < 1000
    assert not output.exists()


def test_places_that_are_not_there(tmp_path, script, saved):
    def said(*options):
        code, printed, output = script(*options)
        assert code == 2
        assert printed.err.count("\n") == 1
        assert not output.exists()
        return printed.err

    missing, folder = f"--train={tmp_path / 'nix.csv'}", tmp_path / "folder.csv"
    folder.mkdir()
    assert "nix.csv: no such file: check the path" in said("--source=files", missing, "--dev-fraction=0.1")
    assert "folder.csv: has no sub-folder with files" in said(
        "--source=files", f"--train={folder}", "--dev-fraction=0.1"
    )
    own = ("--source=dataset", "--train=train")
    assert "has no split dev, only train, validation, test" in said(*own, f"--path={saved}", "--dev=dev")
    assert "is not a folder of save_to_disk" in said(*own, f"--path={tmp_path}", "--dev=dev")
    assert "a hub id needs a revision: set revision" in said(*own, "--path=owner/name", "--dev=dev")
    assert "no such folder" in said(*own, f"--path={'x' * 5000}", "--dev=dev")
    assert "has no column words, only text, label" in said(
        *own, f"--path={saved}", "--dev=validation", "--text-column=words"
    )


@settings(deadline=None, max_examples=300)
@given(
    st.binary(max_size=100)
    | st.lists(st.sampled_from([b"text,label\n", b"a", b",", b'"', b"\n", b"\r", b"\0", b"\xff", b" "])).map(b"".join),
    st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"]),
)
def test_any_bytes_are_a_corpus_or_bad_input(tmp_path_factory, data, suffix):
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_bytes(data)
    try:
        assert len(read_own_data(files(path)).classes) >= 2
    except InputError as refused:
        assert str(refused).startswith(str(path))
        assert "\n" not in str(refused)


def test_the_script_tells_what_it_found(tmp_path, script):
    write_csv(tmp_path / "x.csv", [(f"Text\t{row} .", "ab"[row % 2]) for row in range(40)])
    options = ("--dev-fraction=0.25", "--test-fraction=0.25", f"--out-of-domain={tmp_path / 'x.csv'}")
    code, printed, output = script("--source=files", f"--train={tmp_path / 'x.csv'}", *options)
    assert (code, printed.err) == (0, "")
    assert "in_domain_test: 10 sentences (5 a, 5 b)" in printed.out
    assert "40 texts held tabs or line ends, which are now spaces" in printed.out
    summary = read_summary(output)
    assert list(summary.splits) == [TRAIN, DEV, TEST, OUT_OF_DOMAIN]
    assert "out_of_domain_dev: 20 sentences also stand in in_domain_train, 0 with another label" in summary.warnings
    assert len(read_split(output / "in_domain_train.tsv", 2)) == 20


@pytest.mark.parametrize("splits", [{}, {TRAIN: 1}, {DEV: 1, TRAIN: 1}, {TRAIN: 1, "../../x": 1}, [TRAIN, DEV], None])
def test_splits_of_other_names_are_refused(tmp_path, splits):
    (tmp_path / "corpus.json").write_text(json.dumps({"hash": "", "classes": [], "splits": splits}))
    with pytest.raises(InputError, match=r"corpus\.json: its splits are not those of a corpus: make it again"):
        read_summary(tmp_path)


def test_the_topics_are_those_that_their_script_makes():
    made = subprocess.run(
        [sys.executable, ROOT / "experiments/topics/make_topics.py"], capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "experiments/topics/topics.csv").read_text(encoding="utf-8") == made


@pytest.mark.slow
@needs_proc
def test_a_million_rows_take_less_than_a_gigabyte(tmp_path):
    with (tmp_path / "big.csv").open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        file.writelines(
            f'"This is the sentence of the number {row}, and a rather long one .",{"abcd"[row % 4]}\n'
            for row in range(1_000_000)
        )
    code = (
        "import sys; from pathlib import Path; from distilrnn.data.corpus import write_corpus\n"
        "from distilrnn.params.corpus import CorpusParams; from distilrnn.data.sources import SOURCES\n"
        "params = CorpusParams(source='files', train='big.csv', dev_fraction=0.1, test_fraction=0.1)\n"
        "found = SOURCES['files'](params)\n"
        "write_corpus(Path('out'), found.splits, found.unlabelled, found.classes, params.origin)\n"
        f"print({PEAK})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert int(done.stdout) < 1_000_000
    counts = [counts.sentences for counts in read_summary(tmp_path / "out").splits.values()]
    assert counts == [800_000, 100_000, 100_000]


@pytest.fixture
def folders(tmp_path):
    """Reviews as they are often published: a sub-folder per class, one text per file, and a README beside them."""
    for label, texts in {"pos": ["So good .\nReally .\n", "Fine ."], "neg": ["Über-bad .", "Dull ."]}.items():
        (tmp_path / "reviews" / label).mkdir(parents=True)
        for number, text in enumerate(texts):
            (tmp_path / "reviews" / label / f"cv{number}.txt").write_text(text, encoding="utf-8")
        (tmp_path / "reviews" / label / ".DS_Store").write_bytes(b"\xff")
    (tmp_path / "reviews" / "README.txt").write_text("Read me .")
    return tmp_path / "reviews"


def test_a_folder_per_class_is_a_table(folders):
    found = read_own_data(files(folders))
    assert found.classes == ["neg", "pos"]
    assert sentences(found.splits[TRAIN]) == [
        ("Über-bad .", 0),
        ("Dull .", 0),
        ("So good . Really .", 1),
        ("Fine .", 1),
    ]
    assert stages.corpus_sources(files(folders)) == sorted(
        str(folders / label / f"cv{number}.txt") for label in ("neg", "pos") for number in (0, 1)
    )


def test_a_text_of_a_folder_is_refused_by_its_file(folders):
    (folders / "pos" / "cv1.txt").write_text(" ")
    with pytest.raises(InputError, match=r"reviews/pos/cv1\.txt: the text is empty"):
        read_own_data(files(folders))


def test_a_brace_in_a_name_is_refused_before_snakemake_trips_over_it():
    with pytest.raises(ValueError, match=r"'a \{b\}\.csv' has a brace, which Snakemake takes for a wildcard: rename"):
        files("a {b}.csv")
