"""What a first look at somebody's data finds: columns, classes, lengths, bad rows, texts without labels."""

import json

import pytest

from distilrnn.data.inspect import columns_of, label_choice, look_at, look_at_unlabelled, text_choice
from distilrnn.errors import InputError
from distilrnn.params.corpus import CorpusParams
from own_data import write_csv

TEXTS = [f"This is the review number {row} , and it is a long one ." for row in range(60)]


def table(path, **columns):
    write_csv(path, list(zip(*columns.values(), strict=True)), header=tuple(columns))
    return path


def chosen(path):
    columns = columns_of(path)
    text = text_choice(columns)
    return text, label_choice(columns, text.columns[0])


COLUMNS = {
    "usual names": ({"Review": TEXTS, "Stars": list("12345") * 12}, ("Review",), ("Stars",), True),
    "by what they hold": (
        {"id": [str(row * 7919) for row in range(60)], "what": TEXTS, "tone": ["good", "bad"] * 30},
        ("what",),
        ("tone",),
        True,
    ),
    "the usual name wins": (
        {"text": TEXTS, "label": ["x", "y"] * 30, "shop": ["here", "there"] * 30, "note": TEXTS[::-1]},
        ("text",),
        ("label",),
        True,
    ),
    "two that could be the label": (
        {"words": TEXTS, "shop": ["a", "b", "c"] * 20, "tone": ["x", "y"] * 30},
        ("words",),
        ("tone", "shop"),
        False,
    ),
    "fractions and dates are no labels": (
        {"words": TEXTS, "price": ["1.5", "2.5"] * 30, "tone": ["x", "y"] * 30, "day": [f"d{r}" for r in range(60)]},
        ("words",),
        ("price", "tone"),
        False,
    ),
}


@pytest.mark.parametrize(("columns", "texts", "labels", "certain"), COLUMNS.values(), ids=COLUMNS)
def test_columns_are_found_by_name_or_by_what_they_hold(tmp_path, columns, texts, labels, certain):
    text, label = chosen(table(tmp_path / "x.csv", **columns))
    assert text.columns == texts
    assert text.certain
    assert label.certain == certain
    assert set(label.columns) == set(labels)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet", ".arrow"])
def test_all_columns_of_every_format_are_looked_at(tmp_path, suffix):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, columns = tmp_path / f"x{suffix}", {"a": TEXTS, "b": ["x", "y"] * 30, "c": [1, 2] * 30}
    if suffix == ".csv":
        write_csv(path, list(zip(*columns.values(), strict=True)), header=tuple(columns), delimiter=";")
    elif suffix == ".json":
        path.write_text(
            json.dumps([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
        )
    elif suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        made = pa.table(columns)
        with pa.ipc.new_stream(path, made.schema) as writer:
            writer.write_table(made)
    text, label = chosen(path)
    assert text.columns == ("a",)
    assert label.columns == ("b", "c")


def test_classes_lengths_and_doubts_are_counted(tmp_path):
    rows = [*((text, "good") for text in TEXTS), ("One .", "bad"), ("One .", "good"), ("Two words", "bad")]
    write_csv(tmp_path / "x.csv", rows)
    facts, params = look_at(CorpusParams(source="files", train=str(tmp_path / "x.csv"), dev_fraction=0.2))
    assert facts.classes == ["bad", "good"]
    assert facts.counts == [2, 61]
    assert facts.rows == 63
    assert facts.words == {"median": 14, "p99": 14, "longest": 14}
    assert facts.imbalance == 30.5
    assert any("1 texts have more than one label" in warning for warning in facts.warnings)
    assert params.on_bad_row == "error"


def test_bad_rows_make_an_experiment_that_skips_them(tmp_path):
    write_csv(tmp_path / "x.csv", [*((text, "ab"[row % 2]) for row, text in enumerate(TEXTS)), ("", "a")])
    facts, params = look_at(CorpusParams(source="files", train=str(tmp_path / "x.csv"), dev_fraction=0.2))
    assert params.on_bad_row == "skip"
    assert facts.rows == 60
    assert any("1 bad rows were skipped" in warning for warning in facts.warnings)


def test_texts_without_labels_are_counted_and_their_column_found(tmp_path):
    (tmp_path / "x.txt").write_text("One text .\n\nTwo texts there .\n")
    found = look_at_unlabelled(tmp_path / "x.txt")
    assert (found.texts, found.words, found.column) == (2, 3.5, "text")
    write_csv(tmp_path / "x.csv", [(str(row), text) for row, text in enumerate(TEXTS)], header=("id", "what"))
    assert look_at_unlabelled(tmp_path / "x.csv").column == "what"
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(InputError, match=r"empty\.txt: holds no text"):
        look_at_unlabelled(tmp_path / "empty.txt")
