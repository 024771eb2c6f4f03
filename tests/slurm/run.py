"""The whole workflow on a real Slurm of one node, beside a local run: the results have to be the same, byte for byte.

Started by `make test-slurm`, as root on Debian or Ubuntu. It installs Debian's packages of Slurm where they are
missing, starts munged, slurmctld and slurmd on the loopback address with two GPUs that exist in name alone, runs the
workflow with profiles/slurm, cancels the teacher's job and pre-empts a student's while they train, compares, and stops
what it started.
"""

import argparse
import json
import os
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

SOURCE = Path(__file__).parents[2]
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
CONFIGURATION = Path("/etc/slurm/slurm.conf")  # job steps read it here and nowhere else
OURS = "# written by tests/slurm/run.py\n"

# Jobs of `urgent` send those of `main` back to the queue. Jobs may not be requeued unless they ask: the profile has to.
# cred_expire is also how long a requeued job waits. MinJobAge keeps ended jobs in sight for the report at the end.
SLURM_CONF = """ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=200
SchedulerParameters=bf_interval=5,sched_interval=5,batch_sched_delay=1
SlurmdParameters=config_overrides
MinJobAge=86400
KillWait=5
JobRequeue=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 Gres=gpu:2
PartitionName=main Nodes=node1 Default=YES PriorityTier=1
PartitionName=gpu Nodes=node1 PriorityTier=1
PartitionName=urgent Nodes=node1 PriorityTier=10 PreemptMode=OFF
"""
GRES_CONF = """NodeName=node1 Name=gpu File=/dev/null
NodeName=node1 Name=gpu File=/dev/zero
"""

TRAINING = ("base", "teacher", "logits", "student", "baseline")
TIMED = {"run.json", "costs.json", "table.md", "table.json", "report.html", "model-card.md"}
"""Files that hold seconds, as do the pictures."""


class Failed(Exception):
    """The test has failed; the message says how."""


def main() -> None:
    """Run everything; exit code 0 if the results are the same, 1 if not, 2 where the test cannot be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", default="params.yaml", help="the experiment [default: the demo]")
    parser.add_argument("--keep", type=Path, help="keep copies, logs and Slurm's state in this folder")
    options = parser.parse_args()
    if os.geteuid() or not shutil.which("apt-get"):
        print("error: this installs packages and starts daemons: run it as root on Debian or Ubuntu", file=sys.stderr)
        sys.exit(2)
    if CONFIGURATION.exists() and not CONFIGURATION.read_text().startswith(OURS):
        print(f"error: {CONFIGURATION} is there: this machine has a Slurm of its own, try another one", file=sys.stderr)
        sys.exit(2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is stopped then, too
    try:
        with ExitStack() as stack:
            folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="distilrnn-slurm.")))
            run(folder.resolve(), options.params)
    except Failed as failure:
        sys.exit(f"error: {failure}")


def run(folder: Path, params: str) -> None:
    """Both runs, in copies of the repository below `folder`."""
    install(folder / "plugin")
    for name in ("cluster", "local"):
        copy_repository(folder / name)
    with slurm(folder / "slurm", folder / "cluster"):
        on_slurm = ("--profile", "profiles/slurm", "--max-threads", "1", "--set-resources", *gpu_partition())
        started = time.monotonic()
        with workflow(folder, "cluster", params, on_slurm) as process:
            cancel_while_training(folder / "cluster", process)
            preempt_while_training(folder / "cluster", process)
            end_well(folder, "cluster", process)
        on_cluster = time.monotonic() - started
        jobs = ended_jobs()
    say_jobs(jobs)
    check_jobs(jobs)
    check_resumed(folder / "cluster")
    started = time.monotonic()
    with workflow(folder, "local", params, ("--cores", "1", "--resources", "gpu=1")) as process:
        end_well(folder, "local", process)
    print(f"{len(jobs)} jobs; {on_cluster:.0f} s on Slurm, {time.monotonic() - started:.0f} s on one local core")
    say_overhead(folder / "local", jobs)
    count = compare(folder / "local", folder / "cluster")
    print(f"{count} files are the same, byte for byte: checkpoints, logits, tokens, curves, metrics, statistics")


def install(plugin: Path) -> None:
    """Debian's Slurm where it is missing, and Snakemake's plugin beside the environment."""
    if not all(map(shutil.which, ("slurmctld", "slurmd", "sbatch", "munged"))):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        call("apt-get", "update", env=quiet)
        call("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES, env=quiet)
    requirements = Path(__file__).with_name("requirements.txt")
    call(sys.executable, "-m", "pip", "install", "--no-deps", "--target", plugin, "--requirement", requirements)


def copy_repository(folder: Path) -> None:
    """The files of the working tree that git knows or does not ignore, without results."""
    listed = call("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=SOURCE).split("\0")
    for name in listed:
        if name and not name.startswith("results/") and (SOURCE / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SOURCE / name, folder / name)


@contextmanager
def slurm(folder: Path, copy: Path) -> Iterator[None]:
    """A cluster of one node that works in `copy`; stopped by process id at the end, also after a failure."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)  # munged wants its socket to be within everyone's reach
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    host = socket.gethostname().partition(".")[0]
    controller_port, node_port = free_ports(2)
    values = {"host": host, "folder": folder, "controller_port": controller_port, "node_port": node_port}
    with ExitStack() as stack:
        for file, text in ((CONFIGURATION, SLURM_CONF), (CONFIGURATION.with_name("gres.conf"), GRES_CONF)):
            stack.callback(file.unlink, missing_ok=True)
            file.write_text(OURS + text.format(**values, cpus=max(2, os.cpu_count() or 1)))
        files = [f"--{name}={folder}/munge.{name.partition('-')[0]}" for name in ("socket", "key-file", "pid-file")]
        files += [f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed"]
        stack.enter_context(daemon(folder, "munged", "--foreground", "--force", *files))
        wait_for((folder / "munge.socket").exists, 30, "munged")
        stack.enter_context(daemon(folder, "slurmctld", "-D", "-i"))
        stack.enter_context(daemon(folder, "slurmd", "-D", "-N", "node1"))
        wait_for(lambda: "idle" in call("sinfo", "-h", "-o", "%T", check=False), 60, "the node to be idle")
        stack.callback(end_all_jobs, copy)
        yield


@contextmanager
def daemon(folder: Path, name: str, *arguments: str) -> Iterator[None]:
    """A daemon in the foreground, with a session of its own: Ctrl-C first reaches Snakemake."""
    with (folder / f"{name}.out").open("wb") as out:
        process = subprocess.Popen([name, *arguments], stdout=out, stderr=out, start_new_session=True)
        try:
            yield
        finally:
            stop(process, signal.SIGTERM)


def stop(process: subprocess.Popen, how: signal.Signals) -> None:
    """End a process that was started here."""
    process.send_signal(how)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_all_jobs(folder: Path) -> None:
    """Cancel what is left of the jobs, and end their processes: linuxproc loses those whose parent is gone."""
    call("scancel", "--user=root", check=False)
    wait_for(lambda: not call("squeue", "-h", check=False), 60, "the last jobs' end")
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                process.kill()


def free_ports(count: int) -> list[int]:
    """Ports that no one listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def workflow(folder: Path, name: str, params: str, options: tuple[str, ...]) -> Iterator[subprocess.Popen]:
    """Snakemake in the copy `name`; interrupted at the end if it still runs, so that it cancels its jobs."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "plugin") if name == "cluster" else "",
    }
    command = ["snakemake", "--configfile", params, *options]
    print(f"{name}: {' '.join(command)}", flush=True)
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder / name, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.poll() is None:
                stop(process, signal.SIGINT)


