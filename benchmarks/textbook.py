"""The reference experiment as a textbook writes it: plain PyTorch, nothing slowed down, nothing tuned.

Every sentence is padded with end-of-text and cut to 20 tokens, in fp32, by a DataLoader; LoRA is a pair of matrices
beside each linear map; the student has a row for each of the 50,257 token types, trained by Adam; and every epoch of a
distillation runs the teacher again.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from transformers import GPT2Config, GPT2Model

LENGTH = 20
BATCH = 128
RATE = 1e-3
TEMPERATURE = 2.0


def dataset(rows: list[list[int]], labels: np.ndarray, end_of_text: int) -> TensorDataset:
    """Ids [sentences, 20], mask [sentences, 20] and labels [sentences]."""
    ids = torch.full((len(rows), LENGTH), end_of_text)
    mask = torch.zeros(len(rows), LENGTH, dtype=torch.long)
    for number, row in enumerate(rows):
        kept = row[:LENGTH]
        ids[number, : len(kept)] = torch.tensor(kept)
        mask[number, : len(kept)] = 1
    return TensorDataset(ids, mask, torch.from_numpy(labels))


def batches(data: TensorDataset, shuffle: bool = True) -> DataLoader:
    """Plain batches of 128."""
    return DataLoader(data, batch_size=BATCH, shuffle=shuffle)


class LoRA(nn.Module):
    """y = W x + b + (dropout(x) U) V^T beside a frozen map."""

    def __init__(self, frozen: nn.Module, rank: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        inputs, outputs = frozen.weight.shape  # GPT-2's Conv1D keeps [in, out]
        self.frozen = frozen
        self.dropout = nn.Dropout(dropout)
        self.U = nn.Parameter(torch.empty(inputs, rank))
        self.V = nn.Parameter(torch.empty(outputs, rank))
        nn.init.xavier_uniform_(self.U)
        nn.init.xavier_uniform_(self.V)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return self.frozen(x) + self.dropout(x) @ self.U @ self.V.T


class Teacher(nn.Module):
    """GPT-2, frozen but for LoRA and LayerNorms, with a linear head on the last real token."""

    def __init__(self, config: GPT2Config, classes: int = 2) -> None:
        super().__init__()
        self.gpt2 = GPT2Model(config)
        self.gpt2.requires_grad_(False)
        for block in self.gpt2.h:
            block.attn.c_attn = LoRA(block.attn.c_attn)
            block.attn.c_proj = LoRA(block.attn.c_proj)
            block.mlp.c_fc = LoRA(block.mlp.c_fc)
            block.mlp.c_proj = LoRA(block.mlp.c_proj)
        for module in self.gpt2.modules():
            if isinstance(module, nn.LayerNorm):
                module.requires_grad_(True)
        self.head = nn.Linear(config.n_embd, classes, bias=False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask [sentences, 20] to logits [sentences, classes]."""
        states = self.gpt2(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.head(states[torch.arange(len(ids)), mask.sum(1) - 1])


class Student(nn.Module):
    """Embedding, tanh RNN, linear head on the last time step."""

    def __init__(self, vocabulary: int, width: int = 768, classes: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.rnn = nn.RNN(width, width, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids [sentences, 20] to logits [sentences, classes]."""
        states, _ = self.rnn(self.embedding(ids))
        return self.head(states[:, -1])


def adam(model: nn.Module) -> torch.optim.Adam:
    """Adam on what is to be trained, as torch makes it."""
    return torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=RATE)


def train_teacher(teacher: Teacher, data: TensorDataset, optimizer: torch.optim.Adam) -> None:
    """One epoch of LoRA tuning."""
    teacher.train()
    for ids, mask, labels in batches(data):
        optimizer.zero_grad()
        F.cross_entropy(teacher(ids, mask), labels).backward()
        optimizer.step()


@torch.no_grad()
def score(teacher: Teacher, data: TensorDataset) -> Tensor:
    """The teacher's logits [sentences, classes]."""
    teacher.eval()
    return torch.cat([teacher(ids, mask) for ids, mask, _ in batches(data, shuffle=False)])


def distil(teacher: Teacher, student: Student, data: TensorDataset, optimizer: torch.optim.Adam, epochs: int) -> None:
    """Distillation: the teacher judges every batch of every epoch."""
    teacher.eval()
    student.train()
    for _ in range(epochs):
        for ids, mask, _ in batches(data):
            with torch.no_grad():
                said = teacher(ids, mask)
            optimizer.zero_grad()
            loss = TEMPERATURE**2 * F.kl_div(
                F.log_softmax(student(ids) / TEMPERATURE, dim=-1),
                F.softmax(said / TEMPERATURE, dim=-1),
                reduction="batchmean",
            )
            loss.backward()
            optimizer.step()


def train_student(student: Student, data: TensorDataset, optimizer: torch.optim.Adam) -> None:
    """One epoch of the baseline."""
    student.train()
    for ids, _, labels in batches(data):
        optimizer.zero_grad()
        F.cross_entropy(student(ids), labels).backward()
        optimizer.step()
