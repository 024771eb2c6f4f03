"""A trained student computed with numpy: prediction needs neither torch nor its seconds of import.

The arithmetic is torch's (https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers); logits agree within 1e-5.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np

from distilrnn.artifacts.tensors import load_arrays
from distilrnn.errors import InputError
from distilrnn.models.embeddings import initial_embeddings
from distilrnn.models.student_header import StudentHeader
from distilrnn.params.student import StudentModelParams

LARGEST_TABLE = 1 << 26
"""Bytes that the product of all embeddings with the first layer's input weights may take."""

GATES = {"rnn": 1, "gru": 3, "lstm": 4}

Inputs = Callable[[int, int], np.ndarray]
"""A time step and a number of sentences to what the gates are given of their tokens, [sentences, gates x hidden]."""


@dataclass
class NumpyStudent:
    """The weights of a trained student, and its forward pass."""

    params: StudentModelParams
    weights: Mapping[str, np.ndarray]
    """float32 arrays by the names of torch's state dict."""
    token_ids: np.ndarray
    """int64 [rows]: the ids that the embedding has rows for, sorted."""
    vocabulary: int
    seed: int
    row_of: np.ndarray = field(init=False)
    """int64 [vocabulary]: the embedding's row of each id; -1 where training never saw it."""
    embeddings: np.ndarray = field(init=False)
    """float32 [rows, embedding]; grows by the initial vectors of unknown ids."""
    cells: list[list["_Cell"]] = field(init=False)
    """By layer and direction."""
    tables: list[np.ndarray] | None = field(init=False, default=None)
    """The first layer's inputs for every row, [rows, gates x hidden] by direction, once that has become cheaper."""
    growing: Lock = field(init=False, default_factory=Lock)

    def __post_init__(self) -> None:
        self.row_of = np.full(self.vocabulary, -1, np.int64)
        self.row_of[self.token_ids] = np.arange(len(self.token_ids))
        self.embeddings = self.weights["embedding.weight"]
        ways = ("", "_reverse") if self.params.bidirectional else ("",)
        self.cells = [
            [_Cell(self.params, self.weights, f"_l{layer}{way}") for way in ways] for layer in range(self.params.layers)
        ]

    def __call__(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Ids [sentences, tokens], padded on the right, and lengths [sentences] to logits [sentences, classes]."""
        rows = self._rows(ids)
        order = np.argsort(-lengths, kind="stable")
        pooled = self._pool(rows[order].T, lengths[order])
        logits = np.empty((len(lengths), len(self.weights["head.bias"])), np.float32)
        logits[order] = pooled @ self.weights["head.weight"].T + self.weights["head.bias"]
        return logits

    def _rows(self, ids: np.ndarray) -> np.ndarray:
        """The rows of these ids; one that training never saw gets the vector that a full embedding began with."""
        rows = self.row_of[ids]
        if (rows < 0).any():
            with self.growing:
                self._grow(ids)
            rows = self.row_of[ids]
        return rows

    def _grow(self, ids: np.ndarray) -> None:
        new = np.unique(ids[self.row_of[ids] < 0])
        vectors = initial_embeddings(self.seed, new, self.params.embedding)
        first = len(self.embeddings)
        self.tables = None
        self.embeddings = np.concatenate([self.embeddings, vectors])
        self.row_of[new] = first + np.arange(len(new))  # last: other threads look here first

    def _pool(self, rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Rows [tokens, sentences], the longest sentence first, to [sentences, directions x hidden]."""
        steps, pooling = len(rows), self.params.pooling
        # How many sentences have a token at each step: only those are computed. last_step reads the padding too.
        read = np.full_like(lengths, steps) if pooling == "last_step" else lengths
        active = np.count_nonzero(read[:, None] > np.arange(steps), axis=0)
        states, last = np.empty(0), np.empty(0)
        for cells in self.cells:
            inputs = self._first_inputs(rows) if cells is self.cells[0] else _inputs(states, cells)
            # What is behind a sentence's end adds nothing to a sum, and to a maximum neither.
            behind = -np.inf if pooling == "max" and cells is self.cells[-1] else 0
            states = np.full((steps, len(lengths), self.params.hidden * len(cells)), behind, np.float32)
            last = _run(cells, inputs, active, states)
        if pooling == "last_step":
            return states[-1]
        if pooling == "last_token":
            return last
        if pooling == "mean":
            return states.sum(axis=0) / lengths[:, None].astype(np.float32)
        return states.max(axis=0)

    def _first_inputs(self, rows: np.ndarray) -> list[Inputs]:
        """The first layer's inputs by direction: looked up for much text, computed for little."""
        embeddings, tables = self.embeddings, self.tables
        if tables is None or len(tables[0]) < len(embeddings):
            size = len(embeddings) * sum(cell.bias.nbytes for cell in self.cells[0])
            if rows.size < len(embeddings) or size > LARGEST_TABLE:
                return _inputs(embeddings[rows], self.cells[0])
            tables = self.tables = [embeddings @ cell.weight + cell.bias for cell in self.cells[0]]
        return [partial(_looked_up, table, rows) for table in tables]


def _run(cells: list["_Cell"], inputs: list[Inputs], active: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Write a layer's states [tokens, sentences, directions x hidden]; each direction's last one of a sentence."""
    last = np.zeros(states.shape[1:], np.float32)
    for way, (cell, inputs_at) in enumerate(zip(cells, inputs, strict=True)):
        columns = slice(way * cell.hidden, (way + 1) * cell.hidden)
        state = last[:, columns]
        memory = np.zeros_like(state)
        for time in reversed(range(len(active))) if way else range(len(active)):
            count = int(active[time])
            state[:count] = cell.step(inputs_at(time, count), state[:count], memory[:count])
            states[time, :count, columns] = state[:count]
    return last


def _looked_up(table: np.ndarray, rows: np.ndarray, time: int, count: int) -> np.ndarray:
    return table[rows[time, :count]]


def _inputs(vectors: np.ndarray, cells: list["_Cell"]) -> list[Inputs]:
    """What each cell of a layer is given of the vectors [tokens, sentences, features]."""
    flat = vectors.reshape(-1, vectors.shape[-1])
    gates = [(flat @ cell.weight + cell.bias).reshape(*vectors.shape[:-1], -1) for cell in cells]
    return [partial(_first, array) for array in gates]


def _first(gates: np.ndarray, time: int, count: int) -> np.ndarray:
    return gates[time, :count]


class _Cell:
    """A layer's weights in one direction, and its time step.

    A sigmoid is computed as (1 + tanh(x / 2)) / 2: one tanh is taken of all gates. The halves are in the weights, which
    is exact.
    """

    def __init__(self, params: StudentModelParams, weights: Mapping[str, np.ndarray], suffix: str) -> None:
        kind, hidden = params.cell, params.hidden
        self.hidden = hidden
        self.step = {"rnn": self._rnn, "gru": self._gru, "lstm": self._lstm}[kind]
        weight, recurrent, bias, recurrent_bias = (
            weights[f"recurrent.{name}{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        half = np.full(GATES[kind] * hidden, 0.5, np.float32)  # of each row of the weights
        if kind == "rnn":
            half[:] = 1
        elif kind == "lstm":
            half[2 * hidden : 3 * hidden] = 1  # the candidate
        recurrent_half = half
        if kind == "gru":
            half = half.copy()
            half[2 * hidden :] = 1
            # The candidate's recurrent part is multiplied by the reset gate: half of it, by twice the gate.
            self.candidate_bias = 0.5 * recurrent_bias[2 * hidden :]
            recurrent_bias = recurrent_bias.copy()
            recurrent_bias[2 * hidden :] = 0
        self.bias = half * (bias + recurrent_bias)
        """float32 [gates x hidden]: all that is added to the inputs."""
        self.weight = np.ascontiguousarray((weight * half[:, None]).T)
        """float32 [features, gates x hidden]."""
        self.recurrent = np.ascontiguousarray((recurrent * recurrent_half[:, None]).T)
        """float32 [hidden, gates x hidden]."""

    def _rnn(self, inputs: np.ndarray, state: np.ndarray, _memory: np.ndarray) -> np.ndarray:
        """Inputs [sentences, gates x hidden], state and (an LSTM's) memory to the state; memory is changed in place."""
        gates = state @ self.recurrent
        gates += inputs
        return np.tanh(gates, out=gates)

    def _lstm(self, inputs: np.ndarray, state: np.ndarray, memory: np.ndarray) -> np.ndarray:
        gates = self._rnn(inputs, state, memory)
        entry, forget, candidate, exit_ = (
            gates[:, start : start + self.hidden] for start in range(0, gates.shape[1], self.hidden)
        )
        entry += 1
        entry *= candidate
        forget += 1
        memory *= forget
        memory += entry
        memory *= np.float32(0.5)
        exit_ += 1
        exit_ *= np.float32(0.5)
        exit_ *= np.tanh(memory)
        return exit_

    def _gru(self, inputs: np.ndarray, state: np.ndarray, _memory: np.ndarray) -> np.ndarray:
        cut = 2 * self.hidden
        recurrent = state @ self.recurrent
        gates, candidate = recurrent[:, :cut], recurrent[:, cut:]
        gates += inputs[:, :cut]
        np.tanh(gates, out=gates)
        gates += 1
        reset, update = gates[:, : self.hidden], gates[:, self.hidden :]
        candidate += self.candidate_bias
        candidate *= reset
        candidate += inputs[:, cut:]
        np.tanh(candidate, out=candidate)
        update *= np.float32(0.5)
        update *= state - candidate
        candidate += update
        return candidate


def _shapes(params: StudentModelParams, rows: int, classes: int) -> dict[str, tuple[int, ...]]:
    """The shape of every weight of a student."""
    directions = ("", "_reverse") if params.bidirectional else ("",)
    gates = GATES[params.cell] * params.hidden
    states = params.hidden * len(directions)
    shapes: dict[str, tuple[int, ...]] = {
        "embedding.weight": (rows, params.embedding),
        "head.weight": (classes, states),
        "head.bias": (classes,),
    }
    for layer in range(params.layers):
        for way in directions:
            shapes[f"recurrent.weight_ih_l{layer}{way}"] = gates, states if layer else params.embedding
            shapes[f"recurrent.weight_hh_l{layer}{way}"] = gates, params.hidden
            shapes[f"recurrent.bias_ih_l{layer}{way}"] = (gates,)
            shapes[f"recurrent.bias_hh_l{layer}{way}"] = (gates,)
    return shapes


def load_numpy_student(path: Path) -> tuple[NumpyStudent, str, StudentHeader]:
    """The student in a student.safetensors, its tokenizer.json, and its header; raises InputError."""
    arrays, values = load_arrays(path, "student")
    header = StudentHeader.parse(values, path)
    try:
        tokenizer = zlib.decompress(arrays.pop("tokenizer").tobytes()).decode()
        token_ids = arrays.pop("types" if "types" in arrays else "token_ids").astype(np.int64)  # as older files say
        shapes = _shapes(header.model, len(token_ids), len(header.classes))
        if {name: array.shape for name, array in arrays.items()} != shapes:
            raise ValueError("weights are missing, or have other shapes than the model's parameters say")
        student = NumpyStudent(header.model, arrays, token_ids, header.vocabulary, header.seed)
    except (KeyError, IndexError, ValueError, zlib.error) as error:
        raise InputError(
            f"{path}: is damaged ({' '.join(str(error).split())[:120]}): train the student again"
        ) from None
    return student, tokenizer, header
