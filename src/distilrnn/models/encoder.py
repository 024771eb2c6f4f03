"""A student's pre-trained embedding and recurrent layers as a file."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distilrnn.artifacts.files import require_equal
from distilrnn.artifacts.tensors import load_tensors
from distilrnn.errors import InputError
from distilrnn.models.student import Student
from distilrnn.models.vectors import TokenVectors

ENCODER_FILE = "encoder.safetensors"
RECURRENT = "recurrent."


def encoder_tensors(student: Student) -> dict[str, Tensor]:
    """What an encoder's file holds: token ids, their embeddings, and the weights of the recurrent layers."""
    recurrent = {name: weight for name, weight in student.state_dict().items() if name.startswith(RECURRENT)}
    return {"token_ids": student.token_ids.int(), "embedding.weight": student.embedding.weight, **recurrent}


def load_encoder(path: Path, tokenizer_hash: str, width: int) -> tuple[TokenVectors, dict[str, Tensor]]:
    """An encoder's embeddings and recurrent weights; raises InputError where they are of another student."""
    tensors, header = load_tensors(path, "encoder")
    require_equal(header.get("tokenizer_hash"), tokenizer_hash, path, "tokenizer")
    try:
        token_ids = tensors.pop("token_ids").numpy().astype(np.int64)
        rows = tensors.pop("embedding.weight").numpy()
    except KeyError:
        raise InputError(f"{path}: is damaged: run the rule encoder again") from None
    if rows.shape != (len(token_ids), width):
        raise InputError(f"{path}: does not fit a student of embedding {width}: run the rule encoder again")
    return TokenVectors(token_ids, rows), tensors


def load_recurrent(student: Student, weights: dict[str, Tensor], path: Path) -> None:
    """Copy an encoder's weights into a student's recurrent layers; raises InputError where they do not fit."""
    own = {name: weight for name, weight in student.named_parameters() if name.startswith(RECURRENT)}
    if own.keys() != weights.keys() or any(own[name].shape != weights[name].shape for name in own):
        raise InputError(f"{path}: does not fit the student's recurrent layers: run the rule encoder again")
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(weights[name])
