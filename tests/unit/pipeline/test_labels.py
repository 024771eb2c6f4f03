"""Systems that learn from fewer labelled sentences: by the real functions of the rules, on a small experiment."""

import shutil

import numpy as np
import pytest

from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.tensors import read_header
from distilrnn.data.encoded import read_encoded_split
from distilrnn.data.holdout import split_holdout
from distilrnn.errors import InputError
from distilrnn.params.common import TrainingParams
from distilrnn.params.labels import LabelBudget
from distilrnn.params.linear import LinearParams
from distilrnn.params.splits import TRAIN
from distilrnn.params.student import DistilParams
from distilrnn.pipeline.common import as_many_steps
from distilrnn.pipeline.linear import train_linear
from distilrnn.pipeline.student import StudentJob, train_student
from distilrnn.pipeline.teacher import TeacherJob, train_teacher
from distilrnn.pipeline.tokens import tokenize_corpus
from tiny import MODEL, SELECTION, STUDYING, TEACHING, TUNING

FEW = LabelBudget(labels=24)
CHECKPOINTS = {
    "teacher": "adapter.safetensors",
    "student": "student.safetensors",
    "baseline": "student.safetensors",
    "linear": "linear.safetensors",
}


def train(tiny, kind, output, tokens=None, corpus=None, budget=FEW):
    tokens, corpus = tokens or tiny.tokens, corpus or tiny.corpus
    if kind == "teacher":
        job = TeacherJob(tiny.base, tokens, TUNING, TEACHING, SELECTION, budget=budget, threads=1)
        train_teacher(job, output)
    elif kind == "linear":
        train_linear(corpus, output, LinearParams(c=(1.0,)), SELECTION, budget=budget)
    else:
        logits = [tiny.logits] if kind == "student" else []
        train_student(
            StudentJob(tokens, MODEL, STUDYING, SELECTION, DistilParams(), logits, seed=0, threads=1, budget=budget),
            output,
        )
    return output / CHECKPOINTS[kind]


@pytest.fixture(scope="module")
def other_sentences(tiny, tmp_path_factory):
    """The corpus with another order of those sentences of each class that 24 labels and the held-out part leave out."""
    folder = tmp_path_factory.mktemp("other")
    corpus, tokens = folder / "corpus", folder / "tokens"
    shutil.copytree(tiny.corpus, corpus)
    labels = read_encoded_split(tiny.tokens, TRAIN).labels
    rows, held_out = split_holdout(labels, SELECTION, FEW)
    lines = (corpus / f"{TRAIN}.tsv").read_text().splitlines()
    left = np.setdiff1d(np.arange(len(labels)), [*rows, *held_out])
    for label in np.unique(labels):
        of_label = left[labels[left] == label]
        for row, line in zip(of_label, [lines[row] for row in of_label[::-1]], strict=True):
            lines[row] = line
    (corpus / f"{TRAIN}.tsv").write_text("\n".join(lines) + "\n")
    tokenize_corpus(corpus, tiny.base, None, tokens)
    return corpus, tokens


@pytest.mark.parametrize("kind", ["teacher", "baseline", "linear"])
def test_other_sentences_are_never_read(tiny, workplace, kind, other_sentences):
    corpus, tokens = other_sentences
    few = train(tiny, kind, workplace / "few")
    other = train(tiny, kind, workplace / "other", tokens, corpus)
    whole = train(tiny, kind, workplace / "whole", budget=LabelBudget())
    assert (workplace / "few" / "run.json").is_file()
    contents = [_tensors(checkpoint) for checkpoint in (few, other, whole)]
    assert contents[0] == contents[1] != contents[2]


def _tensors(checkpoint):
    """The bytes behind the header, which names the corpus."""
    content = checkpoint.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_run_says_how_many_labels_it_had(tiny, workplace, kind):
    checkpoint = train(tiny, kind, workplace / "few")
    assert read_json(workplace / "few" / "run.json")["labels"] == 24
    header = read_header(checkpoint, {"teacher": "adapter", "linear": "linear"}.get(kind, "student"))
    assert header["labels"] == {"labels": 24, "labels_seed": 0}
    held_out = split_holdout(read_encoded_split(tiny.tokens, TRAIN).labels, SELECTION)[1]
    assert len(held_out) == 20


def test_few_labels_are_trained_on_for_as_many_steps_and_validated_as_often(tiny, workplace):
    train(tiny, "baseline", workplace / "few")
    train(tiny, "baseline", workplace / "whole", budget=LabelBudget())
    few, whole = (read_json(workplace / name / "run.json") for name in ("few", "whole"))
    assert whole["steps"] == STUDYING.epochs * 5  # 80 sentences, 16 a batch
    assert abs(few["steps"] - whole["steps"]) <= 1
    points = [len((workplace / name / "curves.csv").read_text().splitlines()) - 1 for name in ("few", "whole")]
    assert abs(points[0] - points[1]) <= 1


def test_epochs_are_stretched_by_the_steps_that_are_missing():
    training = TrainingParams(epochs=4, batch_size=32)
    assert as_many_steps(training, 2700, 2700) is training
    few = as_many_steps(training, 100, 2700)
    assert (few.epochs, few.validate_every) == (85, 85)  # 4 steps an epoch where all have 85
    kept = as_many_steps(training.model_copy(update={"validate_every": 10}), 100, 2700)
    assert kept.validate_every == 10


def test_a_state_of_another_number_of_labels_is_not_used(tiny, workplace, monkeypatch, capsys):
    class Stop(Exception):
        pass

    from distilrnn.training.resume import ResumeFile

    save = ResumeFile.save

    def save_and_stop(self, *arguments):
        save(self, *arguments)
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(ResumeFile, "save", save_and_stop)
        with pytest.raises(Stop):
            train(tiny, "baseline", workplace / "out")
    other = train(tiny, "baseline", workplace / "out", budget=LabelBudget(labels=30))
    said = capsys.readouterr()
    assert "going on" not in said.out + said.err
    assert _tensors(other) == _tensors(train(tiny, "baseline", workplace / "calm", budget=LabelBudget(labels=30)))


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_too_many_labels_are_refused_and_nothing_is_written(tiny, workplace, kind):
    with pytest.raises(InputError, match=r"labels\.sentences has 80, but 80 labelled sentences"):
        train(tiny, kind, workplace / "out", budget=LabelBudget(labels=80))
    assert not list(workplace.rglob("*.safetensors"))


def test_the_subset_is_that_of_the_seed(tiny):
    labels = read_encoded_split(tiny.tokens, TRAIN).labels
    rows = [split_holdout(labels, SELECTION, LabelBudget(labels=24, labels_seed=seed))[0] for seed in (0, 1)]
    assert not np.array_equal(*rows)
