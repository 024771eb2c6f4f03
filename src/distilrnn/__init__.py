"""distilrnn: distil a LoRA-tuned language model into a tiny recurrent classifier, and compare them honestly.

from distilrnn import load_predictor

predictor = load_predictor("student.safetensors")
predictor.predict(["A sentence."])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distilrnn.api import Student, Teacher, distil, tune_teacher
    from distilrnn.errors import InputError, RunError
    from distilrnn.inference import Cascade, Predictor, load_cascade, load_predictor

__version__ = "0.1.0"
__all__ = [
    "Cascade",
    "InputError",
    "Predictor",
    "RunError",
    "Student",
    "Teacher",
    "distil",
    "load_cascade",
    "load_predictor",
    "tune_teacher",
]

_PLACES = {
    "InputError": "distilrnn.errors",
    "RunError": "distilrnn.errors",
    "Predictor": "distilrnn.inference",
    "Cascade": "distilrnn.inference",
    "load_cascade": "distilrnn.inference",
    "Student": "distilrnn.api",
    "Teacher": "distilrnn.api",
    "distil": "distilrnn.api",
    "load_predictor": "distilrnn.inference",
    "tune_teacher": "distilrnn.api",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever bears the name
    """Import what is asked for, and only then (PEP 562): no command pays for what it does not use."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from distilrnn.errors import optional_imports

    with optional_imports():
        return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
