"""Models, training and inference of this package, as the rules use them."""

import io

import numpy as np
import torch
from rich.console import Console
from torch import nn
from transformers import GPT2Config, GPT2Model

from benchmarks import textbook
from benchmarks.data import END_OF_TEXT, VOCABULARY, Data
from benchmarks.sizes import Sizes
from distilrnn.models.kernels.last_token import last_token_modules
from distilrnn.models.lora import linear_layers
from distilrnn.models.student import Student
from distilrnn.models.teacher import Teacher, place, tune
from distilrnn.params.common import TrainingParams
from distilrnn.params.student import StudentModelParams
from distilrnn.params.teacher import TuningParams
from distilrnn.runtime.device import Device
from distilrnn.training.batch import EncodedDataset, Objective, Step
from distilrnn.training.loop import TrainingRun, fit
from distilrnn.training.predict import predict_logits
from distilrnn.training.progress import TrainingProgress

RANK = 4


def gpt2(sizes: Sizes) -> GPT2Config:
    """GPT-2's own shape, or a smaller one to try the code with; dropout 0 as in the reference."""
    return GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=sizes.width,
        n_layer=sizes.layers,
        n_head=sizes.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )


def our_teacher(sizes: Sizes, device: Device) -> Teacher:
    """A teacher of this package with random weights."""
    teacher = Teacher(GPT2Model(gpt2(sizes)), 2)
    tune(teacher, TuningParams(rank=RANK, init="xavier"))
    return place(teacher, device)


def dataset(data: Data, width: int | None = None, logits: np.ndarray | None = None) -> EncodedDataset:
    """Sentences as this package's training reads them, with a teacher's logits where there are some."""
    return EncodedDataset(data.tokens, END_OF_TEXT, width, logits)


def our_fit(
    model: nn.Module,
    train: EncodedDataset,
    objective: Objective,
    epochs: int,
    device: Device,
    validation: EncodedDataset | None = None,
    max_tokens: int | None = None,
) -> float:
    """Seconds of this package's own training loop, with its validation where there is some to do.

    Contestants have no validation, so that ours is then one of nothing.
    """
    if validation is None:
        validation, objective = EncodedDataset(train.tokens.select(np.arange(1)), END_OF_TEXT), _in_training(objective)
    params = TrainingParams(epochs=epochs, batch_size=textbook.BATCH, learning_rate=textbook.RATE)
    with TrainingProgress("benchmark", epochs, len(train), Console(file=io.StringIO())) as progress:
        run = TrainingRun(params, 0, device, progress, max_tokens=max_tokens)
        return fit(model, train, validation, objective, run).seconds


def _in_training(objective: Objective) -> Objective:
    """The objective in training, and nothing in validation."""
    return lambda model, batch: (
        objective(model, batch) if model.training else Step(torch.zeros(()), torch.zeros(()), len(batch.labels))
    )


def our_logits(
    teacher: Teacher, data: Data, device: Device, sizes: Sizes, batch_size: int = textbook.BATCH
) -> np.ndarray:
    """The teacher's logits [sentences, 2]."""
    sentences = EncodedDataset(data.tokens, END_OF_TEXT)
    return predict_logits(teacher, sentences, batch_size, device, device.max_tokens(sizes.width))


def our_student(data: Data, sizes: Sizes, pooling: str = "last_token") -> Student:
    """A student with a row for every type of the whole corpus."""
    return Student(data.types, 2, StudentModelParams(embedding=sizes.width, hidden=sizes.width, pooling=pooling), 0)


def arithmetic(teacher: Teacher, data: Data, training: bool) -> float:
    """FLOPs that the linear maps need for these sentences' real tokens.

    A map costs 2 FLOPs a weight forward and 2 for its input's gradient; a frozen one has no gradient of its own; the
    adapters' matrices cost as much again for theirs. The last MLP and the map before it are needed at one token a
    sentence. Attention's products, norms and the embedding, which are small, are left out.
    """
    last = {id(m) for alone in last_token_modules(teacher.body) for m in linear_layers(alone).values()}
    tokens, sentences = sum(map(len, data.rows)), len(data.rows)
    total = 0.0
    for module in linear_layers(teacher.body).values():
        read = sentences if id(module) in last else tokens
        adapter = RANK * sum(module.weight.shape)
        total += read * (4 * module.weight.numel() + 6 * adapter if training else 2 * module.weight.numel())
    return total
