"""Lists in a params file through real Snakemake and DVC."""

import json

import pytest

from workflow_repository import PARAMS, REAL, new_repository

pytestmark = pytest.mark.slow

SMALL = REAL | {
    "teachers": {"tiny": REAL["teachers"]["tiny"] | {"seeds": [0, 1], "tuning": {"rank": 2}}},
    "students": {
        "rnn": REAL["students"]["rnn"] | {"distil": {"temperature": [1.0, 4.0]}, "ensembles": {"both": ["tiny"]}}
    },
}


def with_temperatures(*temperatures):
    rnn = {"tokenizer": "tiny", "distil": {"temperature": list(temperatures)}, "ensembles": {"both": ["tiny"]}}
    return PARAMS | {"students": {"rnn": rnn}}


def test_a_longer_list_trains_what_is_new_alone(tmp_path):
    repository = new_repository(tmp_path / "repository")
    repository.set_params(with_temperatures(1.0, 2.0))
    repository.snakemake()
    made = repository.ran()
    students = {f"demo/students/rnn/temperature={t}/{of}/seed0" for t in (1.0, 2.0) for of in ("tiny", "both")}
    assert students <= made
    assert "demo/baselines/rnn/seed0" in made

    repository.set_params(with_temperatures(1.0, 2.0, 4.0))
    repository.snakemake()
    new = {f"demo/students/rnn/temperature=4.0/{of}/seed0" for of in ("tiny", "both")}
    assert {run for run in repository.ran() if run.startswith("demo/")} == new
    repository.distilrnn("sync")
    assert repository.agree()


def test_a_queue_of_dvc_runs_every_value(tmp_path):
    repository = new_repository(tmp_path / "repository")
    repository.set_params(PARAMS | {"students": {"rnn": {"tokenizer": "tiny", "distil": {"temperature": 2.0}}}})
    repository.snakemake()
    repository.distilrnn("sync")
    repository.commit("Results")
    repository.dvc("exp", "run", "--queue", "--set-param", "students.rnn.distil.temperature=4.0,8.0")
    repository.dvc("exp", "run", "--run-all")
    shown = json.loads(repository.dvc("exp", "show", "--json").output)
    runs = [run["revs"][0]["data"] for row in shown if row["rev"] != "workspace" for run in row["experiments"] or []]
    assert {run["params"]["params.yaml"]["data"]["students"]["rnn"]["distil"]["temperature"] for run in runs} == {
        4.0,
        8.0,
    }
    metrics = [run["metrics"]["results/demo/scores/rnn.json"]["data"]["value"] for run in runs]
    assert len(set(metrics)) == 2


def test_a_sweep_with_an_ensemble_runs_to_its_report(tmp_path):
    repository = new_repository(tmp_path / "repository", stand_in=False)
    repository.set_params(SMALL)
    output = repository.snakemake("--set-threads", "student=1", "baseline=1").output
    assert "Variants of " in output
    folder = repository.path / "results" / "real"
    statistics = json.loads((folder / "statistics.json").read_text())
    ranked = {(v["system"], v["variant"]) for v in statistics["variants"]}
    assert ranked == {(f"distilrnn-{of}", f"temperature={t}") for of in ("tiny", "both") for t in (1.0, 4.0)}
    assert sum(variant["chosen"] for variant in statistics["variants"]) == 2
    ensemble = json.loads((folder / "metrics" / "ensemble-both.json").read_text())
    assert ensemble["kind"] == "ensemble"
    costs = json.loads((folder / "costs.json").read_text())
    teacher = json.loads((folder / "metrics" / "lora-tiny.json").read_text())
    assert ensemble["parameters"]["total"] == 2 * teacher["parameters"]["total"]
    assert costs["ensemble-both"]["milliseconds_single"] == pytest.approx(2 * costs["lora-tiny"]["milliseconds_single"])
    page = (folder / "report.html").read_text()
    assert 'id="variants"' in page
    assert "| Ensemble both |" in (folder / "table.md").read_text()
