"""A running workflow as a person sees it: one live view in a terminal, few lines elsewhere.

It knows nothing of Snakemake: the logger plugin (snakemake_logger_plugin_distilrnn) tells it what happens. How far a
job is, it reads in the job's log.
"""

import json
import re
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, RLock, Thread

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from distilrnn.artifacts.progress_line import ProgressLine, ScoringLine, TrainingLine, parse_progress

SECONDS_BETWEEN_LINES = 10
"""For each job, where there is no terminal."""
TAIL = 4096
"""Bytes of a log that are looked at for its last lines."""


@dataclass
class Job:
    """A job that was started."""

    rule: str
    title: str
    log: Path | None
    started: float
    said: float = 0.0
    progress: ProgressLine | None = None


@dataclass
class Workflow:
    """Which jobs there are, run and are done; no input or output but the logs' last lines."""

    total: Counter[str] = field(default_factory=Counter)
    """Jobs of each rule, in the order in which they were announced."""
    done: Counter[str] = field(default_factory=Counter)
    running: dict[int, Job] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """How long a rule's jobs took, here and in earlier runs."""
    began: float = field(default_factory=time.monotonic)

    def finish(self, number: int) -> Job | None:
        """A job is done; None where it is not known (a rule without work, or a group)."""
        job = self.running.pop(number, None)
        if job is not None:
            self.done[job.rule] += 1
            self.seconds.setdefault(job.rule, []).append(time.monotonic() - job.started)
        return job

    def left(self) -> float | None:
        """An estimate of the seconds left; None where nothing is known of a rule that is still to run."""
        mean = {rule: sum(times) / len(times) for rule, times in self.seconds.items() if times}
        running = Counter(job.rule for job in self.running.values())
        waiting = {rule: count - self.done[rule] - running[rule] for rule, count in self.total.items()}
        now, work, longest = time.monotonic(), 0.0, 0.0
        for rule, count in waiting.items():
            if count > 0 and rule not in mean:
                return None
            work += max(count, 0) * mean.get(rule, 0.0)
        for job in self.running.values():
            if job.progress is not None:
                rest = job.progress.left
            elif job.rule in mean:
                rest = max(0.0, mean[job.rule] - (now - job.started))
            else:
                return None
            work, longest = work + rest, max(longest, rest)
        return max(longest, work / max(1, len(self.running)))

    def look(self) -> list[Job]:
        """Read what the running jobs say; those whose progress has changed are returned."""
        changed = []
        for job in list(self.running.values()):
            found = next((p for line in reversed(last_lines(job.log)) if (p := parse_progress(line))), None)
            if found is not None and found != job.progress:
                job.progress = found
                changed.append(job)
        return changed


def last_lines(log: Path | None) -> list[str]:
    """The last lines of a log that are not empty; none where there is no log yet."""
    if log is None:
        return []
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]


def why(log: Path | None) -> str:
    """Why a job failed: the sentence of its error, or that there is none."""
    lines = last_lines(log)
    errors = [line for line in lines if re.match(r"(error|interrupted): ", line)]
    if errors:
        return errors[-1].strip().removeprefix("error: ")
    # Memory that ran out, or somebody, can end a process before it can say why.
    said = f"its last line is {lines[-1].strip()!r}" if lines else "it wrote nothing"
    return f"it ended without an error message, so it may have been killed; {said}"


def clock(seconds: float) -> str:
    """Minutes and seconds: 4:07."""
    whole = round(seconds)
    hours = f"{whole // 3600}:" if whole >= 3600 else ""
    return f"{hours}{whole % 3600 // 60:0{2 if hours else 1}}:{whole % 60:02}"


