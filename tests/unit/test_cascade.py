"""A student that hands on to its teacher: from Python and from the command line."""

import json
import sys

import numpy as np
import pytest

from distilrnn import load_cascade, load_predictor
from distilrnn.artifacts.tensors import load_arrays, load_tensors, save_tensors
from distilrnn.cli import options
from distilrnn.cli.predict import predict
from distilrnn.data.corpus import read_split
from distilrnn.errors import InputError
from distilrnn.evaluation.confidence import confidence_quantiles, confidences
from distilrnn.params.splits import DEV, HELD_OUT


@pytest.fixture
def sentences(tiny):
    return [example.sentence for example in read_split(tiny.corpus / f"{DEV}.tsv")]


@pytest.fixture
def student(tiny):
    return tiny.student / "student.safetensors"


@pytest.fixture
def ask(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["predict", *map(str, arguments), "--threads", "1"])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            options.run(predict)
        out, err = capsys.readouterr()
        return left.value.code or 0, out.splitlines(), err

    return run


def test_a_student_knows_how_sure_it_was_on_the_held_out_sentences(tiny, student):
    arrays, _ = load_arrays(tiny.student / "logits.safetensors", "logits")
    _, header = load_arrays(student, "student")
    assert arrays[f"{HELD_OUT}.logits"].shape == (20, 2)
    assert header["confidence_quantiles"] == confidence_quantiles(confidences(arrays[f"{HELD_OUT}.logits"]))


@pytest.mark.parametrize("hand_on", [0, 0.4, 1])
def test_each_sentence_is_answered_by_one_of_the_two(tiny, student, sentences, hand_on):
    cascade = load_cascade(student, tiny.adapter, hand_on)
    found, handed_on = cascade.answers(sentences)
    own, teachers = (load_predictor(path).probabilities(sentences) for path in (student, tiny.adapter))
    np.testing.assert_allclose(found, np.where(handed_on[:, None], teachers, own), atol=1e-6)
    assert handed_on.all() if hand_on == 1 else not handed_on.any() if hand_on == 0 else 0 < handed_on.sum() < 40
    assert own[handed_on].max(axis=1).max(initial=0) <= own[~handed_on].max(axis=1).min(initial=1)
    np.testing.assert_array_equal(cascade.probabilities(sentences), found)
    assert cascade.predict(sentences) == [cascade.classes[best] for best in found.argmax(axis=1)]


def test_a_teacher_that_is_not_asked_is_not_loaded(tiny, student, sentences):
    cascade = load_cascade(student, tiny.adapter, 0)
    cascade.probabilities(sentences)
    assert "teacher" not in vars(cascade)


def test_the_command_says_who_answered(tiny, student, sentences, ask):
    _, handed_on = load_cascade(student, tiny.adapter, 0.5).answers(sentences)
    code, lines, err = ask(student, *sentences, "--cascade", tiny.adapter, "--hand-on", "0.5")
    assert (code, err) == (0, "")
    assert [line.split("\t")[2] for line in lines] == ["teacher" if row else "student" for row in handed_on]
    assert [line.split("\t")[3] for line in lines] == sentences
    code, lines, _ = ask(student, sentences[0], "--cascade", tiny.adapter, "--hand-on", "1", "--json")
    answer = json.loads(lines[0])
    assert answer["answered_by"] == "teacher"
    assert answer["sentence"] == sentences[0]


@pytest.mark.parametrize("share", ["-0.1", "1.01", "nan", "20"])
def test_a_share_outside_0_to_1_is_refused(tiny, student, ask, share):
    code, lines, err = ask(student, "A cat sleeps.", "--cascade", tiny.adapter, "--hand-on", share)
    assert (code, lines) == (2, [])
    assert "from 0 to 1" in err
    assert err.count("\n") == 1


def test_bad_pairs_are_one_sentence(tiny, student, ask, tmp_path):
    tensors, header = load_tensors(student, "student")
    header = {key: value for key, value in header.items() if key not in ("kind", "format")}
    files = {
        "another corpus": header | {"corpus_hash": "cd" * 32},
        "another list of classes": header | {"classes": ["a", "b"]},
        "does not know how sure it is": {key: value for key, value in header.items() if key != "confidence_quantiles"},
    }
    for said, changed in files.items():
        other = tmp_path / "student.safetensors"
        save_tensors(other, "student", tensors, changed)
        code, lines, err = ask(other, "A cat sleeps.", "--cascade", tiny.adapter)
        assert (code, lines) == (2, [])
        assert said in err
        assert err.count("\n") == 1
    code, _, err = ask(tiny.adapter, "A cat sleeps.", "--cascade", student)
    assert code == 2
    assert "it holds adapter" in err
    code, _, err = ask(student, "A cat sleeps.", "--cascade", tiny.logits)
    assert code == 2
    assert "holds logits" in err
    code, _, err = ask(student, "A cat sleeps.", "--hand-on", "0.1")
    assert code == 2
    assert "--cascade" in err


def test_two_corpora_are_refused_from_python(tiny, student, tmp_path):
    tensors, header = load_tensors(student, "student")
    header = {key: value for key, value in header.items() if key not in ("kind", "format")}
    other = tmp_path / "student.safetensors"
    save_tensors(other, "student", tensors, header | {"corpus_hash": "cd" * 32})
    with pytest.raises(InputError, match="another corpus"):
        load_cascade(student, other)