def gpu_partition() -> list[str]:
    """Where training goes, rule by rule; the rest goes to the default partition."""
    return [f"{rule}:slurm_partition=gpu" for rule in TRAINING]


def cancel_while_training(copy: Path, process: subprocess.Popen) -> None:
    """Cancel the teacher's job when it has saved its first state."""
    wait_for(lambda: states(copy, "teachers"), 1800, "a teacher that trains", process)
    (job,) = running_jobs("teacher")
    call("scancel", job)
    print(f"cancelled job {job} (teacher)", flush=True)


def preempt_while_training(copy: Path, process: subprocess.Popen) -> None:
    """Take every CPU for a job of higher priority when a student has saved its first state."""
    wait_for(lambda: states(copy, "students") or states(copy, "baselines"), 1800, "a student that trains", process)
    jobs = running_jobs("student") + running_jobs("baseline")
    urgent = call("sbatch", "--parsable", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=sleep 2")
    print(f"pre-empting job {', '.join(jobs)} (student, baseline) by job {urgent.strip()}", flush=True)


def states(copy: Path, systems: str) -> list[Path]:
    """What training has saved to go on from."""
    return list((copy / ".resume").glob(f"results-*-{systems}-*.safetensors"))


def running_jobs(rule: str) -> list[str]:
    """The ids of a rule's running jobs: Snakemake's plugin writes the rule into Slurm's comment."""
    lines = call("squeue", "-h", "-t", "R", "-o", "%i %k").splitlines()
    return [line.split()[0] for line in lines if line.split()[1].split("_")[:2] == ["rule", rule]]


def end_well(folder: Path, name: str, process: subprocess.Popen) -> None:
    """Wait for Snakemake, which has to end well."""
    wait_for(lambda: process.poll() is not None, 7200, f"the end of the {name} run")
    if process.returncode:
        raise Failed(f"Snakemake ended with {process.returncode}:\n{(folder / f'{name}.log').read_text()[-5000:]}")


def ended_jobs() -> list[dict[str, str]]:
    """What Slurm knows of every job of Snakemake's, in the order of submission."""
    lines = call("scontrol", "show", "jobs", "--oneliner").splitlines()
    jobs = [dict(re.findall(r"(\w[\w:/]*)=(\S*)", line)) for line in lines]
    return sorted((job for job in jobs if "rule_" in job.get("Comment", "")), key=lambda job: int(job["JobId"]))


def rule_of(job: dict[str, str]) -> str:
    """The rule whose job it is."""
    return job["Comment"].split("_")[1]


def say_jobs(jobs: list[dict[str, str]]) -> None:
    """One line a job."""
    names = (
        "JobId",
        "JobState",
        "Restarts",
        "RunTime",
        "Partition",
        "NumCPUs",
        "MinMemoryNode",
        "TimeLimit",
        "TresPerJob",
    )
    for job in jobs:
        print(*(job.get(name, "-").ljust(10) for name in names), job["Comment"])


def check_jobs(jobs: list[dict[str, str]]) -> None:
    """One job was cancelled and submitted again, at least one pre-empted and put back, and Slurm got what rules ask."""
    cancelled = [job for job in jobs if job["JobState"] == "CANCELLED"]
    completed = [job for job in jobs if job["JobState"] == "COMPLETED"]
    if [rule_of(job) for job in cancelled] != ["teacher"] or len(completed) != len(jobs) - 1:
        raise Failed("other jobs than the teacher's one were cancelled or failed")
    if not [job for job in completed if job["Comment"] == cancelled[0]["Comment"]]:
        raise Failed("the cancelled job was not submitted again")
    if not {rule_of(job) for job in jobs if job["Restarts"] != "0"} & {"student", "baseline"}:
        raise Failed("no job was pre-empted and put back into the queue")
    for job in jobs:
        trains = rule_of(job) in TRAINING
        asked = (job["Partition"], "gpu" in job.get("TresPerJob", ""))
        if asked != (("gpu", True) if trains else ("main", False)) or "UNLIMITED" in job["TimeLimit"]:
            raise Failed(f"job {job['JobId']} ({rule_of(job)}) has not the partition, GPU or time limit of its rule")


def check_resumed(copy: Path) -> None:
    """What was interrupted went on from its state: the logs of the jobs that ended well say so."""
    for rules in (("teacher",), ("student", "baseline")):
        logs = [log.read_text() for rule in rules for log in (copy / "logs").rglob(f"{rule}/**/*.log")]
        found = [line for text in logs for line in re.findall(r"going on from epoch \d+, step \d+", text)]
        if not found:
            raise Failed(f"{' or '.join(rules)}: was interrupted, but began anew")
        print(f"{', '.join(rules)}: {'; '.join(found)}")


def compare(one: Path, other: Path) -> int:
    """How many result files are equal; raises Failed where one is not, or is missing."""
    files = [
        {path.relative_to(copy) for path in (copy / "results").rglob("*") if path.is_file() and not is_timed(path)}
        for copy in (one, other)
    ]
    if files[0] != files[1]:
        raise Failed(f"not in both runs: {sorted(map(str, files[0] ^ files[1]))}")
    differing = [str(file) for file in sorted(files[0]) if content(one / file) != content(other / file)]
    if differing:
        raise Failed(f"differ: {differing}")
    return len(files[0])


def content(file: Path) -> bytes:
    """A file's bytes; of metrics/<system>.json without the lines that say how long training took."""
    if file.parent.name != "metrics":
        return file.read_bytes()
    return b"".join(line for line in file.read_bytes().splitlines(True) if not line.lstrip().startswith(b'"seconds": '))


def is_timed(path: Path) -> bool:
    """Whether a result file holds seconds."""
    return path.name in TIMED or path.parent.name == "figures"


def say_overhead(local: Path, jobs: list[dict[str, str]]) -> None:
    """What a job of Slurm costs: the time of each that ran through, beside that of its rule in the local run."""
    records = [
        json.loads(file.read_text()) for file in (local / ".snakemake" / "metadata").rglob("*") if file.is_file()
    ]
    alone = {(r["rule"], r["job_hash"]): r["endtime"] - r["starttime"] for r in records}
    rules = {rule: [s for (name, _), s in alone.items() if name == rule] for rule in {rule_of(job) for job in jobs}}
    interrupted = {job["Comment"] for job in jobs if job["JobState"] != "COMPLETED" or job["Restarts"] != "0"}
    through = [job for job in jobs if job["Comment"] not in interrupted]
    more = [run_time(job) - statistics.mean(rules[rule_of(job)]) for job in through]
    print(f"a job took {statistics.median(more):.1f} s longer than the rule alone (median of {len(more)} jobs)")


def run_time(job: dict[str, str]) -> int:
    """Seconds that a job ran."""
    hours, minutes, seconds = job["RunTime"].split(":")
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds)


def wait_for(holds: Callable[[], object], limit: float, what: str, process: subprocess.Popen | None = None) -> None:
    """Wait until something holds; raises Failed after `limit` seconds, or where `process` ends before."""
    end = time.monotonic() + limit
    while not holds():
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            raise Failed(f"waited in vain for {what}")
        time.sleep(0.2)


def call(*command: object, check: bool = True, **options: Any) -> str:
    """Run a program and return what it prints; raises Failed where it fails."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)
    if check and done.returncode:
        raise Failed(f"`{' '.join(map(str, command))}` failed: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
