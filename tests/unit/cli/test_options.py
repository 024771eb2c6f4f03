"""From a section to command-line options and back, and from an error to a sentence and an exit code."""

import importlib.util
import shlex
import subprocess
import sys
from types import UnionType
from typing import Literal, get_args, get_origin

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from distilrnn.cli.options import options, run, with_params
from distilrnn.errors import InputError, RunError
from distilrnn.params.base import BaseParams
from distilrnn.params.common import SelectionParams, TrainingParams
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.evaluate import EvaluateParams, MeasureParams
from distilrnn.params.linear import LinearParams
from distilrnn.params.student import DistilParams, StudentModelParams
from distilrnn.params.teacher import TuningParams
from paths import REPOSITORY

SCRIPTS = REPOSITORY / "workflow" / "scripts"
SECTIONS = [
    BaseParams,
    CorpusParams,
    DistilParams,
    EvaluateParams,
    MeasureParams,
    SelectionParams,
    StudentModelParams,
    TrainingParams,
    TuningParams,
]


HOSTILE = [
    *("'; touch pwned; '", "$(touch pwned)", "`touch pwned`", '"; touch pwned #', "a\nb", "*", "~", "-x", "--help"),
    *("$HOME", "{x}", "!!", 'a"b', "a b", "é"),
]
LIMITS = ("ge", "gt", "le", "lt", "min_length")


def field_values(annotation, limits):
    """Values of a field's type, within its own limits."""
    if get_origin(annotation) is UnionType:
        return st.one_of(field_values(part, limits) for part in get_args(annotation))
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if get_origin(annotation) is tuple:
        return st.lists(field_values(str, {}), min_size=limits["min_length"], max_size=4).map(tuple)
    if annotation is type(None):
        return st.none()
    if annotation is bool:
        return st.booleans()
    least, most = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    if annotation is int:
        return st.integers(least, 10**6 if most is None else most)
    if annotation is float:
        excluded = {"exclude_min": "gt" in limits, "exclude_max": "lt" in limits}
        return st.floats(least, most, allow_nan=False, allow_infinity=False, **excluded)
    assert annotation is str
    characters = st.characters(codec="utf-8", exclude_characters="\0")
    return st.sampled_from(HOSTILE) | st.text(characters, min_size=limits.get("min_length", 0), max_size=10)


@st.composite
def corpus_places(draw, source):
    """The fields that only some sources have."""
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=10) | st.sampled_from(
        HOSTILE
    )
    text = text.filter(lambda drawn: not set("{}") & set(drawn))  # refused in the names of files
    names = ("path", "revision", "subset", "train", "dev", "test", "out_of_domain", "dev_fraction", "test_fraction")
    own = source in ("files", "dataset")
    given = {"path": draw(text)} if source != "files" else {}
    if own:
        fraction = st.floats(0.01, 0.4)
        given |= {"train": draw(text), "out_of_domain": draw(text)}
        given |= (
            {draw(st.sampled_from(["dev", "test"])): draw(text)}
            if draw(st.booleans())
            else {"dev_fraction": draw(fraction), "test_fraction": draw(fraction)}
        )
    if source == "dataset" and draw(st.booleans()):
        given |= {"path": "owner/name", "revision": "0" * 40, "subset": draw(text)}
    columns = draw(st.lists(text, min_size=3, max_size=3, unique=True))
    return (
        dict.fromkeys(names) | given | dict(zip(("text_column", "label_column", "source_column"), columns, strict=True))
    )


@st.composite
def sections(draw, kind):
    drawn = {}
    for name, field in kind.model_fields.items():
        limits = {limit: getattr(rule, limit) for rule in field.metadata for limit in LIMITS if hasattr(rule, limit)}
        drawn[name] = draw(field_values(field.annotation, limits))
    # What ties fields to each other.
    if kind is SelectionParams and drawn["validation"] == "dev":
        drawn["threshold"] = "argmax"
    if kind is BaseParams:
        drawn["width"] = drawn["heads"] * draw(st.integers(8, 64))
    if kind is CorpusParams:
        plain = st.sampled_from([text for text in HOSTILE if text.isprintable()])
        drawn["classes"] = tuple(draw(st.lists(plain, min_size=2, max_size=4, unique=True)))
        drawn |= draw(corpus_places(drawn["source"]))
    return kind.model_validate(drawn)


def parsed(kind, words):
    """The section that a command with options of this kind is handed."""
    found = []
    app = typer.Typer(add_completion=False)

    @app.command()
    @with_params(section=kind)
    def main(*, section: kind) -> None:
        found.append(section)

    app(words, standalone_mode=False)
    return found[0]


@pytest.mark.parametrize("kind", SECTIONS)
def test_options_give_back_the_section(kind):
    @settings(deadline=None, max_examples=40)
    @given(sections(kind))
    def check(section):
        assert parsed(kind, shlex.split(options(section))) == section

    check()


@pytest.mark.parametrize("kind", SECTIONS)
def test_no_options_are_the_defaults(kind):
    assert parsed(kind, []) == kind()


@pytest.mark.parametrize("value", HOSTILE)
def test_a_real_shell_hands_hostile_values_on_and_runs_nothing(tmp_path, value):
    section = CorpusParams(source="path", path=value)
    line = f"set -euo pipefail; printf '%s\\0' {options(section)}"
    printed = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=True).stdout
    words = printed.decode().split("\0")[:-1]
    assert list(tmp_path.iterdir()) == []
    assert parsed(CorpusParams, words) == section


def test_bad_options_are_one_sentence(monkeypatch, capsys):
    @with_params(training=TrainingParams)
    def main(*, training: TrainingParams) -> None:
        raise AssertionError(training)

    for words, said in {
        ("--learning-rate=-1",): "error: --learning-rate is -1.0: input should be greater than 0\n",
        ("--epochs=0",): "error: --epochs is 0: input should be greater than or equal to 1\n",
        ("--learning-rate=nan",): "error: --learning-rate is nan: input should be a finite number\n",
    }.items():
        monkeypatch.setattr(sys, "argv", ["x", *words])
        with pytest.raises(SystemExit) as stopped:
            run(main)
        assert stopped.value.code == 2
        assert capsys.readouterr().err == said


@pytest.mark.parametrize(("error", "code"), [(InputError("so"), 2), (RunError("so"), 1)])
def test_errors_become_a_sentence_and_an_exit_code(monkeypatch, capsys, error, code):
    def main() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(SystemExit) as stopped:
        run(main)
    assert stopped.value.code == code
    assert capsys.readouterr().err == "error: so\n"


def script(name):
    specification = importlib.util.spec_from_file_location(f"{name}_script", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "word"), [("corpus", "--train-size"), ("base", "--learning-rate"), ("student", "--cell")]
)
def test_scripts_take_every_field_as_an_option(monkeypatch, capsys, name, word):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stopped:
        run(script(name).main)
    assert stopped.value.code == 0
    assert word in capsys.readouterr().out


def test_an_optional_list_is_an_option_that_may_be_given_several_times_or_not_at_all():
    seen = []

    @with_params(linear=LinearParams)
    def command(*, linear):
        seen.append(linear.transfer)

    for arguments in ([], ["--transfer", "text"], shlex.split(options(LinearParams(transfer=("a", "b"))))):
        app = typer.Typer(add_completion=False)
        app.command()(command)
        app(arguments, standalone_mode=False)
    assert seen == [None, ("text",), ("a", "b")]
