"""The workflow's own parts: phases and their files, the code behind a script, the stages of DVC, the notes on locks."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from distilrnn.errors import InputError
from distilrnn.orchestration import stages
from distilrnn.orchestration.engines import only_outputs_differ
from distilrnn.orchestration.experiments import stages_text
from distilrnn.orchestration.locks import lock_note
from distilrnn.params.experiment import validate_experiment
from paths import REPOSITORY

SOURCE = REPOSITORY
PARAMS_FILES = [SOURCE / "params.yaml", *sorted((SOURCE / "experiments").glob("*/params.yaml"))]


@pytest.fixture
def experiment():
    return validate_experiment(
        {
            "experiment": "x",
            "seeds": [3, 4],
            "bases": {"tiny": {}},
            "tokenize": {"tokenizers": {"words": {"learn": "word"}}},
            "teachers": {"big": {"base": "tiny", "seeds": [7]}},
            "students": {"rnn": {"tokenizer": "words", "vectors": {"source": "glove.txt"}, "pretraining": {}}},
        },
        "params",
    )


def test_targets_are_the_files_of_one_name(experiment):
    assert stages.targets(experiment, "teacher", "big") == [
        "results/x/teachers/big/seed7/adapter.safetensors",
        "results/x/teachers/big/seed7/curves.csv",
        "results/x/teachers/big/seed7/run.json",
    ]
    students = stages.targets(experiment, "student", "rnn")
    assert {str(Path(file).parent) for file in students} == {
        f"results/x/students/rnn/big/seed{seed}" for seed in (3, 4)
    }
    assert stages.targets(experiment, "tokens", "words")[0].startswith("results/x/tokens/words/")


def test_everything_has_every_phase_and_no_file_twice(experiment):
    files = stages.all_outputs(experiment)
    assert len(files) == len(set(files))
    for phase, about in stages.STAGES.items():
        for name in about.names(experiment):
            made = stages.targets(experiment, phase, name)
            assert made
            assert set(made) <= set(files)


def test_a_source_that_no_teacher_scores_has_an_empty_folder_of_logits(experiment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = experiment.model_dump(mode="json")
    values["transfer"]["sources"] = {"more": {"kind": "corpus"}, "read": {"kind": "corpus", "scored": False}}
    values["students"]["rnn"] |= {"transfer": ["more"], "pretraining": {"transfer": ["read"]}}
    changed = validate_experiment(values, "params")
    assert stages.targets(changed, "transfer_logits", "read") == []
    assert len(stages.targets(changed, "transfer_logits", "more")) == 2
    (tokens, _) = stages.targets(changed, "transfer_tokens", "read")
    assert Path(tokens).parent == Path("results/x/transfer_tokens/read/words")
    stages.make_folders(changed)
    assert Path("results/x/logits/transfer/read").is_dir()


@pytest.mark.parametrize(
    ("phase", "name", "said"),
    [
        ("teachers", "", "choose one of experiment, corpus"),
        ("teacher", "nix", "choose one of big"),
        ("report", "big", "none"),
    ],
)
def test_unknown_phase_or_name_is_refused(experiment, phase, name, said):
    with pytest.raises(InputError, match=said):
        stages.targets(experiment, phase, name)


def test_strangers_are_files_that_nothing_makes(experiment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in [*stages.all_outputs(experiment), "results/x/.cache/a", "results/x/students/.gitignore"]:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()
    assert stages.unexpected_files(experiment) == []
    stranger = Path("results/x/students/old/big/seed3/run.json")
    stranger.parent.mkdir(parents=True)
    stranger.touch()
    assert stages.unexpected_files(experiment) == [stranger]


def test_snakefile_imports_nothing_heavy():
    heavy = "{'torch', 'transformers', 'matplotlib', 'sklearn', 'datasets', 'scipy'}"
    imports = "import sys, distilrnn.orchestration.stages, distilrnn.orchestration.locks, distilrnn.cli.workflow\n"
    code = f"{imports}print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_experiment_has_the_stages_of_the_root(tmp_path):
    root = yaml.safe_load((SOURCE / "dvc.yaml").read_text())
    for params in PARAMS_FILES[1:]:
        folder = params.parent.relative_to(SOURCE)
        copy = yaml.safe_load(stages_text(folder, SOURCE))
        assert copy["vars"][:2] == [{"top": "../.."}, {"params": str(folder / "params.yaml")}]
        assert copy["vars"][2:] == root["vars"][2:]
        assert {k: v for k, v in copy.items() if k != "vars"} == {k: v for k, v in root.items() if k != "vars"}
        written = params.with_name("dvc.yaml")
        if written.exists():
            assert written.read_text() == stages_text(folder, SOURCE), f"`distilrnn new {folder.name}` writes it again"


def test_experiments_that_were_never_run_are_out_of_sight_of_dvc():
    assert all(stages.with_name("dvc.lock").exists() for stages in (SOURCE / "experiments").glob("*/dvc.yaml"))


def test_every_rule_has_a_stage_that_runs_it():
    text = (SOURCE / "dvc.yaml").read_text()
    assert len(text.splitlines()) < 250
    ran = set()
    for stage in yaml.safe_load(text)["stages"].values():
        stage = stage.get("do", stage)
        program, command, rule, *_ = stage["cmd"].split()
        assert (program, command) == ("distilrnn", "make")
        assert {"code.json": [rule]} in stage["params"]
        ran.add(rule)
    assert ran == set(stages.STAGES)


@pytest.mark.parametrize("path", PARAMS_FILES, ids=lambda path: path.parent.name)
def test_params_files_name_what_the_stages_read(path):
    """DVC does not know the defaults, so these keys have to be written out."""
    params = yaml.safe_load(path.read_text())
    assert {"experiment", "seeds", "corpus", "bases", "tokenize", "selection", "teachers", "students", "linear"} <= set(
        params
    )
    assert "max_length" in params["tokenize"]


def test_the_ablation_of_cola_shares_what_the_docs_say_it_shares():
    """docs/experiments.md has the folders of one copied into the other."""
    cola, ablation = (
        yaml.safe_load((SOURCE / f"experiments/{n}/params.yaml").read_text()) for n in ("cola", "cola-ablation")
    )
    for section in ("corpus", "bases", "tokenize", "selection", "transfer", "teachers"):
        assert ablation[section] == cola[section]


def test_the_experiments_on_colas_threshold_differ_in_it_alone():
    thresholds = {"cola-more": "tuned", "cola-accuracy": "accuracy", "cola-calibrated": "loss"}
    experiments = [yaml.safe_load((SOURCE / f"experiments/{name}/params.yaml").read_text()) for name in thresholds]
    assert {each.pop("experiment"): each["selection"].pop("threshold") for each in experiments} == thresholds
    assert experiments[0] == experiments[1] == experiments[2]


@pytest.mark.parametrize(
    ("changes", "differ"),
    [
        ([{"changed outs": {"a": "modified"}}], True),
        ([{"changed outs": {"a": "not in cache"}}], False),
        ([{"changed deps": {"b": "modified"}}, {"changed outs": {"a": "modified"}}], False),
        ([{"changed outs": {"a": "modified"}}, "changed command"], False),
        ([{"changed deps": {"b": "modified"}}], False),
    ],
)
def test_a_repeated_run_is_told_from_a_changed_one(changes, differ):
    assert only_outputs_differ(changes) is differ


def test_lock_note_tells_a_running_process_from_a_killed_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert lock_note() == ""
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").touch()
    assert "snakemake --unlock" in lock_note()
    script = tmp_path / "snakemake"
    script.write_text("input()")
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE) as other:
        try:
            assert f"process {other.pid}, `{script}`" in lock_note()
        finally:
            other.communicate(b"\n")
