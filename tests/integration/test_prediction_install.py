"""What docs/python.md says of an install for prediction alone: small, without torch, with torch's answers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from distilrnn.models.checkpoints import load_student
from paths import REPOSITORY

SENTENCES = ["The cat sleeps.", "The cats sleeps near the old house.", "It rains"]
LARGEST_MB = 100
NOT_COUNTED = {"pip", "setuptools", "pkg_resources", "_distutils_hack"}
"""What the venv itself brings."""
UNREACHABLE = ("No matching distribution", "Could not find a version", "NewConnectionError", "Failed to establish")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh venv in which the package is installed for prediction alone."""
    folder = tmp_path_factory.mktemp("predicting")
    for name in ("src", "pyproject.toml", "README.md", "LICENSE", "requirements-predict.txt"):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, folder / name)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    for what in (("--require-hashes", "--requirement", "requirements-predict.txt"), (".",)):
        words = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", *what]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        if done.returncode and any(sign in done.stderr for sign in UNREACHABLE):
            pytest.skip(f"no package index is reached: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
    return folder / "venv"


def packages(venv: Path) -> Path:
    (found,) = venv.glob("lib/python*/site-packages")
    return found


def test_it_is_small_and_has_no_torch(installed):
    """Bytecode included, which pip writes."""
    files = [file for file in packages(installed).rglob("*") if file.is_file()]
    counted = [f for f in files if f.relative_to(packages(installed)).parts[0].split("-")[0] not in NOT_COUNTED]
    assert sum(file.stat().st_size for file in counted) < LARGEST_MB * 1e6
    names = {file.relative_to(packages(installed)).parts[0] for file in counted}
    assert {"numpy", "tokenizers", "distilrnn"} <= names
    assert not {"torch", "transformers", "huggingface_hub", "rich"} & names


def test_it_answers_as_torch_does(installed, tiny, tmp_path):
    checkpoint = tmp_path / "student.safetensors"
    shutil.copy(tiny.student / checkpoint.name, checkpoint)
    words = [installed / "bin" / "distilrnn", "predict", "--json", checkpoint, *SENTENCES]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True, env={})
    rows = [json.loads(line)["probabilities"] for line in done.stdout.splitlines()]

    student, text, header = load_student(checkpoint)
    student = student.with_token_ids(np.arange(header.vocabulary), header.seed).eval()
    encodings = Tokenizer.from_str(text.decode()).encode_batch(SENTENCES)
    wanted = []
    for encoding in encodings:
        with torch.no_grad():
            logits = student(torch.tensor([encoding.ids]), torch.tensor([len(encoding.ids)]))
        wanted.append(torch.softmax(logits, 1)[0].tolist())
    assert [list(row) for row in rows] == [header.classes] * len(SENTENCES)
    np.testing.assert_allclose([list(row.values()) for row in rows], wanted, rtol=0, atol=1e-5)


def test_what_it_lacks_is_named(installed, tmp_path):
    done = subprocess.run(
        [installed / "bin" / "distilrnn", "doctor"], cwd=tmp_path, capture_output=True, text=True, env={}
    )
    assert done.returncode == 2
    assert "is not installed: pip install 'distilrnn[" in done.stderr
