"""Files as people have them are read as they were meant, and say what was found; lists and folders of texts too."""

import csv
import gzip
import json

import pyarrow as pa
import pyarrow.feather
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distilrnn.artifacts.files import matching_files
from distilrnn.data.corpus import SkippedRows, read_split, write_corpus
from distilrnn.data.custom import Skipped, read_own_data
from distilrnn.data.sources import SOURCES
from distilrnn.data.tables import iterate_texts, open_file
from distilrnn.data.transfer.text import read_text
from distilrnn.errors import InputError
from distilrnn.params.splits import TRAIN
from distilrnn.params.transfer import TextSource
from own_data import ROWS, TOPICS, files, write_csv, write_jsonl, write_parquet

WANTED = [(text.strip(), TOPICS.index(label)) for text, label in ROWS]
LATIN = [("Café « chaud » — 5 € .", "cooking"), ("It rains .", "weather"), ("Naïve .", "sport"), ("Away .", "travel")]


def written_csv(path, **options):
    write_csv(path, **options)
    return path


def packed(path, data):
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(data))
    else:
        with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as file:
            file.write(data)
    return path


def as_bytes(folder, write):
    path = folder / "plain"
    write(path)
    return path.read_bytes()


def array(path, **options):
    rows = [{"label": label, "more": None, "text": text} for text, label in ROWS]
    path.write_text(json.dumps(rows, **options), encoding="utf-8")
    return path


def arrow(path, stream):
    texts, labels = zip(*ROWS, strict=True)
    table = pa.table({"more": [None] * len(ROWS), "label": pa.array(labels).dictionary_encode(), "text": texts})
    opened = pa.ipc.new_stream(path, table.schema) if stream else pa.ipc.new_file(path, table.schema)
    with opened as writer:
        writer.write_table(table, max_chunksize=2)
    return path


def excel(folder):
    (folder / "x.csv").write_bytes(b"sep=|\r\n" + as_bytes(folder, lambda path: write_csv(path, delimiter="|")))
    return folder / "x.csv"


FORMATS = {
    "semicolons": (lambda f: written_csv(f / "x.csv", delimiter=";"), "its cells are separated by semicolon"),
    "tabs in .csv": (lambda f: written_csv(f / "x.csv", delimiter="\t"), "its cells are separated by tab"),
    "bars": (lambda f: written_csv(f / "x.csv", delimiter="|"), "its cells are separated by bar"),
    "commas in .tsv": (lambda f: written_csv(f / "x.tsv"), "its cells are separated by comma"),
    "Excel's first line": (excel, "its cells are separated by bar"),
    "UTF-16": (lambda f: written_csv(f / "x.csv", encoding="utf-16"), "is UTF-16, by its byte-order mark"),
    "UTF-16, big end first": (
        lambda f: packed(f / "x.csv.gz", "\ufeff".encode("utf-16-be") + as_bytes(
            f, lambda path: write_csv(path, encoding="utf-16-be"))),
        "is UTF-16, by its byte-order mark",
    ),
    "UTF-8 with a mark": (lambda f: written_csv(f / "x.csv", encoding="utf-8-sig"), None),
    "other case": (lambda f: written_csv(f / "x.csv", header=("TEXT", "label")), "column TEXT is taken for text"),
    "sentence": (lambda f: written_csv(f / "x.csv", header=("Sentence", "label")), "Sentence is taken for text"),
    "category": (lambda f: written_csv(f / "x.csv", header=("text", "category")), "category is taken for label"),
    "gzip": (lambda f: packed(f / "x.csv.gz", as_bytes(f, write_csv)), None),
    "zst": (lambda f: packed(f / "x.CSV.zst", as_bytes(f, write_csv)), None),
    "packed JSON Lines": (lambda f: packed(f / "x.jsonl.gz", as_bytes(f, write_jsonl)), None),
    "JSON array": (lambda f: array(f / "x.json"), None),
    "JSON array over lines": (lambda f: array(f / "x.json", indent=2, ensure_ascii=False), None),
    "packed JSON array": (lambda f: packed(f / "x.json.zst", array(f / "x.json").read_bytes()), None),
    "JSON array in .jsonl": (lambda f: array(f / "x.jsonl"), None),
    "Arrow stream": (lambda f: arrow(f / "x.arrow", stream=True), None),
    "Arrow file": (lambda f: arrow(f / "x.arrow", stream=False), None),
    "Feather": (lambda f: arrow(f / "x.feather", stream=False), None),
}  # fmt: skip


