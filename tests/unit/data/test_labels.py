"""A label means one class, however a file spells it: never another, at worst a refusal."""

import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distilrnn.data.custom import read_own_data
from distilrnn.data.labels import ClassIndex, NoLabelError, canonical, sort_labels
from distilrnn.errors import InputError
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.splits import DEV, TRAIN
from own_data import files, write_csv


def labels_of(folder, train, dev, **params):
    """The classes, and the labels of train and dev, of two CSV files."""
    for name, labels in (("train", train), ("dev", dev)):
        write_csv(folder / f"{name}.csv", [(f"{name} {row} .", label) for row, label in enumerate(labels)])
    found = read_own_data(files(folder / "train.csv", dev=str(folder / "dev.csv"), **params))
    return found.classes, *([e.label for e in found.splits[split]] for split in (TRAIN, DEV))


FIVE = ["1", "2", "3", "4", "5"]
ONE_MEANING = {
    "saved by pandas with a gap": ([f"{n}.0" for n in FIVE], FIVE[:4], FIVE),
    "the other way round": (FIVE, ["1.0", "2.00", "3.", "4.0"], FIVE),
    "plus signs": ([f"+{n}" for n in FIVE], FIVE[:4], FIVE),
    "sorted as numbers": (["10.0", "2.0", "1.0", "-3"], ["1", "2", "10", "-3.0"], ["-3", "1", "2", "10"]),
    "booleans": (["True", "False"], ["true", "FALSE"], ["false", "true"]),
    "booleans and their numbers": (["True", "False"], ["1", "0.0"], ["false", "true"]),
    "fractions are names": (["0.5", "10.5", "2.0"], ["2", "0.5"], ["0.5", "2", "10.5"]),
    "leading zeros are names": (["01", "02", "10"], ["02", "01"], ["01", "02", "10"]),
    "composed and decomposed": (["caf\u00e9", "bar"], ["cafe\u0301"], ["bar", "caf\u00e9"]),
    "spaces": (["New  York", "Rome"], [" New\u00a0York "], ["New York", "Rome"]),
}


@pytest.mark.parametrize(("train", "dev", "classes"), ONE_MEANING.values(), ids=ONE_MEANING)
def test_spellings_of_one_label_are_one_class(tmp_path, train, dev, classes):
    found, in_train, in_dev = labels_of(tmp_path, train, dev)
    assert found == classes
    assert {found[label] for label in in_train} == set(classes)
    meant = [canonical(label) for label in dev]
    if classes == ["false", "true"]:
        meant = [{"1": "true", "0": "false"}.get(label, label) for label in meant]
    assert [found[label] for label in in_dev] == meant


AMBIGUOUS = {
    "zeros lost in one file": (["01", "02", "03"], ["1", "2"], (), "which is not the class 01 to the letter"),
    "zeros added in one file": (["1", "2", "3"], ["01"], (), "which is not the class 1 to the letter"),
    "zeros within one file": (["1", "01", "2"], ["1"], (), "labels 01 and 1 could be one class or two"),
    "decimal commas": (["1,0", "2,0", "3,0"], ["1", "2"], (), "which is not the class 1,0 to the letter"),
    "other digits": (["\u0661", "\u0662", "\u0663"], ["1", "2"], (), "which is not the class \u0661 to the letter"),
    "exponents": (["1e0", "2e0", "3e0"], ["1", "2"], (), "which is not the class 1e0 to the letter"),
    "names of train in nobody's order": (["neg", "pos"], ["0", "1"], (), "a number, which is not read as the index"),
    "stars counted from 1": (["1 star", "2 stars"], ["1"], ("1 star", "2 stars"), "not read as the index"),
    "names that are other numbers": (["01", "02", "03"], ["1"], ("01", "02", "03"), "not the class 01 to the letter"),
    "booleans in another order": (["True", "False"], ["1"], ("true", "false"), "not read as the index"),
    "one class given twice": (["True", "False"], ["1"], ("True", "true"), "hold one class in two spellings"),
    "one number given twice": (["1", "2"], ["1"], ("1", "01"), "could be one class or two"),
}


