"""Atomic writes, JSON, hashes: a file is either complete or absent."""

import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from distilrnn.errors import InputError, RunError

REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is too big",
    errno.ENOENT: "another process writes it too, or has removed its folder",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError while writing to `path` into a RunError of one sentence."""
    try:
        yield
    except OSError as error:
        reason = REASONS.get(error.errno or 0, error.strerror or error)
        raise RunError(
            f"{path}: could not be written ({reason}): make room or choose another folder, then run again"
        ) from error


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that appears at `path` only when it is complete; its folder is created if needed.

    Partial files that a killed process left for the same path are removed.

    Raises:
        RunError: the disk is full, the path is not writable, or another process writes it too; nothing is left behind.
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
    """Remove the partial files that killed processes left for `path`; return the prefix of their names."""
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
    """Write a file atomically; its folder is created if needed; raises RunError."""
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def to_json(value: object) -> str:
    """JSON with keys in insertion order, an indent of two, a final newline and no NaN."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: object) -> None:
    """Write `value` as JSON, atomically."""
    write_atomically(path, to_json(value))


def read_json(path: Path, *keys: str) -> Any:  # noqa: ANN401 - JSON is what it is
    """The value of a JSON file, which must be an object with these keys if any are named; raises InputError."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: run the step that makes it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON ({error}): make it again") from None
    missing = [key for key in keys if not isinstance(value, dict) or key not in value]
    if missing:
        raise InputError(f"{path}: lacks {', '.join(missing)}: make it again")
    return value


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_equal(found: object, wanted: object, where: Path, what: str) -> None:
    """Raise an InputError that names both values if they differ."""
    if found != wanted:
        raise InputError(
            f"{where}: made with another {what} ({_short(found)}, here {_short(wanted)}): "
            f"make it again with this {what}, or name the right file"
        )


def _short(value: object) -> str:
    text = str(value)
    return text[:12] + "…" if len(text) > 16 else text
