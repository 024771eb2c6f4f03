"""One kind of work on texts of one length, in a process of its own: prints the processor's seconds for a token.

`python -m benchmarks.read_text WORK LENGTH TOKENS THREADS WIDTH LAYERS`: WORK is train, checkpointed, score, student or
predict; so many texts of LENGTH tokens are read that they have TOKENS in all.
"""

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.console import Console
from torch import nn

from benchmarks.students import untrained_header
from distilrnn.data.batching import sorted_batches
from distilrnn.data.encoded import EncodedSplit
from distilrnn.inference import BATCH as PREDICT_BATCH
from distilrnn.inference import MAX_TOKENS
from distilrnn.models.checkpoints import save_student
from distilrnn.models.numpy_student import load_numpy_student
from distilrnn.models.student import Student
from distilrnn.models.teacher import Teacher, place, tune
from distilrnn.params.common import TrainingParams
from distilrnn.params.student import StudentModelParams
from distilrnn.params.teacher import TuningParams
from distilrnn.runtime.device import Device, configure_process, select_device
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.loop import TrainingRun, fit
from distilrnn.training.losses import label_objective
from distilrnn.training.predict import predict_logits
from distilrnn.training.progress import TrainingProgress

WORKS = ("train", "checkpointed", "score", "student", "predict")
VOCABULARY = 1_000
BATCH = 16


def texts(length: int, tokens: int) -> EncodedDataset:
    """Random texts."""
    count = max(2, tokens // length)
    random = np.random.RandomState(0)
    ids = random.randint(0, VOCABULARY, count * length)
    return EncodedDataset(EncodedSplit(ids, np.arange(count + 1) * length, np.arange(count) % 2), 0)


def llama(width: int, layers: int) -> Teacher:
    """A teacher with rotary positions, which have no end."""
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64),
        num_key_value_heads=max(1, width // 64),
        intermediate_size=4 * width,
        max_position_embeddings=8192,
    )
    teacher = Teacher(LlamaModel(config), 2)
    tune(teacher, TuningParams(rank=4))
    return teacher


def trained(model: nn.Module, data: EncodedDataset, device: Device, max_tokens: int | None) -> None:
    """An epoch, validated on one text."""
    params = TrainingParams(epochs=1, batch_size=BATCH, precision="fp32")
    few = EncodedDataset(data.tokens.select(np.arange(1)), 0)
    with TrainingProgress("benchmark", 1, len(data), Console(file=io.StringIO())) as progress:
        fit(model, data, few, label_objective(), TrainingRun(params, 0, device, progress, max_tokens=max_tokens))


def of_teacher(work: str, data: EncodedDataset, device: Device, width: int, layers: int) -> Callable[[], object]:
    """The work, ready to be done."""
    teacher = llama(width, layers)
    if work == "checkpointed":
        teacher.checkpoint_gradients()
    place(teacher, device)
    max_tokens = device.max_tokens(width)
    if work == "score":
        return lambda: predict_logits(teacher, data, BATCH, device, max_tokens)
    return lambda: trained(teacher, data, device, max_tokens)


def of_student(work: str, data: EncodedDataset, device: Device) -> Callable[[], object]:
    """The work, ready to be done."""
    params = StudentModelParams(cell="gru", embedding=128, hidden=128)
    student = Student(np.arange(VOCABULARY), 2, params, 0)
    if work == "student":
        return lambda: trained(student, data, device, None)
    header = untrained_header(params, VOCABULARY)
    with TemporaryDirectory() as folder:
        save_student(Path(folder) / "student.safetensors", student, np.arange(VOCABULARY), b"{}", header)
        asked, _, _ = load_numpy_student(Path(folder) / "student.safetensors")
    batches = sorted_batches(data.lengths, PREDICT_BATCH, MAX_TOKENS)
    return lambda: [asked(*data.tokens.padded(rows, 0)) for rows in batches]


def main(work: str, length: str, tokens: str, threads: str, width: str, layers: str) -> None:
    """Prepare the work, do it, and print what it took."""
    configure_process(int(threads))
    device, data = select_device("fp32"), texts(int(length), int(tokens))
    if work in ("student", "predict"):
        todo = of_student(work, data, device)
    else:
        todo = of_teacher(work, data, device, int(width), int(layers))
    started = time.process_time()
    todo()
    print(f"took {(time.process_time() - started) / data.tokens.lengths.sum():.9f} seconds a token")


if __name__ == "__main__":
    main(*sys.argv[1:])
