"""Variants: names of folders on one side, settings on the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilrnn.params.variant import Variant

WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789._-+", min_size=1, max_size=8)


@given(WORDS, st.lists(st.tuples(WORDS, WORDS), max_size=4, unique_by=lambda setting: setting[0]))
def test_a_name_is_parsed_to_what_it_was_formatted_from(entry, settings):
    variant = Variant(entry, tuple(settings))
    assert Variant.parse(str(variant)) == variant


def test_settings_are_added_and_taken_away():
    student = Variant.parse("rnn/cell=gru,temperature=2")
    assert (student.entry, student.label, student.labels) == ("rnn", "cell=gru,temperature=2", None)
    assert str(student.without({"temperature", "loss"})) == "rnn/cell=gru"
    assert str(student.without({"temperature", "cell"})) == "rnn"
    assert str(student.with_labels(100)) == "rnn/cell=gru,temperature=2,labels=100"
    assert student.with_labels(100).labels == 100
    taught = student.taught_by(Variant.parse("tiny/rank=4"))
    assert taught.label == "cell=gru,temperature=2,teacher.rank=4"


@pytest.mark.parametrize("name", ["rnn/", "rnn/gru", "rnn/cell=gru,", "rnn/=gru", "rnn/cell=gru,2"])
def test_names_without_settings_behind_the_slash_are_refused(name):
    with pytest.raises(ValueError, match="settings, such as cell=gru"):
        Variant.parse(name)
