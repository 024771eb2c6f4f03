"""The live view: what a terminal of 80 columns shows, what a pipe gets, and how errors and ends are said."""

import io
import logging
import time
from types import SimpleNamespace

import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent

from distilrnn.artifacts.progress_line import ScoringLine, TrainingLine, parse_progress
from distilrnn.orchestration import view as module
from distilrnn.orchestration.view import View, clock, figures, why
from distilrnn.training.progress import ScoringProgress, TrainingProgress
from snakemake_logger_plugin_distilrnn import LogHandler

LINE = TrainingLine("teacher", 2, 10, 0.42, 0.5123, 0.741, 1320.0, 45.0)
SETTINGS = {"nocolor": True, "quiet": None, "show_failed_logs": False, "printshellcmds": False, "debug_dag": False}


SCORING = ScoringLine(12_000, 28_283, 68.0)


@pytest.mark.parametrize(
    "line", [LINE, TrainingLine("lora tiny epoch", 1, 1, 1.0, 12.5, 0.0, 3.0, 0.0, 0.25, 0.875), SCORING]
)
def test_a_progress_line_is_read_as_it_was_written(line):
    assert parse_progress(str(line)) == line


def test_other_lines_are_no_progress():
    for line in ("", "error: no epoch 3/10", "teacher epoch 2/10: loss", "Report: results/demo/report.html"):
        assert parse_progress(line) is None


