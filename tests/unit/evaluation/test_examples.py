"""Answers and disagreements that are shown: what they are of, their order, and what they say."""

import numpy as np
import pytest
from scipy.special import softmax

from distilrnn.evaluation.examples import LONGEST, MOST_DISAGREEMENTS, SHOWN, disagreements, examples

CLASSES = ["bad", "good"]


@pytest.fixture
def drawn():
    random = np.random.default_rng(0)
    labels = np.arange(60) % 2
    student, teacher = (random.normal(size=(60, 2)) for _ in range(2))
    return student, teacher, labels, [f"sentence {number}" for number in range(60)]


def test_right_and_wrong_answers_are_what_they_say(drawn):
    student, _, labels, sentences = drawn
    found = examples("rnn", "in_domain_dev", student, labels, sentences, CLASSES)
    assert (len(found.right), len(found.wrong)) == (SHOWN, SHOWN)
    for answer in (*found.right, *found.wrong):
        row = sentences.index(answer.sentence)
        assert answer.label == CLASSES[labels[row]]
        assert answer.answer == CLASSES[student[row].argmax()]
        assert answer.probability == pytest.approx(softmax(student[row]).max())
    assert all(answer.label == answer.answer for answer in found.right)
    assert all(answer.label != answer.answer for answer in found.wrong)
    assert examples("rnn", "in_domain_dev", student, labels, sentences, CLASSES) == found


def test_a_system_that_is_always_right_has_no_wrong_answers(drawn):
    _, _, labels, sentences = drawn
    found = examples("rnn", "in_domain_dev", np.eye(2)[labels], labels, sentences, CLASSES)
    assert len(found.right) == SHOWN
    assert found.wrong == []


def test_the_most_distant_disagreements_come_first(drawn):
    student, teacher, labels, sentences = drawn
    found = disagreements(student, teacher, labels, sentences, CLASSES)
    assert len(found) == MOST_DISAGREEMENTS
    assert all(one.student != one.teacher for one in found)
    distance = np.abs(softmax(student, axis=1) - softmax(teacher, axis=1))[:, 0]
    differ = student.argmax(axis=1) != teacher.argmax(axis=1)
    assert [one.distance for one in found] == pytest.approx(sorted(distance[differ], reverse=True)[:MOST_DISAGREEMENTS])
    first = sentences.index(found[0].sentence)
    assert found[0].teacher_probability == pytest.approx(softmax(teacher[first]).max())
    assert found[0].label == CLASSES[labels[first]]
    assert disagreements(student, student, labels, sentences, CLASSES) == []


def test_a_long_sentence_is_cut_and_stands_on_one_line(drawn):
    student, _, labels, _ = drawn
    found = examples("rnn", "in_domain_dev", student, labels, ["a\n b " * 100] * 60, CLASSES)
    sentence = found.right[0].sentence
    assert len(sentence) == LONGEST
    assert sentence.endswith("…")
    assert "\n" not in sentence
