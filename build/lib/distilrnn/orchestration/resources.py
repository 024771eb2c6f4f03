"""Threads and GPUs of a training job, from the sizes in the parameters.

A job that is so small that threads would mostly wait for each other takes one CPU core and no GPU, and several of them
run side by side. Its results then depend neither on `--cores` nor on the machine's GPUs.
"""

from distilrnn.params.base import BaseParams
from distilrnn.params.student import StudentParams

THREADS = 8
"""CPU threads of any larger job, or as many as there are cores."""
SMALL_BASE = 128
"""A base pre-trained here with up to this hidden size is small, and so are its teachers."""
SMALL_STUDENT = 256
"""A student with embeddings and hidden states of up to this size is small."""


def is_small_base(base: BaseParams) -> bool:
    """Whether one core is fastest for a base: that of a model brought from elsewhere is not known before the run."""
    return base.model == "pretrain" and base.width <= SMALL_BASE


def is_small_student(student: StudentParams) -> bool:
    """Whether one core is fastest for a student."""
    return max(student.model.embedding, student.model.hidden) <= SMALL_STUDENT


def threads(small: bool) -> int:
    """CPU threads of a job."""
    return 1 if small else THREADS


def gpus(small: bool) -> int:
    """GPUs of a job that trains or predicts."""
    return 0 if small else 1
