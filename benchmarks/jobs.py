"""Topics start, jobs, memory and growth: the scripts as the rules run them, each a process of its own."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import files
from benchmarks.sizes import TINY, Sizes
from benchmarks.timing import ROOT, Ended, run, spread
from distilrnn.artifacts.files import read_json

SCRIPTS = ROOT / "workflow" / "scripts"
SMALLEST = 100
"""Sentences of the run whose time is taken off: what remains is the cost of the sentences."""
TIMED = ("logits", "student")
"""Rules whose run.json has the seconds of the work itself."""
SMALL_STUDENT = ("--embedding", "16", "--hidden", "16")


def script(name: str, *arguments: str | Path, threads: int | None = None) -> Ended:
    """One of the scripts, run to its end."""
    return run([sys.executable, SCRIPTS / f"{name}.py", *arguments], threads)


class Place:
    """A folder with a corpus, tokens, a base with random weights, an adapter and logits, made by the scripts."""

    def __init__(self, folder: Path, cola: Path | None, tokenizer: Path | None, threads: int) -> None:
        self.folder, self.threads = folder, threads
        self.examples = files.sentences_to_repeat(cola)
        made = files.make_tokenizer(tokenizer, self.examples)
        self.tokenizer = folder / "tokenizer.json"
        made.save(str(self.tokenizer))
        self.small_base = folder / "small-base"
        files.write_base(self.small_base, TINY, made)

    def corpus(self, count: int, numbered: bool = False) -> Ended:
        """The rule corpus on so many training sentences, those that stand there once numbered or not."""
        rows = self.folder / f"rows{count}"
        files.write_rows(rows, self.examples, count, numbered)
        return script("corpus", "--source", "path", "--path", rows, "--output", self.folder / f"corpus{count}")

    def tokens(self, count: int) -> Ended:
        """The rule tokenize."""
        corpus, output = self.folder / f"corpus{count}", self.folder / f"tokens{count}"
        return script("tokens", "--corpus", corpus, "--tokenizer", self.tokenizer, "--output", output)

    def logits(self, count: int) -> Ended:
        """The rule logits, with a teacher so small that the rest of the work is what is seen."""
        tokens, output = self.folder / f"tokens{count}", self.folder / f"logits{count}"
        adapter = self.folder / f"adapter{count}.safetensors"
        files.write_adapter(adapter, self.small_base, tokens)
        where = ["--base", self.small_base, "--adapter", adapter, "--tokens", tokens, "--output", output]
        return script("logits", *where, "--threads", str(self.threads), threads=self.threads)

    def student_command(self, count: int, output: Path | str, *options: str) -> list[str]:
        """The rule student's command for one epoch of distillation."""
        logits = self.folder / f"logits{count}" / "logits.safetensors"
        words = [sys.executable, SCRIPTS / "student.py", "--tokens", self.folder / f"tokens{count}"]
        words += ["--teacher-logits", logits, "--output", output, "--validation", "dev", "--epochs", "1", *options]
        return [str(word) for word in words]

    def student(self, count: int, *options: str) -> Ended:
        """One epoch of the rule student."""
        command = self.student_command(count, self.folder / f"student{count}", *options)
        return run([*command, "--threads", str(self.threads)], self.threads, self.folder)


def measure_start(place: Place, sizes: Sizes) -> dict:
    """Seconds from launch to a script's help, and to a student job's first optimizer step."""
    helps = {
        file.stem: spread([run([sys.executable, file, "--help"]).seconds for _ in range(sizes.helps)])
        for file in sorted(SCRIPTS.glob("*.py"))
    }
    count = len(place.examples)
    _prepare(place, count)

    def first_step() -> float:
        command = place.student_command(count, place.folder / "started")
        words = [sys.executable, ROOT / "benchmarks" / "first_step.py", str(time.time()), *command[1:]]
        output = run([*words, "--threads", str(place.threads)], place.threads, place.folder).output
        return float(output.rpartition("first step after ")[2].split()[0])

    return {
        "help_seconds": helps,
        "slowest_help_seconds": max(found["median"] for found in helps.values()),
        "student_first_step_seconds": spread([first_step() for _ in range(sizes.starts)]),
        "sentences": count,
    }


def _prepare(place: Place, count: int) -> None:
    if not (place.folder / f"logits{count}").exists():
        place.corpus(count)
        place.tokens(count)
        place.logits(count)


TRIVIAL = "touch {output}"
SNAKEFILE = """
rule all:
    input: expand("{{n}}/run.json", n=range({jobs}))


rule job:
    output: "{{n}}/run.json"
    shell: "{command}"
"""