@pytest.mark.parametrize(("write", "note"), FORMATS.values(), ids=FORMATS)
def test_what_is_unambiguous_is_read_and_said(tmp_path, write, note):
    path = write(tmp_path)
    found = read_own_data(files(path))
    assert [(e.sentence, e.label) for e in found.splits[TRAIN]] == WANTED
    assert len(found.notes) == (note is not None)
    assert all(line.startswith(str(path)) and note in line for line in found.notes)


@pytest.mark.parametrize("delimiter", ",;\t|")
def test_a_promised_delimiter_is_kept_though_another_would_part_more(tmp_path, delimiter):
    other = ";" if delimiter == "," else ","
    write_csv(tmp_path / "x.csv", header=("text", f"label{other}a{other}b"), delimiter=delimiter)
    found = read_own_data(files(tmp_path / "x.csv", label_column=f"label{other}a{other}b"))
    assert [(e.sentence, e.label) for e in found.splits[TRAIN]] == WANTED


def test_windows_1252_is_named_with_the_first_line_concerned(tmp_path):
    write_csv(tmp_path / "x.csv", [("It rains .", "weather"), *LATIN], encoding="cp1252")
    found = read_own_data(files(tmp_path / "x.csv"))
    assert [e.sentence for e in found.splits[TRAIN]][1:4:2] == ["Café « chaud » — 5 € .", "Naïve ."]
    assert found.notes == [f"{tmp_path / 'x.csv'}: is read as Windows-1252, since line 3 is not UTF-8"]


def test_a_text_longer_than_the_csv_modules_limit_is_read_whole(tmp_path):
    """131,072 characters is what Python's csv module takes by default."""
    longest = "wört " * 200_000
    write_csv(tmp_path / "x.csv", [(longest, "a"), ("b", "b")])
    found = SOURCES["files"](files(tmp_path / "x.csv"))
    write_corpus(tmp_path / "out", found.splits, [], found.classes, "here")
    assert read_split(tmp_path / "out" / f"{TRAIN}.tsv", 2)[0].sentence == longest.strip()


def test_bad_rows_are_skipped_counted_and_listed_where_that_is_asked_for(tmp_path):
    good = [(f"Text {row} .", "ab"[row % 2]) for row in range(100)]
    write_csv(tmp_path / "x.csv", [("", "a"), *good, ("No label .", " "), ("A cell too few .",), ("nul\u200b", "a")])
    params = files(tmp_path / "x.csv", dev=None, dev_fraction=0.1, on_bad_row="skip")
    found = SOURCES["files"](params)
    assert sum(map(len, found.splits.values())) == 101
    where = str(tmp_path / "x.csv")
    reasons = [
        f"{where}:2: the text is empty or invisible",
        f"{where}:103: has no label",
        f"{where}:104: has 1 cells, the header row 2",
    ]
    assert found.skipped == {where: SkippedRows(rows=3, reasons=reasons)}
    assert f"{where}: 3 bad rows were skipped, the first: {reasons[0]}" in found.notes
    summary = write_corpus(tmp_path / "out", found.splits, [], found.classes, "here", found.notes, found.skipped)
    assert summary.skipped[where].rows == 3
    assert any("3 bad rows" in line for line in summary.warnings)
    with pytest.raises(InputError, match=r"x\.csv:103: has no label"):
        read_own_data(files(tmp_path / "x.csv"))


def test_a_label_that_is_no_class_is_never_skipped(tmp_path):
    write_csv(tmp_path / "x.csv")
    write_csv(tmp_path / "dev.csv", [("a", "wether")])
    with pytest.raises(InputError, match="'wether', which is not a class"):
        read_own_data(files(tmp_path / "x.csv", dev=str(tmp_path / "dev.csv"), on_bad_row="skip"))


