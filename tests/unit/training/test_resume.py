"""A run that was stopped ends with the bytes of one that was not; the same seed always ends with the same bytes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from distilrnn.artifacts.files import read_json
from distilrnn.orchestration.code import code_version
from distilrnn.pipeline import common
from distilrnn.pipeline.base import pretrain
from distilrnn.training import resume
from distilrnn.training.progress import TrainingProgress
from paths import REPOSITORY
from tiny import BASE, MODEL, SELECTION, STUDYING, TEACHING, TUNING, study, teach

SCRIPTS = REPOSITORY / "workflow" / "scripts"
LINEAR = {"schedule": "linear", "epochs": 3}
FILES = {
    "teacher": ("adapter.safetensors", "curves.csv"),
    "student": ("student.safetensors", "logits.safetensors", "curves.csv"),
    "base": ("model.safetensors", "base.json", "tokenizer.json"),
}
STATES = Path(".resume")


class Stop(Exception):
    """Stands for whatever ends a process."""


def make(tiny, kind, output, **changes):
    if kind == "base":
        pretrain(tiny.corpus / "unlabelled.txt", BASE.model_copy(update={"epochs": 3, **changes}), output, 1)
    elif kind == "teacher":
        seed = changes.pop("seed", 0)
        teach(tiny, output, seed, training=TEACHING.model_copy(update=LINEAR | changes))
    else:
        seed = changes.pop("seed", 0)
        study(tiny, output, seed, training=STUDYING.model_copy(update=LINEAR | changes))


def contents(kind, output):
    return {name: (output / name).read_bytes() for name in FILES[kind]}


@pytest.fixture(scope="module", params=FILES)
def whole(request, tiny, tmp_path_factory):
    """Kind of run, and the files of one that nothing interrupted."""
    output = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(output)
        make(tiny, request.param, Path("out"))
        assert not list(STATES.glob("*"))
    return request.param, contents(request.param, output / "out")


def stop_at(monkeypatch, method, call):
    """Raise at the so-manieth call of a method of the progress, wherever the training then is."""
    calls = []
    original = getattr(TrainingProgress, method)

    def stopping(self, *args):
        calls.append(None)
        if len(calls) == call:
            raise Stop
        return original(self, *args)

    monkeypatch.setattr(TrainingProgress, method, stopping)


@pytest.mark.parametrize("stops", [[("epoch", 2)], [("epoch", 3)], [("step", 2)], [("step", 8)], [("step", 3)] * 3])
def test_a_stopped_run_ends_with_the_same_bytes(tiny, workplace, monkeypatch, capsys, whole, stops):
    kind, expected = whole
    monkeypatch.setattr(resume, "MINUTES", 0)  # a state is due at every step
    output = Path("out")
    for method, call in stops:
        with monkeypatch.context() as patch:
            stop_at(patch, method, call)
            with pytest.raises(Stop):
                make(tiny, kind, output)
        assert not list(output.glob("*"))
        assert len(list(STATES.glob("*"))) == 1
    make(tiny, kind, output)
    assert "going on from epoch" in capsys.readouterr().out
    assert contents(kind, output) == expected
    assert not list(STATES.glob("*"))


def test_without_a_state_due_it_goes_on_from_the_last_epoch(tiny, workplace, monkeypatch, capsys, whole):
    kind, expected = whole
    with monkeypatch.context() as patch:
        stop_at(patch, "step", 9)  # of five an epoch
        with pytest.raises(Stop):
            make(tiny, kind, Path("out"))
    make(tiny, kind, Path("out"))
    assert "going on from epoch 2, step 1\n" in capsys.readouterr().out
    assert contents(kind, Path("out")) == expected


def leave_a_state(tiny, kind, monkeypatch, **changes):
    with monkeypatch.context() as patch:
        stop_at(patch, "epoch", 2)
        with pytest.raises(Stop):
            make(tiny, kind, Path("out"), **changes)
    (state,) = STATES.glob("*")
    return state


@pytest.mark.parametrize("whole", ["teacher", "student"], indirect=True)
@pytest.mark.parametrize("changes", [{"learning_rate": 4e-3}, {"seed": 1}, {"batch_size": 8}])
def test_a_state_of_other_params_is_not_used(tiny, workplace, monkeypatch, capsys, whole, changes):
    kind, expected = whole
    state = leave_a_state(tiny, kind, monkeypatch, **changes)
    make(tiny, kind, Path("out"))
    assert "going on" not in capsys.readouterr().out
    assert contents(kind, Path("out")) == expected
    assert list(STATES.glob("*")) == [state.with_suffix(".stale")]


@pytest.mark.parametrize("whole", ["teacher", "student"], indirect=True)
def test_a_state_of_other_code_or_other_inputs_is_not_used(tiny, workplace, monkeypatch, capsys, whole):
    kind, expected = whole
    with monkeypatch.context() as patch:
        patch.setattr(common, "code_version", lambda rule: "other")
        state = leave_a_state(tiny, kind, monkeypatch)
    content = state.read_bytes()
    make(tiny, kind, Path("out"))
    printed = capsys.readouterr().out
    assert "going on" not in printed
    (sentence,) = (line for line in printed.splitlines() if state.name in line)
    assert f"kept as {state.stem}.stale" in sentence
    assert state.with_suffix(".stale").read_bytes() == content
    assert contents(kind, Path("out")) == expected


def test_states_that_are_set_aside_do_not_replace_each_other(workplace):
    file = resume.ResumeFile(Path("out"), {})
    file.path.parent.mkdir()
    for text in ("first", "second", "third"):
        file.path.write_text(text)
        assert file.load() is None
    stale = {path.name.removeprefix(file.path.stem): path.read_text() for path in STATES.glob("*.stale")}
    assert stale == {".stale": "first", ".2.stale": "second", ".3.stale": "third"}


def test_a_result_tells_the_code_that_made_it(tiny):
    for folder, rule in ((tiny.teacher, "teacher"), (tiny.student, "student"), (tiny.baseline, "baseline")):
        assert read_json(folder / "run.json")["code"] == code_version(rule)
    assert read_json(tiny.logits.parent / "run.json")["code"] == code_version("logits")


def test_what_a_kill_left_half_written_is_removed(tiny, workplace):
    STATES.mkdir()
    state = resume.ResumeFile(Path("out"), {}).path
    left = [state.with_name(f".writing.{state.name}.{suffix}") for suffix in ("a1b2", "zz")]
    others = state.with_name(".writing.other.safetensors.a1b2")
    for file in (*left, others):
        file.write_bytes(b"half")
    make(tiny, "student", Path("out"))
    assert list(STATES.glob("*")) == [others]


@pytest.mark.parametrize("whole", ["teacher", "student"], indirect=True)
@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_damaged_state_is_not_used(tiny, workplace, monkeypatch, capsys, whole, share):
    kind, expected = whole
    state = leave_a_state(tiny, kind, monkeypatch)
    data = state.read_bytes()
    state.write_bytes(data[: int(share * len(data))])
    make(tiny, kind, Path("out"))
    assert "going on" not in capsys.readouterr().out
    assert contents(kind, Path("out")) == expected


def test_students_of_other_logits_share_no_state(tiny, workplace, monkeypatch, capsys):
    """The same params, but another teacher's logits: the state is keyed by them."""
    from distilrnn.artifacts.tensors import load_tensors, save_tensors

    tensors, header = load_tensors(tiny.logits, "logits")
    header = {k: v for k, v in header.items() if k not in ("kind", "format")}
    other = workplace / "other.safetensors"
    save_tensors(other, "logits", {n: t + 1 if t.is_floating_point() else t for n, t in tensors.items()}, header)
    leave_a_state(tiny, "student", monkeypatch)
    study(tiny, Path("out"), taught=other, training=STUDYING.model_copy(update=LINEAR))
    assert "going on" not in capsys.readouterr().out


