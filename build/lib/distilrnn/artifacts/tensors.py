"""Tensor files: safetensors with a JSON header.

The header holds the kind ('adapter', 'logits', 'student', 'state') and the settings that are needed to use the file.
Pickle is neither written nor read.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distilrnn.artifacts.files import whole_file
from distilrnn.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch

HEADER_KEY = "distilrnn"
"""All metadata is one JSON text under one key, since safetensors writes several keys in random order."""


FORMAT = 1


NUMBERS = {
    "float64": "F64",
    "int64": "I64",
    "float32": "F32",
    "int32": "I32",
    "bfloat16": "BF16",
    "float16": "F16",
    "uint8": "U8",
}
"""safetensors' names of the dtypes."""


def _head(
    kind: str, header: dict[str, Any], shapes: "Mapping[str, tuple[str, int, tuple[int, ...]]]"
) -> tuple[bytes, dict[str, int], int]:
    """The bytes before the tensors, where each begins in the file, and where the last one ends.

    `shapes` are name of type, bytes a number and shape, by name. Large numbers come first, so that all are aligned.
    """
    text = json.dumps({"kind": kind, "format": FORMAT, **header}, sort_keys=True, allow_nan=False)
    described: dict[str, Any] = {"__metadata__": {HEADER_KEY: text}}
    starts, end = {}, 0
    for name in sorted(shapes, key=lambda name: (-shapes[name][1], name)):
        numbers, size, shape = shapes[name]
        starts[name], end = end, end + size * math.prod(shape)
        described[name] = {"dtype": NUMBERS[numbers], "shape": list(shape), "data_offsets": [starts[name], end]}
    head = json.dumps(described, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    head = len(head).to_bytes(8, "little") + head
    return head, {name: len(head) + start for name, start in starts.items()}, len(head) + end


def save_tensors(path: Path, kind: str, tensors: "dict[str, torch.Tensor]", header: dict[str, Any]) -> None:
    """Write tensors with their header as one safetensors file, atomically and with the same bytes every time.

    One tensor at a time: the library's own writer holds a copy of all of them.
    """
    import torch

    shapes = {n: (str(t.dtype).removeprefix("torch."), t.element_size(), tuple(t.shape)) for n, t in tensors.items()}
    head, starts, _ = _head(kind, header, shapes)
    with whole_file(path) as file:
        file.write(head)
        for name in starts:
            file.write(tensors[name].detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)


@contextmanager
def streamed_tensors(
    path: Path, kind: str, shapes: "Mapping[str, tuple[np.dtype, tuple[int, ...]]]", header: dict[str, Any]
) -> "Iterator[dict[str, np.ndarray]]":
    """Memory-mapped arrays of these dtypes and shapes, to be filled in.

    The file is as `save_tensors` writes it, and appears when all is written; raises RunError, and then leaves none.
    """
    import numpy as np

    head, starts, end = _head(kind, header, {n: (d.name, d.itemsize, shape) for n, (d, shape) in shapes.items()})
    with whole_file(path) as file:
        file.write(head)
        file.flush()
        if end > len(head):
            os.posix_fallocate(file.fileno(), 0, end)  # a full disk must raise here, not kill the process later
        arrays = {n: np.memmap(file, d, "r+", starts[n], shape) for n, (d, shape) in shapes.items()}
        yield {**arrays}
        for array in arrays.values():
            array.flush()


def read_header(path: Path, kind: str | None = None) -> dict[str, Any]:
    """The header of a tensor file.

    Raises:
        InputError: the file is missing, damaged, not one of ours, or (where `kind` is given) of another kind.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[HEADER_KEY])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: run the step that makes it, or check the path") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError):
        raise InputError(f"{path}: not a file of distilrnn, or damaged: make it again") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(
            f"{path}: written by another version of distilrnn (format {FORMAT} is read here): make it again"
        )
    if kind is not None and header.get("kind") != kind:
        raise InputError(f"{path}: holds a {header.get('kind')} file; expected {kind}: choose the right file")
    return header


def load_tensors(path: Path, kind: str) -> "tuple[dict[str, torch.Tensor], dict[str, Any]]":
    """The tensors and the header of a file of this kind, as torch tensors on the CPU; raises InputError."""
    from safetensors.torch import load_file

    header = read_header(path, kind)
    return load_file(path), header


def load_arrays(path: Path, kind: str) -> "tuple[dict[str, np.ndarray], dict[str, Any]]":
    """The same as numpy arrays, without importing torch; raises InputError."""
    from safetensors.numpy import load_file

    header = read_header(path, kind)
    try:
        arrays = load_file(path)
    except (TypeError, AttributeError):  # bfloat16 and other dtypes that numpy lacks
        arrays = None
    # Other libraries register such dtypes when they are imported; the result must not depend on that.
    if arrays is None or not all(array.dtype.isbuiltin == 1 for array in arrays.values()):
        raise InputError(f"{path}: holds an unsupported dtype: make it again")
    return arrays, header
