"""The Python API: teacher, unlabelled sentences, student, prediction; and examples/distil.py, run as it stands."""

import subprocess
import sys

import numpy as np
import pytest

from distilrnn import InputError, distil, load_predictor, tune_teacher
from distilrnn.data.corpus import SPLITS, read_split
from distilrnn.params.common import TrainingParams
from distilrnn.params.student import StudentModelParams
from distilrnn.params.teacher import TeacherTraining
from paths import REPOSITORY

ONCE = {"epochs": 1, "batch_size": 16, "precision": "fp32"}


@pytest.fixture(scope="module")
def labelled(tiny):
    examples = read_split(tiny.corpus / f"{SPLITS[0]}.tsv")
    return [example.sentence for example in examples], [("bad", "good")[example.label] for example in examples]


@pytest.fixture(scope="module")
def unlabelled(tiny):
    return (tiny.corpus / "unlabelled.txt").read_text().splitlines()[:60]


@pytest.fixture(scope="module")
def teacher(tiny, labelled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("api") / "work"
    return tune_teacher(*labelled, str(tiny.base), folder, training=TeacherTraining(**ONCE), threads=1)


def test_a_student_is_distilled_saved_and_loaded(teacher, labelled, unlabelled, tmp_path):
    scores = teacher.probabilities(unlabelled)
    assert scores.shape == (60, 2)
    model = StudentModelParams(cell="gru", embedding=8, hidden=8)
    student = distil(teacher, unlabelled, model=model, training=TrainingParams(**ONCE), threads=1)
    pool = teacher.folder / "transfer" / "unlabelled"
    assert list(pool.glob("logits/shard1-of-1/logits.safetensors"))
    loaded = load_predictor(student.save(tmp_path / "saved.safetensors"))
    assert loaded.classes == ["bad", "good"]
    np.testing.assert_array_equal(loaded.probabilities(labelled[0]), student.probabilities(labelled[0]))
    assert set(student.predict(labelled[0])) <= {"bad", "good"}
    alone = distil(teacher, model=model, training=TrainingParams(**ONCE), seed=1, threads=1)
    assert (alone.probabilities(labelled[0]) != student.probabilities(labelled[0])).any()


def test_bad_input_is_refused_before_anything_is_written(labelled, tiny, tmp_path):
    sentences, labels = labelled
    with pytest.raises(InputError, match="100 sentences have 99 labels"):
        tune_teacher(sentences, labels[1:], str(tiny.base), tmp_path / "a")
    with pytest.raises(InputError, match="1 classes"):
        tune_teacher(sentences, ["good"] * 100, str(tiny.base), tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine.txt").touch()
    with pytest.raises(InputError, match="is not empty"):
        tune_teacher(sentences, labels, str(tiny.base), tmp_path / "c")
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


@pytest.mark.slow
def test_the_example_runs(labelled, unlabelled, tiny, tmp_path):
    rows = [f"{label}\t{sentence}\n" for sentence, label in zip(*labelled, strict=True)]
    (tmp_path / "labelled.tsv").write_text("".join(rows))
    (tmp_path / "unlabelled.txt").write_text("\n".join(unlabelled))
    program = REPOSITORY / "examples/distil.py"
    command = [sys.executable, program, tiny.base, "labelled.tsv", "unlabelled.txt", "work"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "student: [" in done.stdout
    assert load_predictor(tmp_path / "work" / "student.safetensors").classes == ["bad", "good"]
