"""What a system costs: sizes and training seconds as the files have them, speeds as they were timed."""

import json
import shutil

import numpy as np
import pytest

from distilrnn.artifacts.layout import System
from distilrnn.params.evaluate import MeasureParams
from distilrnn.pipeline import measure
from distilrnn.pipeline.measure import measure_system, time_predictor

PARAMS = MeasureParams(sentences=10, batch_size=4)
SYSTEMS = {
    "teacher": System("lora-tiny", "teacher", "tiny", None, (0,)),
    "distilled": System("distilrnn-tiny", "distilled", "tiny", "rnn", (0,)),
    "baseline": System("rnn", "baseline", None, "rnn", (0,)),
}


@pytest.mark.parametrize("kind", SYSTEMS)
def test_sizes_and_seconds_are_those_of_the_files(tiny, kind):
    """A teacher is only of use with its base, which counts too."""
    folder = {"teacher": tiny.teacher, "distilled": tiny.student, "baseline": tiny.baseline}[kind]
    run = json.loads((folder / "run.json").read_text())
    found = measure_system(tiny.folder, SYSTEMS[kind], ["The cat sleeps."] * 10, PARAMS)
    files = [folder / "student.safetensors"]
    if kind == "teacher":
        files = [tiny.adapter, tiny.base / "model.safetensors"]
    assert found.checkpoint_bytes == sum(file.stat().st_size for file in files)
    assert found.seconds_training == run["seconds"]
    assert found.parameters == run["parameters"]["total"]
    assert found.milliseconds_single > 0
    assert found.sentences_per_second > 0
    assert found.machine["threads"] == 1


def test_training_seconds_are_the_mean_over_seeds(tiny, tmp_path):
    shutil.copytree(tiny.folder / "baselines", tmp_path / "baselines")
    first, second = (tmp_path / "baselines" / "rnn" / f"seed{seed}" for seed in (0, 1))
    shutil.copytree(first, second)
    for folder, seconds in ((first, 1.0), (second, 4.0)):
        run = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(run | {"seconds": seconds}))
    system = System("rnn", "baseline", None, "rnn", (0, 1))
    assert measure_system(tmp_path, system, ["The cat sleeps."] * 10, PARAMS).seconds_training == 2.5


def test_speeds_are_a_median_and_a_rate(monkeypatch):
    """Nine sentences take a second each and one takes a hundred; all together in batches take five."""
    asked, now = [], [0.0]

    class Asked:
        def probabilities(self, sentences, batch_size=None):
            asked.append((len(sentences), batch_size))
            slow = len(asked) == 8
            now[0] += 5 if batch_size else 100 if slow else 1
            return np.zeros((len(sentences), 2))

    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])
    assert time_predictor(Asked(), ["a"] * 10, 4) == (1.0, 2.0)
    assert asked == [(1, None)] * 15 + [(10, 4)]  # five to warm up