def test_training_says_how_far_it_is_where_there_is_no_terminal(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("distilrnn.training.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    out = io.StringIO()
    with TrainingProgress("student", 4, 100, Console(file=out)) as progress:
        progress.resumed(100)
        assert not progress.wants_figures
        progress.step(50)
        now[0] += 11
        assert progress.wants_figures
        progress.step(5, 0.5, 0.75)
        assert not progress.wants_figures
        progress.epoch(
            {"epoch": 2, "train_loss": 1, "train_accuracy": 0.5, "validation_loss": 2, "validation_accuracy": 1}
        )
    within, epoch = map(parse_progress, out.getvalue().splitlines())
    assert (within.epoch, within.epochs, within.share, within.accuracy) == (2, 4, 0.55, 0.75)
    assert within.left == pytest.approx((400 - 155) / (55 / 11), abs=1)
    assert (epoch.epoch, epoch.share, epoch.loss, epoch.validation_accuracy) == (2, 1.0, 1.0, 1.0)


def test_scoring_says_how_far_it_is_now_and_then(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr("distilrnn.training.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    progress = ScoringProgress(1000)
    progress.step(100)
    now[0] += 20
    progress.step(300)
    progress.step(600)
    (line,) = capsys.readouterr().out.splitlines()
    found = parse_progress(line)
    assert (found.scored, found.sentences, found.rate, found.done, found.left) == (400, 1000, 20, 0.4, 30)
    assert figures(found) == "40% 20/s 0:30 left"


def test_a_terminal_shows_the_whole_workflow_on_one_screen(tmp_path):
    log = tmp_path / "log"
    log.write_text(f"going on\n{LINE}\n")
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    view = View(console, every=60)
    view.start([("corpus", 1), ("teacher", 1), ("student", 40), ("report", 1)])
    view.begin(1, "corpus", "Corpus", None)
    view.finish(1)
    view.begin(2, "teacher", "Teacher tiny, seed 0", log)
    for number in range(3, 33):
        view.begin(number, "student", f"Student {number} of a teacher with quite a long name, seed {number}", None)
    view.workflow.look()
    with console.capture() as capture:
        console.print(view.render())
    view.stop()
    shown = Console(file=io.StringIO(), width=80)
    lines = capture.get().splitlines()
    assert len(lines) <= 24
    text = capture.get()
    assert "corpus" in text
    assert "student 0/40" in text
    assert "more" in text
    assert "2/10 loss 0.512" in text
    assert "1,320/s 0:45 left" in text
    assert "1/43 jobs" in text
    assert shown.width == 80


def test_the_estimate_uses_what_rules_took_before(tmp_path, monkeypatch):
    history = tmp_path / "kept" / "seconds.json"
    view = View(Console(file=io.StringIO()), history, every=60)
    view.start([("student", 2)])
    view.begin(1, "student", "Student", None)
    assert view.workflow.left() is None
    view.workflow.running[1].started -= 10
    view.finish(1)
    assert view.workflow.left() == pytest.approx(10, abs=1)
    view.stop()
    again = View(Console(file=io.StringIO()), history, every=60)
    again.start([("student", 3)])
    assert again.workflow.left() == pytest.approx(30, abs=3)
    again.stop()
    history.write_text("[]")
    assert View(Console(file=io.StringIO()), history).workflow.seconds == {}


def test_a_pipe_gets_a_line_a_job_and_few_of_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.3)
    out, log = io.StringIO(), tmp_path / "log"
    view = View(Console(file=out), every=0.01)
    view.start([("teacher", 1)])
    view.begin(1, "teacher", "Teacher tiny", log)
    for epoch in range(1, 60):
        log.write_text(f"{TrainingLine('teacher', epoch, 60, 1.0, 1.0, 0.5, 10.0, 1.0)}\n")
        time.sleep(0.01)
    view.finish(1)
    view.stop()
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["1 jobs: 1 teacher", "[0/1] Teacher tiny: started"]
    assert lines[-2].startswith("[1/1] Teacher tiny: done in 0:0")
    assert lines[-1].startswith("1 jobs done in 0:0")
    assert 1 <= sum("teacher epoch" in line for line in lines) <= 5


def test_times_are_minutes_and_seconds():
    assert [clock(seconds) for seconds in (0, 59.6, 247, 3600, 36061)] == [
        "0:00",
        "1:00",
        "4:07",
        "1:00:00",
        "10:01:01",
    ]


def test_why_a_job_failed(tmp_path):
    log = tmp_path / "log"
    unsaid = "it ended without an error message, so it may have been killed"
    assert why(log) == f"{unsaid}; it wrote nothing"
    log.write_text("teacher epoch 2/3 54%: loss 0.3771\n")
    assert why(log) == f"{unsaid}; its last line is 'teacher epoch 2/3 54%: loss 0.3771'"
    log.write_text("warning: x\nerror: params.yaml: seeds: repeat\ntrailing words\n")
    assert why(log) == "params.yaml: seeds: repeat"


@pytest.fixture
def plugin(tmp_path, monkeypatch, capsys):
    """The plugin as Snakemake makes it, and a function that tells it of an event."""
    monkeypatch.chdir(tmp_path)

    def make(dryrun=False):
        handler = LogHandler(SimpleNamespace(**SETTINGS, verbose=False, stdout=True, dryrun=dryrun), None)
        handler.setFormatter(logging.Formatter())

        def tell(message=None, level=logging.INFO, **fields):
            record = logging.LogRecord("snakemake", level, "", 0, message, None, None)
            record.__dict__.update(fields)
            handler.handle(record)

        return handler, tell

    return make


def job(number, output=()):
    return {
        "event": LogEvent.JOB_INFO,
        "jobid": number,
        "rule_name": "student",
        "rule_msg": f"Student {number}",
        "log": [f"logs/{number}.log"],
        "output": list(output),
    }


def test_a_failed_jobs_sentence_is_said_last(plugin, tmp_path, capsys):
    handler, tell = plugin()
    tell("Building DAG of jobs...")
    tell(event=LogEvent.RUN_INFO, stats={"student": 2, "all": 1, "total": 3})
    tell(**job(1))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "1.log").write_text("error: tokens.json: lacks classes: make it again\n")
    tell("RuleException: the whole command line", logging.ERROR, event=LogEvent.ERROR)
    tell(
        "Error in rule student",
        logging.ERROR,
        event=LogEvent.JOB_ERROR,
        jobid=1,
        rule_name="student",
        log=["logs/1.log"],
    )
    tell("At least one job did not complete successfully.", logging.ERROR, event=LogEvent.ERROR)
    handler.close()
    handler.close()
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == (
        "error: Student 1: tokens.json: lacks classes: make it again (all of it: logs/1.log)"
    )
    assert "RuleException" not in out
    assert "Building DAG" not in out


def test_a_finished_run_ends_with_its_table_and_what_to_do_next(plugin, tmp_path, capsys):
    handler, tell = plugin()
    tell(event=LogEvent.RUN_INFO, stats={"student": 1, "total": 1})
    tell(**job(1, ["results/demo/table.md", "results/demo/table.json"]))
    (tmp_path / "logs/demo").mkdir(parents=True)
    (tmp_path / "logs/demo/report.log").write_text("THE TABLE\n")
    student = tmp_path / "results/demo/students/rnn/tiny/seed0/student.safetensors"
    student.parent.mkdir(parents=True)
    student.touch()
    tell(event=LogEvent.JOB_FINISHED, job_id=1)
    handler.close()
    lines = capsys.readouterr().out.splitlines()
    assert "THE TABLE" in lines
    assert [line.split()[0:2] for line in lines[lines.index("Next:") + 1 :]] == [
        ["distilrnn", "predict"],
        ["python", "-m"],
        ["distilrnn", "sync"],
    ]


def test_a_job_that_succeeds_when_it_is_run_again_is_no_failure(plugin, capsys):
    handler, tell = plugin()
    tell(event=LogEvent.RUN_INFO, stats={"student": 1, "total": 1})
    tell(**job(1))
    tell("Error in rule student", logging.ERROR, event=LogEvent.JOB_ERROR, jobid=1, rule_name="student", log=[])
    tell(**job(1))
    tell(event=LogEvent.JOB_FINISHED, job_id=1)
    handler.close()
    assert "error" not in capsys.readouterr().out


def test_what_runs_no_job_is_shown_as_snakemake_does(plugin, capsys):
    handler, tell = plugin()
    tell("Nothing to be done (all requested files are present and up to date).")
    handler.close()
    assert "Nothing to be done" in capsys.readouterr().out
    handler, tell = plugin(dryrun=True)
    tell("Job stats:\nstudent  1", event=LogEvent.RUN_INFO, stats={"student": 1, "total": 1})
    assert "student  1" in capsys.readouterr().out
    handler.close()


def test_an_error_before_any_job_is_shown(plugin, capsys):
    handler, tell = plugin()
    tell("LockException: locked", logging.ERROR, event=LogEvent.ERROR)
    handler.close()
    assert "LockException" in capsys.readouterr().out
