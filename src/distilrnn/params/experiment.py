"""A whole experiment: every section of one params file, checked against each other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from distilrnn.errors import InputError
from distilrnn.params.base import BaseParams
from distilrnn.params.common import Name, Section, Seeds, SelectionParams, TrainingParams, VariantName
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.evaluate import EvaluateParams, MeasureParams
from distilrnn.params.labels import ALL_LABELS, LabelBudget, LabelsParams
from distilrnn.params.linear import LinearParams
from distilrnn.params.published import PublishedParams
from distilrnn.params.splits import DEV
from distilrnn.params.student import DistilParams, StudentModelParams, StudentParams
from distilrnn.params.sweep import allow_list, allow_lists, expand, with_budgets
from distilrnn.params.systems import LINEAR, distilled_name, ensemble_name, teacher_name
from distilrnn.params.teacher import TeacherParams, TeacherTraining, TuningParams
from distilrnn.params.tokenize import TokenizeParams
from distilrnn.params.transfer import SampleSource, TransferParams
from distilrnn.params.variant import Variant


class Experiment(Section):
    """Everything that one params file says, defaults filled in."""

    experiment: Name = Field(description="Names the folder under results/.")
    seeds: Seeds = Field((0,), description="Seeds of every student and baseline.")
    corpus: CorpusParams = CorpusParams()
    bases: dict[Name, BaseParams]
    tokenize: TokenizeParams = TokenizeParams()
    transfer: TransferParams = TransferParams()
    selection: SelectionParams = SelectionParams()
    teachers: dict[VariantName, TeacherParams] = Field(min_length=1)
    students: dict[VariantName, StudentParams] = Field(min_length=1)
    linear: LinearParams = LinearParams()
    labels: LabelsParams = LabelsParams()
    evaluate: EvaluateParams = EvaluateParams()
    measure: MeasureParams = MeasureParams()
    published: dict[str, PublishedParams] = Field({}, description="Figures of others, by our system's name.")

    @model_validator(mode="before")
    @classmethod
    def _lists_are_grids(cls, values: object) -> object:
        """Where a list stands for one value of a teacher or student, each combination is a variant of its own.

        So is each with fewer labelled sentences.
        """
        if not isinstance(values, Mapping):
            return values
        budgets = _budgets(values.get("labels"))
        grids = {
            name: with_budgets(expand(values[name], section, name), budgets)
            for name, section in (("teachers", TeacherParams), ("students", StudentParams))
            if isinstance(values.get(name), Mapping)
        }
        return {**values, **grids}

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
        return self

    @model_validator(mode="after")
    def _students_can_read(self) -> "Experiment":
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
            if student.model.pooling == "last_step" and self.tokenize.long_texts == "windows":
                raise ValueError(
                    f"students.{name}.model.pooling is last_step, which reads max_length tokens, but with long_texts "
                    "windows a student reads on: use last_token, mean or max"
                )
        return self

    @model_validator(mode="after")
    def _corpus_has_what_is_needed(self) -> "Experiment":
        if self.selection.validation == "dev" and DEV not in self.corpus.splits:
            raise ValueError(
                "selection.validation is 'dev', but the corpus has no dev set: set corpus.dev or dev_fraction, or use "
                "train_holdout"
            )
        for name, base in self.bases.items():
            if base.model == "pretrain" and self.corpus.source in ("cola", "path"):
                raise ValueError(
                    f"bases.{name}.model is 'pretrain', which learns from the generated corpus's unlabelled sentences, "
                    "or from one's own files or dataset: set a model directory, a .gguf file or a hub id"
                )
        return self

    @model_validator(mode="after")
    def _sources_exist(self) -> "Experiment":
        for name, student in self.students.items():
            self._check_sources(f"students.{name}.transfer", student.transfer, scored=True)
            self._check_sources(f"students.{name}.pretraining.transfer", student.read_in_pretraining)
        self._check_sources("linear.transfer", self.linear.transfer or (), scored=True)
        for name, tokenizer in self.tokenize.learned.items():
            self._check_sources(f"tokenize.tokenizers.{name}.transfer", tokenizer.transfer)
        for name, source in self.transfer.sources.items():
            if isinstance(source, SampleSource) and source.base not in self.bases:
                raise ValueError(f"transfer.sources.{name}.base is {source.base!r}, no base: {known(self.bases)}")
            if source.kind == "corpus" and self.corpus.source != "generated":
                raise ValueError(
                    f"transfer.sources.{name}.kind is 'corpus', which is more of the generated corpus, but "
                    f"corpus.source is {self.corpus.source!r}: name files of text, or augment train"
                )
        return self

    def _check_sources(self, key: str, names: Sequence[str], scored: bool = False) -> None:
        """Whether a key names sources that there are, each once, and where need be those that teachers score."""
        for name in names:
            if name not in self.transfer.sources:
                raise ValueError(
                    f"{key} names {name!r}, which transfer.sources does not have: {known(self.transfer.sources)}"
                )
            if scored and not self.transfer.sources[name].scored:
                raise ValueError(
                    f"{key} names {name!r}, which no teacher scores: set transfer.sources.{name}.scored to true"
                )
        if len(set(names)) < len(names):
            raise ValueError(f"{key} names a source twice: name each once")

    @model_validator(mode="after")
    def _ensembles_exist(self) -> "Experiment":
        for name, student in self.students.items():
            for ensemble, members in student.ensembles.items():
                where = f"students.{name}.ensembles.{ensemble}"
                unknown = [member for member in members if member not in self.teacher_entries]
                if unknown or not members or len(set(members)) < len(members):
                    raise ValueError(
                        f"{where} is {list(members)}: name teachers, each once: {known(self.teacher_entries)}"
                    )
                if ensemble in self.teacher_entries:
                    raise ValueError(f"{where} has the name of a teacher: choose another")
                if self.ensembles[ensemble] != members:
                    raise ValueError(f"{where} has the name of an ensemble of other teachers: choose another")
        return self

    @model_validator(mode="after")
    def _one_mode_an_entry(self) -> "Experiment":
        modes: dict[str, str] = {}
        for name, teacher in self.teachers.items():
            entry = Variant.parse(name).entry
            if modes.setdefault(entry, teacher.tuning.mode) != teacher.tuning.mode:
                raise ValueError(f"teachers.{entry}.tuning.mode is a list: make a teacher of its own for each mode")
        return self

    @model_validator(mode="after")
    def _systems_have_names_of_their_own(self) -> "Experiment":
        repeated = [name for name, times in Counter(self.system_names()).items() if times > 1]
        if repeated:
            raise ValueError(f"two systems would be named {repeated[0]!r}: rename a teacher or a student")
        return self

    @model_validator(mode="after")
    def _labels_are_fewer_than_all(self) -> "Experiment":
        most = max(self.labels.sentences, default=0)
        if self.corpus.source == "generated" and most >= self.corpus.train_size:
            raise ValueError(
                f"labels.sentences has {most}, but corpus.train_size is {self.corpus.train_size}: give fewer, since "
                "all are trained with anyhow"
            )
        return self

    @model_validator(mode="after")
    def _vectors_exist(self) -> "Experiment":
        for name, student in self.students.items():
            if not student.vectors.source and not student.vectors.tune:
                raise ValueError(
                    f"students.{name}.vectors.tune is false, but they have no source: an embedding that is random and "
                    "never trained says nothing; name a source, or tune it"
                )
            if student.pretraining is not None and student.model.bidirectional and student.model.layers > 1:
                raise ValueError(
                    f"students.{name}.pretraining is set, but with {student.model.layers} bidirectional layers each "
                    "word would see itself: set model.layers to 1, or bidirectional to false"
                )
        return self

    def vectors_name(self, student: StudentParams) -> str | None:
        """The name under which the vectors of a student lie: that of the first student that begins with the same."""
        if student.vectors.source is None:
            return None
        wanted = _vectors_key(student)
        return next(name for name, other in self.students.items() if _vectors_key(other) == wanted)

    @property
    def vectors(self) -> dict[str, StudentParams]:
        """The students that pre-trained vectors are mapped for, one of those that share them."""
        return {name: student for name, student in self.students.items() if self.vectors_name(student) == name}

    def encoder_name(self, student: StudentParams) -> str | None:
        """The name under which a student's pre-trained encoder lies: that of the first student with the same one."""
        if student.pretraining is None:
            return None
        wanted = _encoder_key(student)
        return next(name for name, other in self.students.items() if _encoder_key(other) == wanted)

    @property
    def encoders(self) -> dict[str, StudentParams]:
        """The students whose encoders are pre-trained, one of those that share one."""
        return {name: student for name, student in self.students.items() if self.encoder_name(student) == name}

    @property
    def teacher_entries(self) -> list[str]:
        """The teachers as params.yaml names them, whatever variants lists make of them."""
        return list(dict.fromkeys(Variant.parse(name).entry for name in self.teachers))

    @property
    def student_entries(self) -> list[str]:
        """The students as params.yaml names them."""
        return list(dict.fromkeys(Variant.parse(name).entry for name in self.students))

    @property
    def ensembles(self) -> dict[str, tuple[str, ...]]:
        """The ensembles that any student learns from, by name: the entries whose runs are averaged."""
        return {name: members for student in self.students.values() for name, members in student.ensembles.items()}

    @property
    def baselines(self) -> dict[str, StudentParams]:
        """What is trained on the labels alone: the students, those as one that only their distillation tells apart."""
        found: dict[str, StudentParams] = {}
        of_distilling = {*DistilParams.model_fields, "transfer"}
        for name, student in self.students.items():
            found.setdefault(str(Variant.parse(name).without(of_distilling)), student)
        return found

    def transfer_tokenizers(self, source: str) -> list[str]:
        """The tokenizers that read a source: those of all students, and of the teachers' bases where they score it.

        Whether a student reads this one does not matter, so that DVC need not know.
        """
        scored = self.transfer.sources[source].scored
        teachers = [teacher.base for teacher in self.teachers.values()] if scored else []
        return list(dict.fromkeys([*teachers, *(student.tokenizer for student in self.students.values())]))

    def teachers_of(self, student: str) -> list[str]:
        """The teachers and ensembles that a student is distilled from: those that know as many labels, and no more."""
        budget = Variant.parse(student).labels
        teachers = [teacher for teacher in self.teachers if Variant.parse(teacher).labels == budget]
        return teachers if budget else [*teachers, *self.students[student].ensembles]

    def budget(self, name: str) -> LabelBudget:
        """The labelled sentences that a variant of a teacher, student or linear classifier learns from."""
        number = Variant.parse(name).labels
        return ALL_LABELS if number is None else LabelBudget(labels=number, labels_seed=self.labels.seed)

    def system_names(self) -> list[str]:
        """Every system, in the order of the table (see `layout.systems`)."""
        modes = {Variant.parse(name).entry: teacher.tuning.mode for name, teacher in reversed(self.teachers.items())}
        teachers = [teacher_name(modes[name], name) for name in self.teacher_entries]
        ensembles = [ensemble_name(name) for name in self.ensembles]
        of_student = {Variant.parse(name).entry: list(student.ensembles) for name, student in self.students.items()}
        distilled = [
            distilled_name(s, t) for s in self.student_entries for t in [*self.teacher_entries, *of_student[s]]
        ]
        linear = [distilled_name(LINEAR, teacher) for teacher in [*self.teacher_entries, *self.ensembles]]
        return [*teachers, *ensembles, *distilled, *linear, *self.student_entries, LINEAR]

    def names_with_curves(self) -> list[str]:
        """The systems that are trained in epochs: all but ensembles and linear classifiers."""
        without = {LINEAR, *map(ensemble_name, self.ensembles)}
        without |= {distilled_name(LINEAR, name) for name in [*self.teacher_entries, *self.ensembles]}
        return [name for name in self.system_names() if name not in without]

    @property
    def scored_sources(self) -> tuple[str, ...]:
        """The sources of unlabelled sentences that teachers score."""
        return tuple(name for name, source in self.transfer.sources.items() if source.scored)

    def linear_sources(self) -> tuple[str, ...]:
        """The sources of unlabelled sentences that distilled linear classifiers learn from."""
        return self.scored_sources if self.linear.transfer is None else self.linear.transfer

    def teacher_seed(self, teacher: str, seed: int) -> int:
        """The seed of the teacher that the student of `seed` learns from: lists are paired, the shorter recycled.

        An ensemble is one for all seeds.
        """
        if teacher not in self.teachers:
            return 0
        teacher_seeds = self.teachers[teacher].seeds
        return teacher_seeds[self.seeds.index(seed) % len(teacher_seeds)]

    def members(self, teacher: str) -> list[tuple[str, int]]:
        """The teachers' runs (name, seed) that stand behind an ensemble: all that its entries have with all labels."""
        entries = self.ensembles[teacher]
        whole = {t: run for t, run in self.teachers.items() if Variant.parse(t).labels is None}
        return [(t, seed) for t, run in whole.items() if Variant.parse(t).entry in entries for seed in run.seeds]

    @classmethod
    def model_json_schema(cls, *arguments: Any, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's own
        """The schema of a params file, in which every parameter of a teacher or student may be a list."""
        schema = super().model_json_schema(*arguments, **options)
        names = schema["$defs"][StudentParams.__name__]["properties"]
        names["transfer"] = allow_list(names["transfer"])
        return allow_lists(schema, TuningParams, TrainingParams, TeacherTraining, StudentModelParams, DistilParams)


def _budgets(labels: object) -> list[int]:
    """The numbers in an unchecked section labels; what is malformed is left to validation."""
    given = labels.get("sentences") if isinstance(labels, Mapping) else None
    return [number for number in given if type(number) is int] if isinstance(given, list | tuple) else []


def _vectors_key(student: StudentParams) -> tuple[str, str | None, int]:
    return student.tokenizer, student.vectors.source, student.model.embedding


def _encoder_key(student: StudentParams) -> tuple[Any, ...]:
    model = student.model.model_copy(update={"pooling": "last_token"})  # an encoder has no pooling
    return student.tokenizer, student.vectors, model, student.pretraining, student.read_in_pretraining


def known(names: Mapping[str, Any] | list[str]) -> str:
    """The names that exist, for a message."""
    return "choose one of " + ", ".join(names) if names else "there is none"


def validate_experiment(values: Mapping[str, Any], where: str) -> Experiment:
    """The experiment that `values` describe; raises InputError with one sentence that names `where`."""
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        raise InputError(describe(error, where)) from None


def describe(error: ValidationError, where: str) -> str:
    """One sentence for the first of pydantic's complaints: file, key, what is wrong."""
    first, *others = error.errors(include_url=False)
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith("["))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "unknown parameter: remove it or check its spelling"
    elif first["type"] != "value_error":
        message = f"is {first['input']!r:.200}: {message[0].lower()}{message[1:]}"
    more = f" (and {len(others)} more)" if others else ""
    return _one_line(f"{where}: {key + ': ' if key else ''}{message}{more}")


def _one_line(text: str) -> str:
    """The text with a space for whatever would break the line or steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def read_experiment(path: Path) -> Experiment:
    """The experiment in a params file (YAML or JSON); raises InputError."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such params file: name one with --params") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): name a params file with --params") from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        # PyYAML lets Python's own errors through: of a date that there is not, of brackets a thousand deep.
        raise InputError(_one_line(f"{path}: not readable as YAML: {error}")) from None
    if not isinstance(values, Mapping):
        raise InputError(f"{path}: holds no parameters: see params.yaml for an example")
    return validate_experiment(values, str(path))
