"""Threads and GPUs of jobs."""

import pytest
import yaml

from distilrnn.orchestration import resources
from distilrnn.params.base import BaseParams
from distilrnn.params.experiment import validate_experiment
from distilrnn.params.student import StudentParams
from paths import REPOSITORY


@pytest.mark.parametrize(
    ("embedding", "hidden", "small"), [(128, 128, True), (256, 256, True), (257, 8, False), (8, 768, False)]
)
def test_small_students_take_one_core_and_no_gpu(embedding, hidden, small):
    student = StudentParams.model_validate({"tokenizer": "x", "model": {"embedding": embedding, "hidden": hidden}})
    assert resources.is_small_student(student) is small
    assert (resources.threads(small), resources.gpus(small)) == ((1, 0) if small else (8, 1))


def test_a_base_brought_from_elsewhere_is_not_small():
    assert resources.is_small_base(BaseParams(width=128))
    assert not resources.is_small_base(BaseParams(width=144, heads=4))
    assert not resources.is_small_base(BaseParams(model="gpt2", width=8))


def test_every_job_of_the_demo_is_small():
    demo = validate_experiment(yaml.safe_load((REPOSITORY / "params.yaml").read_text()), "params.yaml")
    assert all(map(resources.is_small_base, demo.bases.values()))
    assert all(map(resources.is_small_student, demo.students.values()))
