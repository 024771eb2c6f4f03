"""The whole reference table on a GPU, timed: two teachers, two distilled students, the RNN; random weights, bf16.

    PYTHONPATH=src python -m benchmarks.gpu                                    # random tokens with CoLA's lengths
    PYTHONPATH=src python -m benchmarks.gpu --cola FOLDER --tokenizer FOLDER   # CoLA's own sentences
    PYTHONPATH=src python -m benchmarks.gpu --tiny                             # shows on any CPU that it runs

It needs torch, transformers, tokenizers, safetensors, numpy, pyarrow, pydantic, typer and rich; neither Snakemake, DVC
nor `datasets`. The training loop, models and losses are this package's own, as the rules use them. Timed: making the
models, moving them to the GPU, training with a validation on 527 sentences after each epoch, the teachers' passes over
all sentences. Not timed: importing Python's packages and reading the sentences. It writes benchmarks/results/gpu.json.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import data
from benchmarks.data import Data
from benchmarks.ours import arithmetic, dataset, our_fit, our_logits, our_student, our_teacher
from benchmarks.sizes import TINY, Sizes
from benchmarks.timing import RESULTS, multiply_rate, write_result
from distilrnn.cli.options import run
from distilrnn.errors import InputError
from distilrnn.models.lora import merge
from distilrnn.params.student import DistilParams
from distilrnn.runtime.device import configure_process, select_device
from distilrnn.training.distillation import distil_objective
from distilrnn.training.losses import label_objective

TEACHERS = {
    "gpt2": {"width": 768, "layers": 12, "heads": 12, "epochs": 10},
    "gpt2-medium": {"width": 1024, "layers": 24, "heads": 16, "epochs": 7},
}
STUDENT_EPOCHS = 4
DEV = 527


@dataclass(frozen=True)
class Row:
    """One system of the reference table."""

    system: str
    seconds: float
    flops: float
    """What the linear maps and the recurrent cell need for real tokens (padding not counted)."""


def measure(data: Data, tiny: bool) -> dict[str, Any]:
    """Train every system of the table, and return seconds and the distance from the machine's limit."""
    configure_process()
    device = select_device("auto")
    dtype = torch.bfloat16 if device.precision == "bf16" else torch.float32
    limit = multiply_rate(dtype, device.name, TINY.product if tiny else None)
    dev = data.part(min(DEV, len(data.rows) // 4), 0)
    rows: list[Row] = []
    logits: dict[str, list[np.ndarray]] = {}
    for name, shape in TEACHERS.items():
        epochs = 1 if tiny else shape["epochs"]
        sizes = TINY if tiny else Sizes(width=shape["width"], layers=shape["layers"], heads=shape["heads"])
        started = _now(device.name)
        teacher = our_teacher(sizes, device)
        max_tokens = device.max_tokens(sizes.width)
        our_fit(teacher, dataset(data), label_objective(), epochs, device, dataset(dev), max_tokens)
        flops = epochs * (arithmetic(teacher, data, training=True) + arithmetic(teacher, dev, training=False))
        rows.append(Row(f"lora-{name}", _now(device.name) - started, flops))
        started = _now(device.name)
        merge(teacher.body)
        logits[name] = [our_logits(teacher, part, device, sizes, batch_size=512) for part in (data, dev)]
        flops = arithmetic(teacher, data, training=False) + arithmetic(teacher, dev, training=False)
        rows.append(Row(f"logits of {name}", _now(device.name) - started, flops))
        del teacher
    for name in (*TEACHERS, None):
        started = _now(device.name)
        student = our_student(data, TINY if tiny else Sizes()).to(device.name)
        objective = label_objective() if name is None else distil_objective(DistilParams())
        train, validation = (
            dataset(part, logits=of_part)
            for part, of_part in zip((data, dev), logits.get(name, (None, None)), strict=True)
        )
        our_fit(student, train, objective, STUDENT_EPOCHS, device, validation)
        weights = student.recurrent.weight_ih_l0.numel() + student.recurrent.weight_hh_l0.numel()
        flops = STUDENT_EPOCHS * weights * (6 * len(data.tokens.ids) + 2 * len(dev.tokens.ids))
        rows.append(Row("rnn" if name is None else f"distilrnn-{name}", _now(device.name) - started, flops))
    total = sum(row.seconds for row in rows)
    return {
        "device": torch.cuda.get_device_name(0) if device.name == "cuda" else "cpu",
        "precision": device.precision,
        "limit_tflops": limit / 1e12,
        "sentences": len(data.rows),
        "systems": [
            {
                "system": row.system,
                "seconds": round(row.seconds, 3),
                "seconds_at_the_limit": round(row.flops / limit, 4),
                "share_of_limit": round(row.flops / limit / row.seconds, 4),
            }
            for row in rows
        ],
        "seconds": round(total, 3),
        "seconds_at_the_limit": round(sum(row.flops for row in rows) / limit, 3),
    }


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def main(
    cola: Annotated[Path | None, typer.Option(help="Folder of CoLA's raw TSV files.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="GPT-2's tokenizer.")] = None,
    output: Annotated[Path, typer.Option(help="Folder to write.")] = RESULTS,
    tiny: Annotated[bool, typer.Option("--tiny", help="Show that the code runs, on a CPU too.")] = False,
) -> None:
    """Train the whole reference table on the GPU, and say how far from the machine's limit it was."""
    if not torch.cuda.is_available() and not tiny:
        raise InputError("there is no GPU here: run this where torch sees one, or give --tiny to see that it runs")
    sentences = data.cola(cola, tokenizer) if cola and tokenizer else data.stand_in()
    if tiny:
        sentences = sentences.part(200, 0)
    figures = measure(sentences, tiny)
    write_result(output, "gpu", torch.get_num_threads(), 1, sentences.name, figures)
    table = Table("system", "seconds", "at the limit", "share", caption=f"limit {figures['limit_tflops']:.3g} TFLOP/s")
    for row in figures["systems"]:
        share = f"{100 * row['share_of_limit']:.1f} %"
        table.add_row(row["system"], f"{row['seconds']:.2f}", f"{row['seconds_at_the_limit']:.2f}", share)
    table.add_row("all", f"{figures['seconds']:.2f}", f"{figures['seconds_at_the_limit']:.2f}", "")
    Console(highlight=False).print(table)


if __name__ == "__main__":
    run(main)
