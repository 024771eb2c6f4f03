"""A trained student computed with numpy: prediction needs neither torch nor its seconds of import.

The arithmetic is torch's (https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers); logits agree within 1e-5.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from distilrnn.artifacts.tensors import load_arrays
from distilrnn.errors import InputError
from distilrnn.models.embeddings import initial_embeddings
from distilrnn.params.student import StudentModelParams

LARGEST_TABLE = 1 << 26
"""Bytes that the product of all embeddings with the first layer's input weights may take."""

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


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
    table: np.ndarray | None = field(init=False, default=None)
    """The first layer's gates [rows, directions x gates x hidden] for every row, once that has become cheaper."""
    growing: Lock = field(init=False, default_factory=Lock)

    def __post_init__(self) -> None:
        self.row_of = np.full(self.vocabulary, -1, np.int64)
        self.row_of[self.token_ids] = np.arange(len(self.token_ids))
        self.embeddings = self.weights["embedding.weight"]

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
        self.table = None
        self.embeddings = np.concatenate([self.embeddings, vectors])
        self.row_of[new] = first + np.arange(len(new))  # last: other threads look here first

    def _pool(self, rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Rows [tokens, sentences], the longest sentence first, to [sentences, directions x hidden]."""
        steps, pooling = len(rows), self.params.pooling
        # How many sentences have a token at each step: only those are computed. last_step reads the padding too.
        read = np.full_like(lengths, steps) if pooling == "last_step" else lengths
        active = np.count_nonzero(read[:, None] > np.arange(steps), axis=0)
        states, last = None, None
        for layer in range(self.params.layers):
            gates = self._first_gates(rows) if states is None else self._gates(states, layer)
            states, last = self._layer(gates, active, layer)
        assert states is not None and last is not None
        if pooling == "last_step":
            return states[-1]
        if pooling == "last_token":
            return last
        if pooling == "mean":  # states behind a sentence's end are zero
            return states.sum(axis=0) / lengths[:, None].astype(np.float32)
        real = np.arange(steps)[:, None] < lengths
        return np.where(real[..., None], states, np.float32(-np.inf)).max(axis=0)

    @property
    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.params.bidirectional else ("",)

    def _first_gates(self, rows: np.ndarray) -> list[np.ndarray]:
        """The first layer's gates by direction: looked up for much text, computed for little."""
        embeddings, table = self.embeddings, self.table
        if table is None or len(table) < len(embeddings):
            size = len(embeddings) * len(self._directions) * len(self.weights["recurrent.weight_ih_l0"]) * 4
            if rows.size < len(embeddings) or size > LARGEST_TABLE:
                return self._gates(embeddings[rows], 0)
            table = self.table = np.concatenate(self._gates(embeddings, 0), axis=-1)
        return np.split(table[rows], len(self._directions), axis=-1)

    def _gates(self, inputs: np.ndarray, layer: int) -> list[np.ndarray]:
        """Inputs [..., features] to W x + b [..., gates x hidden], for each direction."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        return [
            (flat @ self._weight("weight_ih", layer, way).T + self._input_bias(layer, way)).reshape(
                *inputs.shape[:-1], -1
            )
            for way in self._directions
        ]

    def _layer(self, gates: list[np.ndarray], active: np.ndarray, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """States [tokens, sentences, directions x hidden], zero behind a sentence, and each direction's last state."""
        steps, sentences, hidden = len(active), gates[0].shape[1], self.params.hidden
        states = np.zeros((steps, sentences, hidden * len(gates)), np.float32)
        last = np.zeros((sentences, hidden * len(gates)), np.float32)
        for place, (way, inputs) in enumerate(zip(self._directions, gates, strict=True)):
            columns = slice(place * hidden, (place + 1) * hidden)
            step = self._step(layer, way)
            state = np.zeros((sentences, hidden), np.float32)
            memory = np.zeros_like(state)
            for time in reversed(range(steps)) if way else range(steps):
                count = int(active[time])
                state[:count], memory[:count] = step(inputs[time, :count], state[:count], memory[:count])
                states[time, :count, columns] = state[:count]
            last[:, columns] = state
        return states, last

    def _step(
        self, layer: int, way: str
    ) -> Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """One time step of a cell: gates of the input, state and (an LSTM's) memory to state and memory."""
        weight = np.ascontiguousarray(self._weight("weight_hh", layer, way).T)

        def rnn(gates: np.ndarray, state: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.tanh(gates + state @ weight), memory

        def lstm(gates: np.ndarray, state: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            entry, forget, candidate, exit_ = np.split(gates + state @ weight, 4, axis=1)
            memory = _sigmoid(forget) * memory + _sigmoid(entry) * np.tanh(candidate)
            return _sigmoid(exit_) * np.tanh(memory), memory

        bias = self._weight("bias_hh", layer, way)[2 * self.params.hidden :]

        def gru(gates: np.ndarray, state: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            cut = 2 * self.params.hidden
            recurrent = state @ weight
            reset, update = np.split(_sigmoid(gates[:, :cut] + recurrent[:, :cut]), 2, axis=1)
            candidate = np.tanh(gates[:, cut:] + reset * (recurrent[:, cut:] + bias))
            return candidate + update * (state - candidate), memory

        return {"rnn": rnn, "lstm": lstm, "gru": gru}[self.params.cell]

    def _input_bias(self, layer: int, way: str) -> np.ndarray:
        """The biases that are added to the input's gates: both, but a GRU's candidate has its own after the reset."""
        bias = self._weight("bias_ih", layer, way) + self._weight("bias_hh", layer, way)
        if self.params.cell == "gru":
            bias[2 * self.params.hidden :] = self._weight("bias_ih", layer, way)[2 * self.params.hidden :]
        return bias

    def _weight(self, name: str, layer: int, way: str) -> np.ndarray:
        return self.weights[f"recurrent.{name}_l{layer}{way}"]


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return np.float32(0.5) * (np.tanh(np.float32(0.5) * values) + np.float32(1))


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


def load_numpy_student(path: Path) -> tuple[NumpyStudent, str, dict[str, Any]]:
    """The student in a student.safetensors, its tokenizer.json, and its header; raises InputError."""
    arrays, header = load_arrays(path, "student")
    try:
        params = StudentModelParams.model_validate(header["model"])
        tokenizer = zlib.decompress(arrays.pop("tokenizer").tobytes()).decode()
        token_ids = arrays.pop("types" if "types" in arrays else "token_ids").astype(np.int64)  # as older files say
        shapes = _shapes(params, len(token_ids), len(header["classes"]))
        if {name: array.shape for name, array in arrays.items()} != shapes:
            raise ValueError("weights are missing, or have other shapes than the model's parameters say")
        student = NumpyStudent(params, arrays, token_ids, header["vocabulary"], header["seed"])
    except (KeyError, IndexError, ValueError, zlib.error) as error:
        raise InputError(
            f"{path}: is damaged ({' '.join(str(error).split())[:120]}): train the student again"
        ) from None
    return student, tokenizer, header
