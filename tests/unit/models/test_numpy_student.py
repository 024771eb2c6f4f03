"""A student computed with numpy says what torch says, and predicting with it imports no torch."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from distilrnn.models.checkpoints import save_student
from distilrnn.models.numpy_student import load_numpy_student
from distilrnn.models.student import Student
from distilrnn.params.student import StudentModelParams
from headers import student_header

VOCABULARY, SEED, WIDTH = 90, 5, 12
KNOWN = np.arange(0, VOCABULARY, 2)


def saved_student(path, classes=3, **model):
    params = StudentModelParams(embedding=11, hidden=7, **model)
    student = Student(KNOWN, classes, params, SEED)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    header = student_header(params, "abc"[:classes], VOCABULARY, seed=SEED)
    save_student(path, student, KNOWN, b"{}", header)
    return student.eval()


def batch(sentences, seed=0):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, WIDTH + 1, sentences)
    ids = generator.integers(0, VOCABULARY, (sentences, WIDTH))
    return np.where(np.arange(WIDTH) < lengths[:, None], ids, 0), lengths


@pytest.mark.parametrize("pooling", ["last_step", "last_token", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_logits_are_torchs(tmp_path, cell, layers, bidirectional, pooling):
    path = tmp_path / "student.safetensors"
    model = saved_student(path, cell=cell, layers=layers, bidirectional=bidirectional, pooling=pooling)
    full = model.with_token_ids(np.arange(VOCABULARY), SEED).eval()
    student, tokenizer, _ = load_numpy_student(path)
    assert tokenizer == "{}"
    for size in (1, 30, 2, 40):  # little text and much, with ids that training never saw
        ids, lengths = batch(size, seed=size)
        with torch.no_grad():
            wanted = full(torch.from_numpy(ids), torch.from_numpy(lengths)).numpy()
        found = student(ids, lengths)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    assert student.tables is not None


def test_padding_and_the_other_sentences_do_not_matter(tmp_path):
    path = tmp_path / "student.safetensors"
    saved_student(path, cell="gru", bidirectional=True, pooling="mean")
    student, _, _ = load_numpy_student(path)
    ids, lengths = batch(20)
    together = student(ids, lengths)
    for row in range(20):
        alone = student(ids[row : row + 1, : lengths[row]], lengths[row : row + 1])
        np.testing.assert_allclose(alone[0], together[row], rtol=0, atol=1e-6)


def test_a_student_predicts_without_torch(tiny):
    """Nor anything else that only training, reports or the workflow need."""
    code = (
        "import sys; from distilrnn import load_predictor; "
        "rows = load_predictor(sys.argv[1]).probabilities(['A sentence.']); "
        "heavy = {'torch', 'transformers', 'pyarrow', 'scipy', 'sklearn', 'pandas', 'datasets', 'onnxruntime'}; "
        "print(sorted(heavy & set(sys.modules)), rows.shape)"
    )
    command = [sys.executable, "-c", code, str(tiny.student / "student.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[] (1, 2)\n"
