"""Snakemake's logger plugin `distilrnn`: tells distilrnn.orchestration.view what the workflow does.

A dry run, and whatever else runs no job, is shown as Snakemake itself does.
"""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from distilrnn.orchestration.view import View
from distilrnn.params.variant import LABELS

HISTORY = Path(".snakemake/distilrnn-seconds.json")
NEEDLESS = frozenset({"all"})
"""Rules without work of their own."""


class LogHandler(LogHandlerBase):
    """Turns log records into the view; one that is no news of a job goes to Snakemake's own handler."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        stream = sys.stdout if settings.stdout else sys.stderr
        self.plain = ColorizingTextHandler(nocolor=settings.nocolor, stream=stream)
        self.plain.setFormatter(DefaultFormatter(settings.quiet, settings.show_failed_logs))
        self.plain.addFilter(
            DefaultFilter(
                settings.quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds
            )
        )
        # Who asks for details gets Snakemake's own log.
        self.all_plain = settings.dryrun or settings.verbose or settings.printshellcmds or settings.debug_dag
        self.held: list[logging.LogRecord] = []
        self.complaints: list[logging.LogRecord] = []
        self.view = View(Console(file=stream, no_color=settings.nocolor or None), HISTORY)
        self.outputs: dict[int, list[str]] = {}
        self.made: list[str] = []

    writes_to_stream = property(lambda _: True)
    writes_to_file = property(lambda _: False)
    has_filter = property(lambda _: True)
    has_formatter = property(lambda _: True)
    needs_rulegraph = property(lambda _: False)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, or remember it for later."""
        if self.all_plain:
            self.plain.handle(record)
            return
        fields: Mapping[str, Any] = record.__dict__
        event = fields.get("event")
        if event == LogEvent.RUN_INFO:
            self.held.clear()  # what Snakemake says before it starts is in its own log
            stats = {rule: n for rule, n in fields["stats"].items() if rule != "total" and rule not in NEEDLESS}
            self.view.start(list(stats.items()))
        elif event == LogEvent.JOB_INFO and fields["rule_name"] not in NEEDLESS:
            title = fields.get("rule_msg") or fields["rule_name"]
            self.outputs[fields["jobid"]] = list(fields.get("output") or [])
            self.view.begin(fields["jobid"], fields["rule_name"], title, _log(fields))
        elif event == LogEvent.JOB_FINISHED:
            self.made += self.outputs.get(fields["job_id"], [])
            self.view.finish(fields["job_id"])
        elif event == LogEvent.JOB_ERROR:
            self.view.fail(fields["jobid"], fields["rule_name"], _log(fields))
        elif record.levelno >= logging.ERROR:
            self.complaints.append(record)
        elif record.levelno >= logging.WARNING:
            self.plain.handle(record)
        elif event is None and self.view.thread is None:
            self.held.append(record)

    def close(self) -> None:
        """The workflow has ended."""
        ran, failures = self.view.thread is not None, self.view.failures
        self.view.stop()
        # What follows from a failed job is left to Snakemake's log. What was held tells of a run without jobs.
        for record in [*self.held, *([] if failures else self.complaints)]:
            self.plain.handle(record)
        if ran and not failures and not self.complaints:
            for line in closing_lines(self.made):
                self.view.say(line)
        for failure in failures.values():
            self.view.say(f"error: {failure}")
        for done_with in (self.held, self.complaints, failures):
            done_with.clear()
        super().close()


def _log(fields: Mapping[str, Any]) -> Path | None:
    logs = list(fields.get("log") or [])
    return Path(str(logs[0]).split(" (")[0]) if logs else None


def closing_lines(made: list[str]) -> list[str]:
    """The table with its verdict, and what to do next: where the report was made in this run."""
    root = next((Path(file).parent for file in made if Path(file).name == "table.json"), None)
    if root is None:
        return []
    report = Path("logs", root.name, "report.log")
    lines = ["", report.read_text(encoding="utf-8").strip()] if report.is_file() else []
    students = root.glob("students/**/seed*/student.safetensors")
    student = next(iter(sorted(students, key=lambda file: (f"{LABELS}=" in str(file), file))), None)
    params = Path("experiments", root.name, "params.yaml")
    option = f" --params {params}" if params.is_file() else ""
    lines += ["", "Next:"]
    if student is not None:
        lines.append(f'  distilrnn predict {student} "A sentence."')
    lines.append(f"  python -m webbrowser {root / 'report.html'}")
    lines.append(f"  distilrnn sync{option}    # registers the results with DVC and git")
    return lines
