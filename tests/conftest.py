"""What several test modules share: a small experiment, made once, and a folder of one's own to work in."""

import contextlib
import os

import pytest

from tiny import make_experiment

# Set before torch is loaded, here and in the processes that tests start: on tensors so small threads only wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    """Slow tests first: handed out one by one, none of them is left to a single process at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Corpus, base, tokens, teacher, logits, student and baseline, all really made; tests only read them."""
    folder = tmp_path_factory.mktemp("tiny")
    with contextlib.chdir(folder):
        return make_experiment(folder)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty current folder: resume states of one test never meet another's."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