@pytest.mark.parametrize(("train", "dev", "classes", "words"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_could_be_another_class_is_refused(tmp_path, train, dev, classes, words):
    with pytest.raises(InputError, match=words):
        labels_of(tmp_path, train, dev, classes=classes)


def test_numbers_in_names_that_cannot_be_mistaken_are_no_hindrance(tmp_path):
    assert labels_of(tmp_path, ["0", "1"], ["1"], classes=("LABEL_0", "LABEL_1"))[2] == [1]
    assert labels_of(tmp_path, ["0", "1"], ["1"], classes=("flu", "COVID-19"))[2] == [1]


SPELLINGS = (str, "{}.0".format, "{}.00".format, "+{}".format, " {} ".format, "{}.".format)
TYPES = (int, float, str, "{}.0".format, Decimal)
names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)


@settings(deadline=None)
@given(st.sets(st.integers(0, 200), min_size=2, max_size=12), st.data())
def test_whole_numbers_mean_the_same_in_any_spelling(numbers, data):
    classes = sort_labels({canonical(data.draw(st.sampled_from(SPELLINGS))(number)) for number in numbers}, "train")
    index = ClassIndex(classes, "train", named=data.draw(st.booleans()))
    for number in numbers:
        for spell in (*SPELLINGS, *TYPES):
            assert classes[index[canonical(spell(number))]] == str(number)


@settings(deadline=None)
@given(st.sets(st.integers(0, 30), min_size=2, max_size=12), st.data())
def test_no_spelling_of_a_number_is_ever_another_class(numbers, data):
    """Leading zeros, exponents, commas and other scripts' digits: the class of that number, or a refusal."""
    odd = ("{:02d}".format, "{}e0".format, "{},0".format, "{:03d}.0".format, lambda n: chr(0x661 - 1 + n % 10))
    spell = data.draw(st.sampled_from((*SPELLINGS, *odd[:4])))
    by_name = {canonical(spell(number)): number for number in numbers}
    index = ClassIndex(sort_labels(by_name, "train"), "train", named=data.draw(st.booleans()))
    for number in range(31):
        for other in (*SPELLINGS, *odd[:4]):
            try:
                found = index[canonical(other(number))]
            except KeyError:
                continue
            assert by_name[index.classes[found]] == number


@settings(deadline=None)
@given(st.lists(names, min_size=2, max_size=8, unique=True), st.randoms(use_true_random=False))
def test_a_name_keeps_its_meaning_in_any_order_of_the_classes(found, random):
    orders = [found, sorted(found), random.sample(found, len(found))]
    try:
        indices = [ClassIndex(order, "here", named=True) for order in orders]
    except InputError:
        return
    for name in found:
        for order, index in zip(orders, indices, strict=True):
            assert order[index[canonical(name)]] == name


@pytest.mark.parametrize("empty", [None, "", "  ", "\u00a0", float("nan")])
def test_no_label(empty):
    with pytest.raises(NoLabelError):
        canonical(empty)


def test_typed_columns_mean_what_their_text_means(tmp_path):
    """A column of integers, one of floats since it has a gap, decimals, categories: as four tools write them."""
    columns = {
        "int": pa.array([1, 2, 10]),
        "float": pa.array([1.0, 2.0, 10.0]),
        "decimal": pa.array([Decimal("1.00"), Decimal("2.00"), Decimal("10.00")]),
        "category": pa.array(["1", "2", "10"]).dictionary_encode(),
    }
    for name, column in columns.items():
        pq.write_table(pa.table({"text": ["a", "b", "c"], "label": column}), tmp_path / f"{name}.parquet")
    (tmp_path / "text.jsonl").write_text(
        "".join(json.dumps({"text": t, "label": n}) + "\n" for t, n in zip("abc", ["1", "2", "10"], strict=True))
    )
    places = sorted(tmp_path.iterdir())
    for train in places:
        for dev in places:
            found = read_own_data(files(train, dev=str(dev)))
            assert found.classes == ["1", "2", "10"]
            assert [example.label for example in found.splits[DEV]] == [0, 1, 2]


def dataset_of(folder, **splits):
    """A dataset whose splits have label columns of different types, as `load_from_disk` reads it."""
    import datasets

    for split, (values, feature) in splits.items():
        made = datasets.Dataset.from_dict({"text": [f"{split} {row} ." for row in range(len(values))], "label": values})
        made.cast_column("label", feature).save_to_disk(folder / split)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return CorpusParams(source="dataset", path=str(folder), train="train", dev="dev")


def test_label_columns_with_names_in_another_order_go_by_name(tmp_path):
    import datasets

    one, other = datasets.ClassLabel(names=["neg", "pos"]), datasets.ClassLabel(names=["pos", "neg"])
    found = read_own_data(dataset_of(tmp_path, train=([0, 1], one), dev=([0, 0, 1], other)))
    assert [found.classes[example.label] for example in found.splits[DEV]] == ["pos", "pos", "neg"]


@pytest.mark.parametrize("names", [["neg", "pos"], ["1", "2", "3"]])
@pytest.mark.parametrize("swapped", [False, True])
def test_plain_numbers_beside_a_column_that_names_its_numbers_are_refused(tmp_path, names, swapped):
    import datasets

    named, plain = ([0, 1], datasets.ClassLabel(names=names)), ([1, 0], datasets.Value("int64"))
    train, dev = (plain, named) if swapped else (named, plain)
    with pytest.raises(
        InputError, match=r"\]: row 1: the label is the number 1, where other splits name their numbers"
    ):
        read_own_data(dataset_of(tmp_path, train=train, dev=dev))


def test_label_columns_of_two_names_are_refused(tmp_path):
    write_csv(tmp_path / "train.csv", [("a", "x"), ("b", "y")])
    write_csv(tmp_path / "dev.csv", [("a", "x"), ("b", "y")], header=("text", "target"))
    with pytest.raises(
        InputError, match=r"dev\.csv: its labels are in the column target, those of .*train\.csv in label"
    ):
        read_own_data(files(tmp_path / "train.csv", dev=str(tmp_path / "dev.csv")))
