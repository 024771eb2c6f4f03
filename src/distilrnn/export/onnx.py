"""A student as an ONNX graph, written operator by operator.

Inputs: `ids` int64 [sentences, tokens], padded on the right with any id of the vocabulary, and `lengths` int64
[sentences]. Outputs: `logits` and `probabilities`, float32 [sentences, classes]. Cutting to the maximum length, and
padding to it where the last step is read, are part of the graph.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from distilrnn.data.long_texts import TextLimit
from distilrnn.errors import InputError
from distilrnn.models.student import Student

if TYPE_CHECKING:
    from torch import Tensor

OPSET, IR_VERSION = 17, 8
"""Old enough for the runtimes in use; every operator below means there what it means today."""

OPERATORS = {"rnn": ("RNN", [0]), "gru": ("GRU", [1, 0, 2]), "lstm": ("LSTM", [0, 3, 1, 2])}
"""ONNX's operator for each cell, and the order in which it wants torch's gates."""

LARGEST = 2**31 - 1
"""Bytes that one ONNX file can have."""


class _Graph:
    """Nodes and constants in the making; a value is known by its name."""

    def __init__(self, int8: bool) -> None:
        self.int8 = int8
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:  # noqa: ANN401
        """Add a node, and return the name of its first output; the second's ends with .1."""
        name = f"{operator}{len(self.nodes)}"
        names = [name, *(f"{name}.{number}" for number in range(1, outputs))]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return name

    def constant(self, value: np.ndarray | np.generic | list[int] | int) -> str:
        """Add a constant, and return its name; what is no array becomes int64."""
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weights(self, value: np.ndarray, rows: str | None = None) -> str:
        """Weights float32 [..., out, in], kept as integers in an int8 graph; of a matrix, only `rows` where given."""
        names = [self.constant(part) for part in (quantized(value) if self.int8 else [value])]
        if rows is not None:
            names = [self.add("Gather", name, rows) for name in names]
        return self.add("Mul", self.add("Cast", names[0], to=TensorProto.FLOAT), names[1]) if self.int8 else names[0]


