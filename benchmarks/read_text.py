"""One kind of work on texts of one length, in a process of its own: prints the seconds it took.

`python -m benchmarks.read_text WORK LENGTH TOKENS THREADS WIDTH LAYERS`: WORK is train, checkpointed, score, student or
predict; so many texts of LENGTH tokens are read that they have TOKENS in all.
"""

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.console import Console
from transformers import LlamaConfig, LlamaModel

from benchmarks.timing import seconds
from distilrnn.data.encoded import EncodedSplit
from distilrnn.models.checkpoints import save_student
from distilrnn.models.numpy_student import load_numpy_student
from distilrnn.models.student import Student
from distilrnn.models.teacher import Teacher, place, tune
from distilrnn.params.common import TrainingParams
from distilrnn.params.student import StudentModelParams
from distilrnn.params.teacher import TuningParams
from distilrnn.runtime.device import configure_process, select_device
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


def main(work: str, length: str, tokens: str, threads: str, width: str, layers: str) -> None:
    """Do the work once on a text, uncounted, and then on all."""
    configure_process(int(threads))
    device = select_device("fp32")
    data = texts(int(length), int(tokens))
    model = StudentModelParams(cell="gru", embedding=128, hidden=128)

    def trained(one: torch.nn.Module, max_tokens: int | None) -> float:
        params = TrainingParams(epochs=1, batch_size=BATCH, precision="fp32")
        with TrainingProgress("benchmark", 1, len(data), Console(file=io.StringIO())) as progress:
            few = EncodedDataset(data.tokens.select(np.arange(1)), 0)
            return fit(
                one, data, few, label_objective(), TrainingRun(params, 0, device, progress, max_tokens=max_tokens)
            ).seconds

    if work in ("train", "checkpointed", "score"):
        teacher = llama(int(width), int(layers))
        if work == "checkpointed":
            teacher.checkpoint_gradients()
        place(teacher, device)
        max_tokens = device.max_tokens(int(width))
        if work == "score":
            took = seconds(lambda: predict_logits(teacher, data, BATCH, device, max_tokens))
        else:
            took = trained(teacher, max_tokens)
    elif work == "student":
        took = trained(Student(np.arange(VOCABULARY), 2, model, 0), None)
    else:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "student.safetensors"
            header = {"classes": ["no", "yes"], "model": model.model_dump(mode="json"), "seed": 0}
            student = Student(np.arange(VOCABULARY), 2, model, 0)
            save_student(path, student, np.arange(VOCABULARY), b"{}", {**header, "vocabulary": VOCABULARY})
            asked, _, _ = load_numpy_student(path)
        rows = np.array_split(np.arange(len(data)), max(1, len(data) * int(length) // 16_384))
        took = seconds(lambda: [asked(*data.tokens.padded(some, 0)) for some in rows])
    print(f"took {took / (len(data) * int(length)):.9f} seconds a token")


if __name__ == "__main__":
    main(*sys.argv[1:])
