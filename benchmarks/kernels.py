"""Topic kernels: what each of models/kernels brings alone, and what is lost without it, in a training step."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from benchmarks import textbook
from benchmarks.apart import Apart
from benchmarks.data import Data
from benchmarks.ours import dataset, our_fit, our_student, our_teacher
from benchmarks.sizes import Sizes
from benchmarks.students import STUDENTS
from benchmarks.timing import interleaved, spread
from distilrnn.models.kernels import KERNELS, VARIABLE
from distilrnn.models.student import Student
from distilrnn.runtime.device import configure_process, multiplies_bf16, select_device
from distilrnn.training.losses import label_objective

STEPS = {"rnn": "student", "bidirectional": "bidirectional student"}
"""Whose step a kernel belongs to, if not to a teacher's."""


class Steps:
    """Training steps of GPT-2's adapters, of a tanh RNN of its width, or of SST-2's student, with some kernels on.

    What is compared is processor time: what else the machine does changes it little.
    """

    def __init__(self, kind: str, data: Data, sizes: Sizes, threads: int, precision: str) -> None:
        configure_process(threads)
        self.kind, self.data, self.sizes, self.device = kind, data, sizes, select_device(precision)
        self.max_tokens = self.device.max_tokens(sizes.width) if kind == "teacher" else None

    def saved(self, kernel: str) -> dict[str, Any]:
        """What a kernel saves of a plain step, and by how much a step with all gets longer without it, in percent."""
        others = ",".join(other for other in KERNELS if other != kernel)
        settings = {"plain": "plain", "alone": kernel, "without": others, "all": "all"}
        models = {name: self._model(setting) for name, setting in settings.items()}

        def step(name: str) -> Callable[[int], float]:
            return lambda number: self._seconds(models[name], settings[name], number)

        repeats = self.sizes.kernel_repeats
        times = interleaved({name: step(name) for name in settings}, repeats, warm_up=repeats)
        alone = [100 * (1 - fast / slow) for fast, slow in zip(times["alone"], times["plain"], strict=True)]
        lost = [100 * (slow / fast - 1) for fast, slow in zip(times["all"], times["without"], strict=True)]
        least = {name: min(values) for name, values in times.items()}
        return {
            "step": self.kind,
            "alone_percent": spread(alone),
            "without_percent": spread(lost),
            "alone_percent_of_fastest": 100 * (1 - least["alone"] / least["plain"]),
            "without_percent_of_fastest": 100 * (least["without"] / least["all"] - 1),
            "seconds": {name: spread(values) for name, values in times.items()},
        }

    def _model(self, setting: str) -> nn.Module:
        os.environ[VARIABLE] = setting  # some kernels are put into a model when it is built
        if self.kind == "teacher":
            return our_teacher(self.sizes, self.device)
        if self.kind == "student":
            return our_student(self.data, self.sizes)
        return Student(self.data.types, 2, STUDENTS["sst2"], 0)

    def _seconds(self, model: nn.Module, setting: str, number: int) -> float:
        os.environ[VARIABLE] = setting
        count = self.sizes.kernel_sentences if self.kind == "teacher" else 8 * self.sizes.kernel_sentences
        part = self.data.batches(count, textbook.BATCH, number)
        started = time.process_time()
        our_fit(model, dataset(part), label_objective(), 1, self.device, max_tokens=self.max_tokens)
        return time.process_time() - started


def measure_kernels(data: Data, sizes: Sizes, threads: int) -> dict:
    """The share of a step's time that each kernel saves, in each format."""
    saved: dict[str, dict[str, Any]] = {}
    for precision in ["fp32", *(["bf16"] if multiplies_bf16("cpu") else [])]:
        saved[precision] = {}
        for kind in ("teacher", *STEPS.values()):
            with Apart(Steps, kind, data, sizes, threads, precision) as steps:
                for kernel in KERNELS:
                    if STEPS.get(kernel, "teacher") == kind:
                        saved[precision][kernel] = steps.call("saved", kernel)
    return {"sentences": sizes.kernel_sentences, "saved": saved}


def rows(figures: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """For the table."""
    for precision, kernels in figures["saved"].items():
        for kernel, of in kernels.items():
            for key, name in (("alone_percent", "alone saves"), ("without_percent", "without it")):
                value, sign = of[key], "+" if key.startswith("without") else ""
                yield (
                    f"kernel {kernel}, {precision}, {of['step']}'s step: {name}",
                    f"{value['median']:{sign}.1f} %",
                    f"{value['low']:.1f} to {value['high']:.1f}",
                )