class View:
    """What is shown of a Workflow: start, job by job, and stop."""

    def __init__(self, console: Console, history: Path | None = None, every: float = 1.0) -> None:
        """`history` keeps how long each rule took, for the next run's estimate; the logs are read `every` s."""
        self.console, self.history, self.every = console, history, every
        self.workflow = Workflow(seconds=read_history(history))
        self.failures: dict[int, str] = {}
        """Why a job failed, by its number; one that was then run again with success is not among them."""
        self.recent: deque[str] = deque(maxlen=3)
        self.lock, self.stopped = RLock(), Event()
        self.live: Live | None = None
        self.thread: Thread | None = None

    def start(self, total: Sequence[tuple[str, int]]) -> None:
        """The jobs of each rule are known."""
        self.workflow.total = Counter(dict(total))
        if self.thread is not None:
            return
        if self.console.is_terminal:
            self.live = Live(
                get_renderable=self.render,
                console=self.console,
                refresh_per_second=4,
                transient=True,
                redirect_stderr=False,
            )
            self.live.start()
        else:
            self.say(f"{self.workflow.total.total()} jobs: {', '.join(f'{n} {rule}' for rule, n in total)}")
        self.thread = Thread(target=self._watch, daemon=True)
        self.thread.start()

    def begin(self, number: int, rule: str, title: str, log: Path | None) -> None:
        """A job is started."""
        with self.lock:
            self.workflow.running[number] = Job(rule, title, log, time.monotonic())
        if self.live is None:
            self.say(f"{self._counted()} {title}: started")

    def finish(self, number: int) -> None:
        """A job is done."""
        self.failures.pop(number, None)
        with self.lock:
            job = self.workflow.finish(number)
        if job is None:
            return
        line = f"{job.title}: done in {clock(time.monotonic() - job.started)}"
        if isinstance(job.progress, TrainingLine) and job.progress.validation_accuracy is not None:
            line += f", validation accuracy {job.progress.validation_accuracy:.1%}"
        self.recent.append(line)
        if self.live is None:
            self.say(f"{self._counted()} {line}")

    def fail(self, number: int, rule: str, log: Path | None) -> None:
        """A job failed: its sentence is said last of all."""
        with self.lock:
            job = self.workflow.running.pop(number, None)
        title = job.title if job else rule
        where = f" (all of it: {log})" if log else ""
        self.failures[number] = f"{title}: {why(log)}{where}"

    def say(self, text: str) -> None:
        """A line above the view."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """The workflow has ended: the view disappears, and failures are said."""
        if self.thread is None:
            return
        self.stopped.set()
        self.thread.join()
        self.thread = None
        if self.live is not None:
            self.live.stop()
        done, total = self.workflow.done.total(), self.workflow.total.total()
        if self.failures or done < total:
            self.say(f"stopped after {done} of {total} jobs; run the same command again to go on")
        else:
            self.say(f"{done} jobs done in {clock(time.monotonic() - self.workflow.began)}")
        write_history(self.history, self.workflow.seconds)

    def _watch(self) -> None:
        while not self.stopped.wait(self.every):
            with self.lock:
                changed = self.workflow.look()
            if self.live is None:
                for job in changed:
                    if time.monotonic() - max(job.said, job.started) >= SECONDS_BETWEEN_LINES:
                        job.said = time.monotonic()
                        self.say(f"{self._counted()} {job.progress}")

    def _counted(self) -> str:
        return f"[{self.workflow.done.total()}/{self.workflow.total.total()}]"

    def render(self) -> RenderableType:
        """The view: stages, running jobs, and the time."""
        with self.lock:
            work = self.workflow
            running = list(work.running.values())
            left = work.left()
        room = max(3, self.console.height - 6)
        stages = Text()
        active = {job.rule for job in running}
        for rule, count in work.total.items():
            done = work.done[rule]
            style = "green" if done == count else "bold cyan" if rule in active else "dim"
            mark = "✓" if done == count else "▸" if rule in active else "·"
            stages.append(f"{mark} {rule}{f' {done}/{count}' if count > 1 else ''}  ", style)
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, justify="right")
        for job in running[:room]:
            table.add_row(job.title, figures(job.progress), clock(time.monotonic() - job.started))
        if len(running) > room:
            table.add_row(f"… and {len(running) - room} more", "", "")
        done, total = work.done.total(), work.total.total()
        parts = done + sum(job.progress.done for job in running if job.progress)
        foot = Table.grid(padding=(0, 1))
        elapsed = time.monotonic() - work.began
        estimate = "" if left is None else f", about {clock(left)} left of {clock(elapsed + left)}"
        foot.add_row(ProgressBar(max(total, 1), parts, width=24), f"{done}/{total} jobs", f"{clock(elapsed)}{estimate}")
        said = [
            Text(line, "dim", no_wrap=True, overflow="ellipsis")
            for line in list(self.recent)[: max(0, room - len(running))]
        ]
        return Group(stages, *said, table, foot)


def figures(progress: ProgressLine | None) -> str:
    """A job's figures, short enough for a terminal of 80 columns."""
    if progress is None:
        return ""
    if isinstance(progress, ScoringLine):
        return f"{progress.done:.0%} {progress.rate:,.0f}/s {clock(progress.left)} left"
    validation = "" if progress.validation_accuracy is None else f" val {progress.validation_accuracy:.1%}"
    epoch = f"{progress.epoch}/{progress.epochs}"
    return f"{epoch} loss {progress.loss:.3f}{validation} {progress.rate:,.0f}/s {clock(progress.left)} left"


def read_history(file: Path | None) -> dict[str, list[float]]:
    """How long each rule's last jobs took; nothing where that is not known."""
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file else {}
        return {str(rule): [float(seconds) for seconds in times] for rule, times in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_history(file: Path | None, seconds: dict[str, list[float]]) -> None:
    """Keep how long each rule's last jobs took; a folder that cannot be written to is no reason to fail."""
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({rule: times[-5:] for rule, times in seconds.items()}), encoding="utf-8")
    except OSError:
        pass
