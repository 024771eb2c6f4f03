"""A whole experiment: every section of one params file, checked against each other."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from distilrnn.errors import BadInput
from distilrnn.params.base import BaseParams
from distilrnn.params.common import Name, Section, Seeds, SelectionParams
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.evaluate import EvaluateParams, MeasureParams
from distilrnn.params.report import PublishedParams
from distilrnn.params.student import StudentParams
from distilrnn.params.teacher import TeacherParams
from distilrnn.params.tokenize import TokenizeParams


class Experiment(Section):
    """Everything that one params file says, defaults filled in."""

    experiment: Name = Field(description="Names the folder under results/.")
    seeds: Seeds = Field((0,), description="Seeds of every student and baseline.")
    corpus: CorpusParams = CorpusParams()
    bases: dict[Name, BaseParams]
    tokenize: TokenizeParams = TokenizeParams()
    selection: SelectionParams = SelectionParams()
    teachers: dict[Name, TeacherParams] = Field(min_length=1)
    students: dict[Name, StudentParams] = Field(min_length=1)
    evaluate: EvaluateParams = EvaluateParams()
    measure: MeasureParams = MeasureParams()
    published: dict[str, PublishedParams] = Field({}, description="Figures of others, by our system's name.")

    @model_validator(mode="after")
    def _names_exist(self) -> "Experiment":
        for name, teacher in self.teachers.items():
            if teacher.base not in self.bases:
                raise ValueError(
                    f"teachers.{name}.base is {teacher.base!r}, which bases does not have: {known(self.bases)}"
                )
        for name in self.tokenize.tokenizers:
            if name in self.bases:
                raise ValueError(f"tokenize.tokenizers.{name} is already the name of a base: choose another name")
        tokenizers = [*self.bases, *self.tokenize.tokenizers]
        for name, student in self.students.items():
            if student.tokenizer not in tokenizers:
                raise ValueError(
                    f"students.{name}.tokenizer is {student.tokenizer!r}, no base or tokenizer: {known(tokenizers)}"
                )
            if student.model.pooling == "last_step" and self.tokenize.max_length is None:
                raise ValueError(
                    f"students.{name}.model.pooling is last_step, which reads a sentence padded to a fixed length: "
                    "set tokenize.max_length, or use last_token"
                )
        for name, base in self.bases.items():
            if base.model == "pretrain" and self.corpus.source != "generated":
                raise ValueError(
                    f"bases.{name}.model is 'pretrain', which learns from the generated corpus's unlabelled sentences: "
                    "set a model directory, a .gguf file or a hub id"
                )
        repeated = [name for name, times in Counter(self.system_names()).items() if times > 1]
        if repeated:
            raise ValueError(f"two systems would be named {repeated[0]!r}: rename a teacher or a student")
        return self

    def system_names(self) -> list[str]:
        """Every system, in the order of the table: teachers, distilled students, baselines."""
        teachers = [f"{teacher.tuning.mode}-{name}" for name, teacher in self.teachers.items()]
        return teachers + [f"distil{s}-{t}" for s in self.students for t in self.teachers] + list(self.students)

    def teacher_seed(self, teacher: str, seed: int) -> int:
        """The seed of the teacher that the student of `seed` learns from: lists are paired, the shorter recycled."""
        teacher_seeds = self.teachers[teacher].seeds
        return teacher_seeds[self.seeds.index(seed) % len(teacher_seeds)]


def known(names: Mapping[str, Any] | list[str]) -> str:
    """The names that exist, for a message."""
    return "choose one of " + ", ".join(names)


def validate_experiment(values: Mapping[str, Any], where: str) -> Experiment:
    """The experiment that `values` describe; raises BadInput with one sentence that names `where`."""
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        raise BadInput(describe(error, where)) from None


def describe(error: ValidationError, where: str) -> str:
    """One sentence for the first of pydantic's complaints: file, key, what is wrong."""
    first, *others = error.errors(include_url=False)
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "is no parameter of this section: remove it or mend its spelling"
    elif first["type"] != "value_error":
        message = f"is {first['input']!r:.200}: {message[0].lower()}{message[1:]}"
    more = f" (and {len(others)} more)" if others else ""
    return _one_line(f"{where}: {key + ': ' if key else ''}{message}{more}")


def _one_line(text: str) -> str:
    """The text with a space for whatever would break the line or steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def read_experiment(path: Path) -> Experiment:
    """The experiment in a params file (YAML or JSON); raises BadInput."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such params file: name one with --params") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}): name a params file with --params") from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        # PyYAML lets Python's own errors through: of a date that there is not, of brackets a thousand deep.
        raise BadInput(_one_line(f"{path}: not readable as YAML: {error}")) from None
    if not isinstance(values, Mapping):
        raise BadInput(f"{path}: holds no parameters: see params.yaml for an example")
    return validate_experiment(values, str(path))