def test_states_of_different_outputs_lie_apart(workplace):
    names = [Path("a/b-c"), Path("a-b/c"), Path("a/b/c"), Path("x" * 200) / ("y" * 200)]
    files = [resume.ResumeFile(name, {}).path for name in names]
    assert len(set(files)) == len(names)
    assert all(len(file.name) < 255 and file.parent == STATES for file in files)
    assert resume.ResumeFile(files[-1], {}).load() is None


def test_a_state_is_due_after_some_minutes(monkeypatch, workplace):
    state = resume.ResumeFile(Path("out"), {})
    assert not state.is_due()
    state.saved -= 60 * resume.MINUTES + 1
    assert state.is_due()


def test_the_time_of_earlier_runs_is_counted(tiny, workplace, monkeypatch):

    now = [0.0]

    class Clock:
        @staticmethod
        def monotonic():
            now[0] += 1
            return now[0]

    monkeypatch.setattr("distilrnn.training.loop.time", Clock)
    make(tiny, "student", Path("whole"))
    seconds = read_json(Path("whole/run.json"))["seconds"]
    leave_a_state(tiny, "student", monkeypatch)
    now[0] += 1000  # between the runs
    make(tiny, "student", Path("out"))
    assert seconds <= read_json(Path("out/run.json"))["seconds"] <= seconds + 3


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_the_same_seed_gives_the_same_bytes(tiny, workplace, kind, threads):
    from distilrnn.params.student import DistilParams
    from distilrnn.pipeline.student import StudentJob, train_student
    from distilrnn.pipeline.teacher import TeacherJob, train_teacher

    teaching, studying = (params.model_copy(update={"epochs": 1}) for params in (TEACHING, STUDYING))
    for name, seed in (("first", 3), ("second", 3), ("other", 4)):
        if kind == "teacher":
            train_teacher(
                TeacherJob(tiny.base, tiny.tokens, TUNING, teaching, SELECTION, seed=seed, threads=threads), Path(name)
            )
        else:
            job = StudentJob(
                tiny.tokens, MODEL, studying, SELECTION, DistilParams(), [tiny.logits], seed=seed, threads=threads
            )
            train_student(job, Path(name))
    torch.set_num_threads(1)
    first, second, other = (contents(kind, Path(name)) for name in ("first", "second", "other"))
    assert first == second
    assert all(first[name] != other[name] for name in first)


@pytest.mark.slow
def test_a_killed_process_goes_on_and_ends_with_the_same_bytes(tiny, workplace):
    """The real script, really killed, twice: after its first epoch, and as soon as it has gone on."""
    options = ["--tokens", tiny.tokens, "--teacher-logits", tiny.logits, "--epochs=60", "--batch-size=4"]
    options += ["--embedding=64", "--hidden=64", "--precision=fp32", "--threads=1", "--dropout=0.1"]
    command = [sys.executable, SCRIPTS / "student.py", *options]
    subprocess.run([*command, "--output", "whole"], check=True, capture_output=True)
    for sign in ("epoch 1/60", "going on from epoch"):
        with subprocess.Popen([*command, "--output", "out"], stdout=subprocess.PIPE, text=True) as process:
            assert any(sign in line for line in process.stdout), f"never said {sign!r}"
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not list(Path("out").glob("*"))
        assert list(STATES.glob("*.safetensors"))
    ended = subprocess.run([*command, "--output", "out"], check=True, capture_output=True, text=True)
    assert "going on from epoch" in ended.stdout
    assert contents("student", Path("out")) == contents("student", Path("whole"))
    assert not list(STATES.glob("*.safetensors"))