def measure_jobs(place: Place, sizes: Sizes) -> dict:
    """Snakemake's own seconds per job, and how many jobs at once shorten the work; one thread a job."""
    count = len(place.examples)
    _prepare(place, count)
    options = (*SMALL_STUDENT, "--threads", "1", "--seed")
    command = " ".join([*place.student_command(count, "{wildcards.n}", *options), "{wildcards.n}"])

    def snakemake(jobs: int, command: str, cores: int) -> float:
        with TemporaryDirectory(dir=place.folder) as folder:
            (Path(folder) / "Snakefile").write_text(SNAKEFILE.format(jobs=jobs, command=command))
            words = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--quiet"]
            return run(words, 1, Path(folder)).seconds

    alone = [run(place.student_command(count, f"alone{n}", *options, str(n)), 1, place.folder).seconds for n in (0, 1)]
    found: dict = {"trivial_jobs": sizes.trivial_jobs, "student_jobs": sizes.student_jobs}
    for cores in (1, 2):
        one = snakemake(1, TRIVIAL, cores)
        many = snakemake(sizes.trivial_jobs, TRIVIAL, cores)
        students = snakemake(sizes.student_jobs, command, cores)
        found[f"cores {cores}"] = {
            "seconds_with_one_trivial_job": one,
            "seconds_per_further_trivial_job": (many - one) / (sizes.trivial_jobs - 1),
            "seconds_of_all_student_jobs": students,
        }
    bare = statistics.median(alone)
    found["seconds_of_one_student_job_without_snakemake"] = bare
    single_threaded = found["cores 1"]["seconds_of_all_student_jobs"]
    found["overhead_per_student_job_seconds"] = single_threaded / sizes.student_jobs - bare
    found["speedup_of_two_cores"] = single_threaded / found["cores 2"]["seconds_of_all_student_jobs"]
    return found


def measure_memory(place: Place, sizes: Sizes) -> dict:
    """Peak resident memory of a student job and of a teacher job of the real size."""
    count = len(place.examples)
    _prepare(place, count)
    width = ("--embedding", str(sizes.width), "--hidden", str(sizes.width))
    student = place.student(count, *width)
    few = place.folder / "few"
    files.write_rows(few, place.examples, sizes.job_sentences)
    script("corpus", "--source", "path", "--path", few, "--output", place.folder / "few-corpus")
    tokens, base = place.folder / "few-tokens", place.folder / "base"
    tokenizer = files.load_tokenizer(place.tokenizer)
    script("tokens", "--corpus", place.folder / "few-corpus", "--tokenizer", place.tokenizer, "--output", tokens)
    files.write_base(base, sizes, tokenizer)
    where = ["--base", base, "--tokens", tokens, "--output", place.folder / "teacher", "--validation", "dev"]
    words = [sys.executable, SCRIPTS / "teacher.py", *where, "--epochs", "1", "--threads", str(place.threads)]
    teacher = run(words, place.threads, place.folder)
    pools = {count: _with_pool(place, len(place.examples), count) for count in sizes.pools}
    return {
        "pool_sentences": list(pools),
        "student_job_with_pool_mb": [peak for peak, _ in pools.values()],
        "student_job_with_pool_seconds": [took for _, took in pools.values()],
        "student_job_mb": student.peak_mb,
        "student_job_sentences": count,
        "teacher_job_mb": teacher.peak_mb,
        "teacher_job_sentences": sizes.job_sentences,
    }


def _with_pool(place: Place, labelled: int, count: int) -> tuple[float, float]:
    """Peak memory and seconds of an epoch of a small student on so many unlabelled sentences more.

    What the teacher says of them is made up: it changes neither.
    """
    pool, tokens, logits = (place.folder / name / f"pool{count}" for name in ("pool", "pool_tokens", "pool_logits"))
    text = place.folder / f"pool{count}.txt"
    files.write_sentences(text, place.examples, count)
    corpus, labelled_tokens = place.folder / f"corpus{labelled}", place.folder / f"tokens{labelled}"
    source = json.dumps({"kind": "text", "files": str(text)})
    script("transfer", "--source-json", source, "--corpus", corpus, "--output", pool)
    script("transfer_tokens", "--pool", pool, "--tokens", labelled_tokens, "--output", tokens)
    files.write_pool_logits(logits, pool, labelled_tokens)
    names = ("--pool", str(pool), "--pool-tokens", str(tokens), "--pool-logits", str(logits))
    ended = place.student(labelled, *SMALL_STUDENT, *names)
    return ended.peak_mb, ended.seconds


def measure_growth(place: Place, sizes: Sizes) -> dict:
    """Seconds and peak memory of each rule from few sentences to many; the teacher and the student are tiny."""
    steps = {
        "corpus": lambda count: place.corpus(count, numbered=True),
        "tokenize": place.tokens,
        "logits": place.logits,
        "student": lambda count: place.student(count, *SMALL_STUDENT),
    }
    found: dict = {"sizes": list(sizes.growth)}
    for name, step in steps.items():
        step(SMALLEST)
        found[name] = {"seconds": [], "microseconds_per_sentence": [], "peak_mb": []}
    for count in sizes.growth:
        for name, step in steps.items():
            ended, work = _with_its_work(place, name, step, count, sizes.growth_pairs)
            found[name]["seconds"].append(round(ended.seconds, 3))
            found[name]["microseconds_per_sentence"].append(round(1e6 * work / count, 3))
            found[name]["peak_mb"].append(round(ended.peak_mb, 1))
    found["tokenize_sentences_per_second"] = round(sizes.growth[-1] / found["tokenize"]["seconds"][-1], 1)
    return found


def _with_its_work(
    place: Place, name: str, step: Callable[[int], Ended], count: int, pairs: int
) -> tuple[Ended, float]:
    """A run, and the seconds that its sentences took: those that it says itself.

    Or else what it takes longer than one of few sentences just before it; the median of some such pairs, where the
    difference is small.
    """
    if name in TIMED:
        ended = step(count)
        return ended, float(read_json(place.folder / f"{name}{count}" / "run.json")["seconds"])
    measured = [(step(SMALLEST), step(count)) for _ in range(1 if count >= 1_000_000 else pairs)]
    work = statistics.median(ended.seconds - start.seconds for start, ended in measured)
    return measured[-1][1], max(work, 0.0)
