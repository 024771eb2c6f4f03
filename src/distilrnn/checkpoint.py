"""Files that are whole or absent, and that say what they are.

Every tensor file is one safetensors file whose header holds a kind ('adapter', 'logits', 'student', 'state') and the
settings that are needed to use it. No pickle is ever written or read.
"""

import errno
import glob
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from distilrnn.errors import BadInput, Failure

if TYPE_CHECKING:
    import numpy as np
    import torch

HEADER_KEY = "distilrnn"
"""All metadata is one JSON text under one key: safetensors writes several keys in random order."""

FORMAT = 1
REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is too big",
    errno.ENOENT: "another process writes it too, or has removed its folder",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Where something is written to `path`: an OSError becomes one sentence; raises Failure."""
    try:
        yield
    except OSError as error:
        reason = REASONS.get(error.errno or 0, error.strerror or error)
        raise Failure(
            f"{path}: could not be written ({reason}): make room or choose another folder, then run again"
        ) from error


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which appears at `path` when it is whole, or not at all; its folder is made if needed.

    What a killed process left half-written for the same path is removed.

    Raises:
        Failure: there is no room for it, it may not be written, or another process writes it now too; nothing is left
            behind.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=remove_half_written(path))
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def remove_half_written(path: Path) -> str:
    """Remove what killed processes left of a file or folder to be at `path`; return the prefix that such names have."""
    prefix = f".writing.{path.name}."
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        if "." in left.name.removeprefix(prefix):
            continue  # of a file whose name goes on where this one ends
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    return prefix


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file so that it appears whole or not at all; its folder is made if needed; raises Failure."""
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def to_json(value: object) -> str:
    """JSON as this project writes it: keys in their order, two spaces, a final newline, no NaN."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: object) -> None:
    """Write `value` as JSON, atomically."""
    write_atomically(path, to_json(value))


def read_json(path: Path, *keys: str) -> Any:  # noqa: ANN401 - JSON is what it is
    """The value in a JSON file: an object with these keys, where some are named; raises BadInput."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file: run the step that makes it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not readable as JSON ({error}): make it again") from None
    missing = [key for key in keys if not isinstance(value, dict) or key not in value]
    if missing:
        raise BadInput(f"{path}: lacks {', '.join(missing)}: make it again")
    return value


NUMBERS = {
    "float64": "F64",
    "int64": "I64",
    "float32": "F32",
    "int32": "I32",
    "bfloat16": "BF16",
    "float16": "F16",
    "uint8": "U8",
}
"""safetensors' names of the types that are written."""


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

    One after the other, where the library's own writer holds a copy of them all.
    """
    import torch

    shapes = {n: (str(t.dtype).removeprefix("torch."), t.element_size(), tuple(t.shape)) for n, t in tensors.items()}
    head, starts, _ = _head(kind, header, shapes)
    with whole_file(path) as file:
        file.write(head)
        for name in starts:
            file.write(tensors[name].detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)


@contextmanager
def mapped_tensors(
    path: Path, kind: str, shapes: "Mapping[str, tuple[np.dtype, tuple[int, ...]]]", header: dict[str, Any]
) -> "Iterator[dict[str, np.ndarray]]":
    """Arrays of these types and shapes, to be filled in: what is written to them goes to the file, not to memory.

    The file is as `save_tensors` writes it, and appears when all is written; raises Failure, and then leaves none.
    """
    import numpy as np

    head, starts, end = _head(kind, header, {n: (d.name, d.itemsize, shape) for n, (d, shape) in shapes.items()})
    with whole_file(path) as file:
        file.write(head)
        file.flush()
        if end > len(head):
            os.posix_fallocate(file.fileno(), 0, end)  # room now: a full disk would end the process later
        arrays = {n: np.memmap(file, d, "r+", starts[n], shape) for n, (d, shape) in shapes.items()}
        yield arrays
        for array in arrays.values():
            array.flush()


def read_header(path: Path, kind: str | None = None) -> dict[str, Any]:
    """The header of a tensor file.

    Raises:
        BadInput: the file is missing, damaged, not one of ours, or (where `kind` is given) of another kind.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[HEADER_KEY])
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file: run the step that makes it, or mend the path") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError):
        raise BadInput(f"{path}: not a file of distilrnn, or damaged: make it again") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise BadInput(f"{path}: written by another version of distilrnn (format {FORMAT} is read here): make it again")
    if kind is not None and header.get("kind") != kind:
        raise BadInput(f"{path}: holds a {header.get('kind')}, not a {kind}: name the {kind}'s file")
    return header


def load_tensors(path: Path, kind: str) -> "tuple[dict[str, torch.Tensor], dict[str, Any]]":
    """The tensors and the header of a file of this kind, as torch tensors on the CPU; raises BadInput."""
    from safetensors.torch import load_file

    header = read_header(path, kind)
    return load_file(path), header


def load_arrays(path: Path, kind: str) -> "tuple[dict[str, np.ndarray], dict[str, Any]]":
    """The same as numpy arrays, without importing torch; raises BadInput."""
    from safetensors.numpy import load_file

    header = read_header(path, kind)
    try:
        arrays = load_file(path)
    except (TypeError, AttributeError):  # bfloat16 and what else numpy lacks
        arrays = None
    # Other libraries teach numpy such types when they are imported; what is read must not depend on that.
    if arrays is None or not all(array.dtype.isbuiltin == 1 for array in arrays.values()):
        raise BadInput(f"{path}: holds numbers of a type that is not read here: make it again")
    return arrays, header


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_equal(found: object, wanted: object, where: Path, what: str) -> None:
    """Refuse a wrong pairing: raises BadInput that names both sides."""
    if found != wanted:
        raise BadInput(
            f"{where}: made with another {what} ({_short(found)}, here {_short(wanted)}): "
            f"make it again with this {what}, or name the right file"
        )


def _short(value: object) -> str:
    text = str(value)
    return text[:12] + "…" if len(text) > 16 else text
