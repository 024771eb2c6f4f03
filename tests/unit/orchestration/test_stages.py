"""The workflow's own parts: phases and their files, the code behind a script, the stages of DVC, the notes on locks."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from distilrnn.cli.workflow import copy_of_stages, only_outputs_differ, stages_texts
from distilrnn.errors import InputError
from distilrnn.orchestration import stages
from distilrnn.orchestration.code import modules
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
            "tokenize": {"tokenizers": {"words": "words.json"}},
            "teachers": {"big": {"base": "tiny", "seeds": [7]}},
            "students": {"rnn": {"tokenizer": "words"}},
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
            assert made and set(made) <= set(files)


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


def test_modules_follows_imports_wherever_they_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {
        "script.py": "from distilrnn.a import f\n",
        "src/distilrnn/__init__.py": "",
        "src/distilrnn/a.py": "def f():\n    from distilrnn.deep import b\n    import numpy\n",
        "src/distilrnn/templates/a.html.j2": "a template",
        "src/distilrnn/deep/__init__.py": "",
        "src/distilrnn/deep/b.py": "if TYPE_CHECKING:\n    import distilrnn.typed\nelse:\n    import distilrnn.c\n",
        "src/distilrnn/c.py": "import distilrnn.a\n",
        "src/distilrnn/typed.py": "",
        "src/distilrnn/unused.py": "",
    }
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    unused = {"script.py", "src/distilrnn/typed.py", "src/distilrnn/unused.py"}
    assert set(modules("script.py")) == set(files) - unused


def test_modules_has_what_a_script_really_imports(monkeypatch):
    monkeypatch.chdir(SOURCE)
    imports = "import sys, distilrnn.pipeline.student, distilrnn.cli.options\n"
    loaded = "print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'distilrnn'))"
    done = subprocess.run([sys.executable, "-c", imports + loaded], capture_output=True, text=True, check=True)
    files = {str(Path(file).relative_to(SOURCE)) for file in done.stdout.split()}
    assert "src/distilrnn/models/student.py" in files
    assert files <= set(modules("workflow/scripts/student.py"))


def test_teachers_do_not_depend_on_how_they_are_reported(monkeypatch):
    monkeypatch.chdir(SOURCE)
    for script in ("teacher", "logits", "student"):
        code = modules(f"workflow/scripts/{script}.py")
        for module in (
            "report/page",
            "report/figures",
            "evaluation/metrics",
            "params/evaluate",
            "params/experiment",
            "cli/workflow",
        ):
            assert f"src/distilrnn/{module}.py" not in code


def test_snakefile_imports_nothing_heavy():
    heavy = "{'torch', 'transformers', 'matplotlib', 'sklearn', 'datasets', 'scipy'}"
    imports = "import sys, distilrnn.orchestration.stages, distilrnn.orchestration.locks, distilrnn.cli.workflow\n"
    code = f"{imports}print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_stages_are_up_to_date_with_the_code(monkeypatch):
    monkeypatch.chdir(SOURCE)
    texts = stages_texts()
    assert len(texts) == len(PARAMS_FILES)
    for path, text in texts.items():
        assert path.is_file() and path.read_text() == text, f"run `distilrnn stages`: {path} is not up to date"


def test_a_copy_of_the_stages_differs_in_its_place_alone():
    text = (SOURCE / "dvc.yaml").read_text()
    copy = yaml.safe_load(copy_of_stages(text, Path("experiments/other/params.yaml")))
    root = yaml.safe_load(text)
    assert copy["vars"][:2] == [{"top": "../.."}, {"params": "experiments/other/params.yaml"}]
    assert copy["vars"][2:] == root["vars"][2:]
    assert {k: v for k, v in copy.items() if k != "vars"} == {k: v for k, v in root.items() if k != "vars"}


def test_every_phase_has_a_stage_that_runs_its_rule():
    written = yaml.safe_load((SOURCE / "dvc.yaml").read_text())["stages"]
    ran = set()
    for stage in written.values():
        command = stage.get("do", stage)["cmd"]
        phase = command.split("distilrnn targets ")[1].split()[0]
        assert f"--allowed-rules {phase} -- " in command
        ran.add(phase)
    assert ran == set(stages.STAGES)


@pytest.mark.parametrize("path", PARAMS_FILES, ids=lambda path: path.parent.name)
def test_params_files_name_what_the_stages_read(path):
    """DVC does not know the defaults, so these keys have to be written out."""
    params = yaml.safe_load(path.read_text())
    assert {"experiment", "seeds", "corpus", "bases", "tokenize", "selection", "teachers", "students", "linear"} <= set(
        params
    )
    assert "max_length" in params["tokenize"]


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
