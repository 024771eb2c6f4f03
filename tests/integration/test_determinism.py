"""The same experiment in two clones, on one core and on two: the same bytes, but for the files that hold seconds."""

import re

import pytest

from outputs import assert_same, outputs
from workflow_repository import REAL, new_repository

pytestmark = pytest.mark.slow

MODEL = {"embedding": 16, "hidden": 16, "dropout": 0.1}
PARAMS = REAL | {
    "corpus": {"train_size": 200, "dev_size": 60, "unlabelled_size": 300},
    "students": {"rnn": {"tokenizer": "tiny", "model": MODEL, "training": {"epochs": 3}}},
}


def test_two_clones_make_the_same_bytes_which_both_engines_know(tmp_path):
    here = new_repository(tmp_path / "here", stand_in=False)
    here.set_params(PARAMS)
    there = here.copy(tmp_path / "there" / "elsewhere")
    for clone, cores in ((here, "1"), (there, "2")):
        clone.snakemake("--cores", cores)
    first, second = (outputs(clone.path / "results/real") for clone in (here, there))
    assert_same(second, first)
    kinds = ("adapter", "student", "model", "logits", r"metrics\.json", r"statistics\.json", "comparison", "curves-")
    assert all(any(re.search(kind, name) for name in first) for kind in kinds)
    assert not any(str(tmp_path).encode() in content for content in first.values())

    here.distilrnn("sync")
    assert here.agree()
    shown = here.dvc("metrics", "show").output
    assert "dev.accuracy" in shown
    assert "ood.mcc" in shown
    assert "failed to load" not in shown
    assert max(map(len, shown.splitlines())) <= 120