@pytest.mark.parametrize("line", ["no JSON", '{"text": "no label"}', "[1]", '{"text": null, "label": "a"}'])
def test_bad_lines_of_json_are_skipped(tmp_path, line):
    good = '{"text": "one", "label": "a"}\n{"text": "two", "label": "b"}\n'
    (tmp_path / "x.jsonl").write_text(f"{line}\n{good}" if line[0] != "[" else f"{good}{line}\n")
    found = read_own_data(files(tmp_path / "x.jsonl", on_bad_row="skip"))
    assert len(found.splits[TRAIN]) == 2
    assert found.skipped[str(tmp_path / "x.jsonl")].rows == 1


def test_what_skipping_lists_is_bounded():
    skipped = Skipped()
    for number in range(3000):
        skipped.add(InputError(f"x:{number}: has no label: add it"))
    assert skipped.rows == 3000
    assert len(skipped.reasons) == 1000
    assert skipped.reasons[1] == "x:1: has no label"


def test_texts_without_labels_come_from_any_of_the_formats(tmp_path):
    texts = [text for text, _ in ROWS]
    (tmp_path / "x.txt").write_text("\n".join(texts) + "\n\n  \n", encoding="utf-16")
    packed(tmp_path / "y.txt.gz", "\r\n".join(texts).encode())
    write_parquet(tmp_path / "x.parquet")
    array(tmp_path / "x.json")
    write_csv(tmp_path / "x.csv", [(text,) for text in texts], header=("text",))
    (tmp_path / "folder").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "folder" / f"{number}.txt").write_text(text, encoding="utf-8")
    for place in tmp_path.iterdir():
        assert [text.strip() for text in iterate_texts(place)] == [text.strip() for text in texts], place


def test_a_folder_with_classes_gives_its_texts_too_and_those_of_no_class(tmp_path):
    for folder in ("neg", "pos", "unsup"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.txt").write_text(f"In {folder} .")
    assert list(iterate_texts(tmp_path)) == ["In neg .", "In pos .", "In unsup ."]
    found = read_own_data(files(tmp_path))
    assert found.classes == ["neg", "pos"]
    assert len(found.splits[TRAIN]) == 2


def test_a_folder_is_a_source_of_a_transfer_set(tmp_path):
    """Each file is one text, however many lines it has; Snakemake is told of every file."""
    for name in ("a/1.txt", "b [old]/2.txt", "b [old]/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"In {name}\nare two lines .")
    assert [text.split()[1] for text in read_text(TextSource(kind="text", files=str(tmp_path)))] == ["a/1.txt", "b"]
    assert matching_files(str(tmp_path)) == [tmp_path / "a" / "1.txt", tmp_path / "b [old]" / "2.txt"]


def test_folders_of_numbered_classes_are_in_the_order_of_their_numbers(tmp_path):
    for folder in ("1", "2", "10"):
        (tmp_path / "a" / folder).mkdir(parents=True)
        (tmp_path / "a" / folder / "1.txt").write_text(f"In {folder} .")
    assert read_own_data(files(tmp_path / "a")).classes == ["1", "2", "10"]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Z"]), min_size=1, max_size=20),
            st.sampled_from("ab"),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_what_a_spreadsheet_writes_is_read_back(tmp_path_factory, rows, delimiter, encoding, quoting):
    rows = [*rows, ("x", "a"), ("y", "b")]
    path = tmp_path_factory.getbasetemp() / "sheet.csv"
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter, quoting=quoting).writerows([("text", "label"), *rows])
    assert [(cells[0], cells[1]) for _, cells in open_file(path, ["text", "label"]).rows()] == rows


@settings(deadline=None, max_examples=60)
@given(st.lists(st.dictionaries(st.sampled_from(["text", "a", "b"]), st.text(max_size=30))), st.sampled_from([None, 1]))
def test_an_array_is_read_a_piece_at_a_time(tmp_path_factory, rows, indent):
    import distilrnn.data.textfiles as textfiles

    rows = [{"text": "first"}, *({"text": ""} | row for row in rows)]
    path = tmp_path_factory.getbasetemp() / "array.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8", errors="surrogatepass")
    whole = textfiles.TextFile.chunks
    textfiles.TextFile.chunks = lambda self: whole(self, 7)
    try:
        assert [cells[0] for _, cells in open_file(path, ["text"]).rows()] == [row["text"] for row in rows]
    finally:
        textfiles.TextFile.chunks = whole