def quantized(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows float32 [..., n] as integers int8 [..., n] and scales float32 [..., 1], whose products they nearly are."""
    scale = np.abs(value).max(axis=-1, keepdims=True) / np.float32(127)
    scale[scale == 0] = 1
    return np.rint(value / scale).astype(np.int8), scale


def student_onnx(student: Student, vocabulary: int, pad_id: int, limit: TextLimit, int8: bool) -> bytes:
    """The ONNX file of a student for ids of a vocabulary of this size.

    A token that the student has no row for gets a vector of zeros. With `int8`, every weight matrix is kept as
    integers with one scale a row, and unpacked for the arithmetic, which stays float32.

    Raises:
        InputError: the student has more token vectors than one ONNX file can hold.
    """
    size = sum(weight.numel() for weight in student.parameters()) * (1 if int8 else 4)
    if size > LARGEST:
        raise InputError(
            f"{len(student.token_ids):,} token vectors do not fit into one ONNX file: export with --vocabulary seen"
        )
    graph = _Graph(int8)
    ids, lengths = "ids", "lengths"
    max_length = limit.limit
    if max_length is not None:
        ids = _cut(graph, ids, lengths, max_length, limit.head)
        lengths = graph.add("Min", lengths, graph.constant(max_length))
    if student.params.pooling == "last_step" and max_length is not None:
        ids = graph.add("Where", _is_real(graph, ids, lengths), ids, graph.constant(pad_id))
        missing = graph.add("Sub", graph.constant([max_length]), _width(graph, ids, [1]))
        pads = graph.add("Concat", graph.constant([0, 0, 0]), missing, axis=0)
        ids = graph.add("Pad", ids, pads, graph.constant(pad_id))
    pooled = _pooled(graph, student, _embedded(graph, student, vocabulary, ids), ids, lengths)
    head = graph.weights(_array(student.head.weight)), graph.constant(_array(student.head.bias))
    logits = graph.add("Gemm", pooled, *head, transB=1)
    graph.nodes.append(helper.make_node("Identity", [logits], ["logits"]))
    graph.nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"]))
    return _file(graph, student.head.out_features)


def _cut(graph: _Graph, ids: str, lengths: str, limit: int, head: int | None) -> str:
    """Of a text that is longer than `limit`, its first `head` tokens and as many of its last as fill up the limit."""
    if head is None or head == limit:
        return graph.add("Slice", ids, graph.constant([0]), graph.constant([limit]), graph.constant([1]))
    steps = graph.add("Range", graph.constant(0), _width(graph, ids, 1), graph.constant(1))
    steps = graph.add("Slice", steps, graph.constant([0]), graph.constant([limit]), graph.constant([0]))
    rest = graph.add("Max", graph.add("Sub", lengths, graph.constant(limit)), graph.constant(0))
    shifted = graph.add("Add", graph.add("Unsqueeze", rest, graph.constant([1])), steps)
    # Behind a short text lies padding, where the shift is 0.
    places = graph.add("Where", graph.add("Less", steps, graph.constant(head)), steps, shifted)
    return graph.add("GatherElements", ids, places, axis=1)


def _embedded(graph: _Graph, student: Student, vocabulary: int, ids: str) -> str:
    """Ids [sentences, tokens] to vectors [sentences, tokens, embedding]."""
    table, token_ids = _array(student.embedding.weight), student.token_ids.cpu().numpy()
    if len(token_ids) < vocabulary:
        table = np.concatenate([table, np.zeros_like(table[:1])])
        rows = np.full(vocabulary, len(token_ids), np.int32)
        rows[token_ids] = np.arange(len(token_ids))
        ids = graph.add("Gather", graph.constant(rows), ids)
    return graph.weights(table, ids)


def _pooled(graph: _Graph, student: Student, vectors: str, ids: str, lengths: str) -> str:
    """Vectors [sentences, tokens, embedding] to what the head reads, [sentences, states]; see Student._pool."""
    params = student.params
    to_the_end = params.pooling == "last_step"
    ends = "" if to_the_end else graph.add("Cast", lengths, to=TensorProto.INT32)
    states = graph.add("Transpose", vectors, perm=[1, 0, 2])
    for layer in range(params.layers):
        operator, weights = _cell(graph, student, layer)
        direction = "bidirectional" if params.bidirectional else "forward"
        settings = {"hidden_size": params.hidden, "direction": direction}
        if operator == "GRU":
            settings["linear_before_reset"] = 1  # torch multiplies by the reset gate after the recurrent map
        outputs = graph.add(operator, states, *weights, ends, outputs=2, **settings)
        # [tokens, directions, sentences, hidden] to [tokens, sentences, directions * hidden]
        states = graph.add("Transpose", outputs, perm=[0, 2, 1, 3])
        states = graph.add("Reshape", states, graph.constant([0, 0, -1]))
    if to_the_end:
        return graph.add("Gather", states, graph.constant(-1), axis=0)
    if params.pooling == "last_token":
        last = graph.add("Transpose", f"{outputs}.1", perm=[1, 0, 2])
        return graph.add("Reshape", last, graph.constant([0, -1]))
    states = graph.add("Transpose", states, perm=[1, 0, 2])
    real = graph.add("Unsqueeze", _is_real(graph, ids, lengths), graph.constant([2]))
    if params.pooling == "max":
        states = graph.add("Where", real, states, graph.constant(np.float32(-np.inf)))
        return graph.add("ReduceMax", states, axes=[1], keepdims=0)
    states = graph.add("Where", real, states, graph.constant(np.float32(0)))
    total = graph.add("ReduceSum", states, graph.constant([1]), keepdims=0)
    count = graph.add("Unsqueeze", graph.add("Cast", lengths, to=TensorProto.FLOAT), graph.constant([1]))
    return graph.add("Div", total, count)


def _cell(graph: _Graph, student: Student, layer: int) -> tuple[str, list[str]]:
    """A layer's operator and its weights W, R and B, in which the directions are stacked."""
    operator, order = OPERATORS[student.params.cell]

    def stacked(name: str) -> np.ndarray:
        directions = ["", "_reverse"] if student.params.bidirectional else [""]
        arrays = [_array(getattr(student.recurrent, f"{name}_l{layer}{direction}")) for direction in directions]
        gates = [np.split(array, len(order)) for array in arrays]
        return np.stack([np.concatenate([of[gate] for gate in order]) for of in gates])

    bias = np.concatenate([stacked("bias_ih"), stacked("bias_hh")], axis=1)
    return operator, [graph.weights(stacked("weight_ih")), graph.weights(stacked("weight_hh")), graph.constant(bias)]


def _width(graph: _Graph, ids: str, axis: list[int] | int) -> str:
    """The number of tokens, shaped as `axis` is, which holds 1."""
    return graph.add("Gather", graph.add("Shape", ids), graph.constant(axis))


def _is_real(graph: _Graph, ids: str, lengths: str) -> str:
    """Bool [sentences, tokens]: what is no padding."""
    steps = graph.add("Range", graph.constant(0), _width(graph, ids, 1), graph.constant(1))
    return graph.add("Less", steps, graph.add("Unsqueeze", lengths, graph.constant([1])))


def _array(weight: "Tensor") -> np.ndarray:
    return weight.detach().cpu().numpy()


def _file(graph: _Graph, classes: int) -> bytes:
    integers, reals = TensorProto.INT64, TensorProto.FLOAT
    inputs = [("ids", integers, ["sentences", "tokens"]), ("lengths", integers, ["sentences"])]
    outputs = [(name, reals, ["sentences", classes]) for name in ("logits", "probabilities")]
    made = helper.make_graph(
        graph.nodes,
        "student",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="distilrnn")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model.SerializeToString()
