"""The two errors that reach a person as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

EXTRAS = {
    "train": ("torch", "transformers", "pyarrow", "datasets", "sklearn", "scipy"),
    "workflow": ("snakemake", "dvc", "yaml", "psutil", "rich"),
    "report": ("matplotlib", "jinja2"),
    "export": ("onnx", "onnxruntime"),
    "gguf": ("gguf",),
}
"""The packages that come with `pip install distilrnn[EXTRA]`, by the names that are imported."""


class InputError(Exception):
    """Input that cannot be used: the message says what is wrong, where, and what to do (exit code 2)."""


class RunError(Exception):
    """A run that cannot go on though its input is good: the message says what happened and what to do (exit code 1)."""


@contextmanager
def optional_imports() -> Iterator[None]:
    """Here, a package that is not installed becomes one sentence that says how to install it; raises InputError."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = next((extra for extra, packages in EXTRAS.items() if package in packages), None)
        if extra is None:
            raise
        raise InputError(f"this needs {package}, which is not installed: pip install 'distilrnn[{extra}]'") from None


def brief(error: Exception, length: int = 200) -> str:
    """What another library's error says, on one line and not too long."""
    return " ".join(str(error).split())[:length] or type(error).__name__
