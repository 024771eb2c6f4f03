"""The part of train that is held out, and the part that fewer labels leave."""

import numpy as np
import pytest

from distilrnn.data.holdout import first_rows, split_holdout
from distilrnn.errors import InputError
from distilrnn.params.common import SelectionParams
from distilrnn.params.labels import LabelBudget

LABELS = np.random.RandomState(5).choice(3, 400, p=[0.7, 0.25, 0.05])
SELECTION = SelectionParams(holdout_fraction=0.2)


def test_fewer_labels_are_nested_stratified_and_none_of_the_held_out():
    train, held_out = split_holdout(LABELS, SELECTION)
    shares = np.bincount(LABELS[train]) / len(train)
    before = set()
    for number in range(3, len(train)):
        rows, same = split_holdout(LABELS, SELECTION, LabelBudget(labels=number))
        assert len(rows) == number
        assert before < set(rows) < set(train)
        assert list(rows) == sorted(rows)
        assert (same == held_out).all()
        counts = np.bincount(LABELS[rows], minlength=3)
        assert counts.min() >= 1
        # Within one sentence of its share, but for the first of each class, which comes before all.
        assert np.abs(counts - number * shares).max() <= 3
        before = set(rows)
    assert (split_holdout(LABELS, SELECTION)[0] == train).all()


def test_the_seed_alone_chooses_them():
    first, again, other = (first_rows(LABELS, 50, seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert set(first) != set(other)


@pytest.mark.parametrize("number", [2, 400, 5000])
def test_more_labels_than_there_are_and_fewer_than_classes_are_refused(number):
    with pytest.raises(InputError, match=f"labels.sentences has {number}, but 400 .* of 3 classes .* from 3 to 399"):
        first_rows(LABELS, number, 0)
