"""Parameters: what is refused and in which words, and the way from a section to options and back."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from distilrnn.artifacts.layout import systems
from distilrnn.errors import InputError
from distilrnn.params.experiment import Experiment, read_experiment, validate_experiment
from paths import REPOSITORY

REPOSITORY = REPOSITORY


def values(**changes):
    """A small experiment; `changes` replace the values at keys such as teachers__big__tuning__rank."""
    tree = {
        "experiment": "x",
        "seeds": [0],
        "bases": {"tiny": {}},
        "teachers": {"big": {"base": "tiny"}},
        "students": {"rnn": {"tokenizer": "tiny"}},
    }
    for path, value in changes.items():
        *above, last = path.split("__")
        place = tree
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return tree


OWN = {"corpus__source": "files", "corpus__train": "x.csv", "corpus__dev_fraction": 0.1}
BAD = {
    "unknown teacher's base": ({"teachers__big__base": "nix"}, r"teachers\.big\.base is 'nix', .*choose one of tiny"),
    "unknown tokenizer": ({"students__rnn__tokenizer": "nix"}, r"students\.rnn\.tokenizer is 'nix', .*one of tiny"),
    "unknown cell": ({"students__rnn__model__cell": "tree"}, r"students\.rnn\.model\.cell: is 'tree': .*'rnn', 'gru'"),
    "unknown pooling": ({"students__rnn__model__pooling": "sum"}, r"model\.pooling: is 'sum': .*'last_step', 'last"),
    "unknown mode": ({"teachers__big__tuning__mode": "x"}, r"teachers\.big\.tuning\.mode: is 'x': .*'lora', 'full'"),
    "negative lr": ({"students__rnn__training__learning_rate": -0.1}, r"learning_rate: is -0\.1: .*greater than 0"),
    "lr of nothing": ({"students__rnn__training__learning_rate": 0}, r"learning_rate: is 0: .*greater than 0"),
    "infinite lr": ({"students__rnn__training__learning_rate": float("inf")}, r"learning_rate: is inf: .*finite"),
    "lr no number": ({"students__rnn__training__learning_rate": float("nan")}, r"learning_rate: is nan: .*"),
    "rank 0": ({"teachers__big__tuning__rank": 0}, r"teachers\.big\.tuning\.rank: is 0: .*greater than or equal to 1"),
    "rank in words": ({"teachers__big__tuning__rank": "four"}, r"tuning\.rank: is 'four': .*valid integer"),
    "half a rank": ({"teachers__big__tuning__rank": 1.5}, r"tuning\.rank: is 1\.5: .*integer"),
    "no targets": ({"teachers__big__tuning__targets": []}, r"tuning\.targets: is \[\]: .*at least 1"),
    "dropout of all": ({"teachers__big__tuning__dropout": 1.0}, r"tuning\.dropout: is 1\.0: .*less than 1"),
    "no epochs": ({"teachers__big__training__epochs": 0}, r"training\.epochs: is 0: "),
    "temperature 0": ({"students__rnn__distil__temperature": 0}, r"distil\.temperature: is 0: .*greater than 0"),
    "label weight over 1": ({"students__rnn__distil__label_weight": 2}, r"distil\.label_weight: is 2: "),
    "source that is not defined": (
        {"students__rnn__transfer": ["webtext"]},
        r"students\.rnn\.transfer names 'webtext', which transfer\.sources does not have: there is none",
    ),
    "no copies": (
        {"transfer": {"sources": {"changed": {"kind": "augment", "copies": 0}}}},
        r"transfer\.sources\.changed.*copies: is 0: .*greater than or equal to 1",
    ),
    "unknown section": ({"teacher": {}}, r": teacher: unknown parameter: remove it or check its spelling"),
    "unknown key": ({"students__rnn__model__hiden": 3}, r"students\.rnn\.model\.hiden: unknown parameter"),
    "repeated seeds": ({"seeds": [1, 2, 1]}, r": seeds: seeds \[1, 2, 1\] repeat: name each seed once"),
    "no seeds": ({"seeds": []}, r": seeds: is \[\]: .*at least 1"),
    "negative seed": ({"seeds": [-1]}, r": seeds: seeds \[-1\] hold one that is not from 0 to 4294967295"),
    "seed too large": ({"seeds": [2**32]}, r": seeds: seeds \[4294967296\] hold one that is not from 0 to"),
    "teacher's repeated seeds": ({"teachers__big__seeds": [1, 1]}, r"teachers\.big\.seeds: seeds \[1, 1\] repeat"),
    "teacher's negative seed": ({"teachers__big__seeds": [-3]}, r"teachers\.big\.seeds: seeds \[-3\] hold one"),
    "holdout seed too large": ({"selection__holdout_seed": 2**32}, r"holdout_seed: is 4294967296: .*less than"),
    "no teachers": ({"teachers": {}}, r": teachers: is \{\}: .*at least 1"),
    "no students": ({"students": {}}, r": students: is \{\}: .*at least 1"),
    "null section": ({"teachers": None}, r": teachers: is None: .*dictionary"),
    "list for a section": ({"bases": ["tiny"]}, r": bases: is \['tiny'\]: .*dictionary"),
    "number as a name": ({"students": {1: {"tokenizer": "tiny"}}}, r"students\.1: is 1: .*valid string"),
    "one class": ({"corpus__classes": ["a"]}, r"corpus\.classes: is .*at least 2"),
    "repeated classes": ({"corpus__classes": ["a", "a"]}, r"corpus\.classes: classes \['a', 'a'\] repeat"),
    "empty class": ({"corpus__classes": ["a", ""]}, r"corpus\.classes: classes .* are empty"),
    "class that breaks a line": ({"corpus__classes": ["a", "b\n"]}, r"corpus\.classes: .*'b\\n'.*short plain names"),
    "class with a space at its end": ({"corpus__classes": ["a", "b "]}, r"corpus\.classes: .*give short plain names"),
    "path without a path": ({"corpus__source": "path"}, r": corpus: source is 'path' but no path is set: set"),
    "unknown source": ({"corpus__source": "web"}, r"corpus\.source: is 'web': .*'files' or 'dataset'"),
    "files without train": ({"corpus__source": "files"}, r": corpus: source is 'files' but no train is set: set"),
    "dataset without a path": ({"corpus__source": "dataset"}, r": corpus: source is 'dataset' but no path is set: set"),
    "files with a path": (OWN | {"corpus__path": "x"}, r": corpus: path is set, but source is 'files': name the files"),
    "nothing to report on": (
        {"corpus": {"source": "files", "train": "x.csv"}},
        r"corpus: there is nothing to report on: set corpus\.dev or test, or dev_fraction or test_fraction",
    ),
    "dev given and split off": (OWN | {"corpus__dev": "y.csv"}, r"corpus: dev and dev_fraction are both set: set one"),
    "all of train split off": (OWN | {"corpus__test_fraction": 0.9}, r"corpus: dev_fraction .* leave nothing of train"),
    "fraction of all": (OWN | {"corpus__test_fraction": 1}, r"corpus\.test_fraction: is 1: .*less than 1"),
    "one column for all": (OWN | {"corpus__label_column": "text"}, r"corpus: one column is named twice \(text, text"),
    "own splits of another source": ({"corpus__dev": "x"}, r": corpus: dev is set, but source is 'generated': set"),
    "a branch is no commit": (
        {"corpus": {"source": "dataset", "path": "a/b", "revision": "main", "train": "train", "dev": "dev"}},
        r"corpus: revision 'main' of 'a/b' must be a full commit hash",
    ),
    "epoch chosen on a dev set that there is not": (
        {"corpus": {"source": "files", "train": "x.csv", "test_fraction": 0.1}, "selection__validation": "dev"},
        r"selection\.validation is 'dev', but the corpus has no dev set: set corpus\.dev or dev_fraction",
    ),
    "tokenizer named like a base": ({"tokenize__tokenizers": {"tiny": "x"}}, r"tokenizers\.tiny is already .*a base"),
    "last_step without a length": (
        {"students__rnn__model__pooling": "last_step"},
        r"students\.rnn\.model\.pooling is last_step, .*: set tokenize\.max_length, or use last_token",
    ),
    "pretrain without a generated corpus": (
        {"corpus__source": "cola"},
        r"bases\.tiny\.model is 'pretrain', .* generated corpus's .*: set a model directory, a \.gguf file or a hub id",
    ),
    "unused base to pre-train on no sentences": (
        {"corpus__source": "cola", "bases": {"tiny": {"model": "here"}, "other": {}}},
        r"bases\.other\.model is 'pretrain'",
    ),
    "model of no name": ({"bases__tiny__model": ""}, r"bases\.tiny\.model: is '': .*at least 1"),
    "heads that do not divide": ({"bases__tiny__heads": 5}, r"bases\.tiny: width 128 is not a multiple of heads 5"),
    "system named like another": (
        {"students": {"rnn": {"tokenizer": "tiny"}, "distilrnn-big": {"tokenizer": "tiny"}}},
        "two systems would be named 'distilrnn-big': rename a teacher or a student",
    ),
    "distilled systems of one name": (
        {
            "teachers": {"b-c": {"base": "tiny"}, "c": {"base": "tiny"}},
            "students": {"a": {"tokenizer": "tiny"}, "a-b": {"tokenizer": "tiny"}},
        },
        "two systems would be named 'distila-b-c'",
    ),
    "student named like a teacher's system": (
        {"students": {"lora-big": {"tokenizer": "tiny"}}},
        "two systems would be named 'lora-big'",
    ),
    "two wrong things": (
        {"seeds": [], "teachers__big__tuning__rank": 0},
        r": seeds: is \[\]: .* \(and 1 more\)",
    ),
    "a huge wrong value": ({"seeds": "x" * 10**6}, r": seeds: is 'x{199}: "),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), BAD.values(), ids=BAD)
def test_bad_params_are_refused_in_one_sentence(changes, words):
    with pytest.raises(
        InputError, match=f"^params.yaml: .*{words}" if not words.startswith(":") else f"^params.yaml{words}"
    ) as e:
        validate_experiment(values(**changes), "params.yaml")
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 600


UNSAFE_NAMES = [
    *(
        "",
        " ",
        "a b",
        "a'b",
        'a"b',
        "a; rm -rf x",
        "$(id)",
        "`id`",
        "a|b",
        "a&b",
        "a*",
        "{a}",
        "${a}",
        "a:b",
        "~a",
        "#a",
    ),
    *("..", "../a", "a/b", "/a", "\\a", "-a", "--help", ".a", "_a", "a=b", "a,b", "%a", "a\n", "a\0", "a" * 65),
    *("é", "名", "٣", "²", "\u202ea", "a\u200b"),
]


@pytest.mark.parametrize("name", UNSAFE_NAMES)
@pytest.mark.parametrize("place", ["experiment", "teachers", "students", "bases", "tokenizers"])
def test_unsafe_names_are_refused(name, place):
    changes = {
        "experiment": {"experiment": name},
        "teachers": {"teachers": {name: {"base": "tiny"}}},
        "students": {"students": {name: {"tokenizer": "tiny"}}},
        "bases": {"bases": {"tiny": {}, name: {}}},
        "tokenizers": {"tokenize__tokenizers": {name: "x"}},
    }[place]
    with pytest.raises(InputError, match="is not a usable name: use at most 64 letters, digits") as refused:
        validate_experiment(values(**changes), "params.yaml")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["majority", "labels", "seed"])
def test_reserved_names_are_refused(name):
    with pytest.raises(InputError, match=rf"{name}: '{name}' is a reserved name: choose another"):
        validate_experiment(values(students={name: {"tokenizer": "tiny"}}), "params.yaml")


@settings(deadline=None)
@given(st.text(max_size=8) | st.from_regex(r"[A-Za-z0-9._-]{1,12}", fullmatch=True))
@example("a..b")
@example("linear")
def test_accepted_names_are_one_safe_word(name):
    try:
        validate_experiment(values(students={name: {"tokenizer": "tiny"}}), "params.yaml")
    except InputError:
        assert not re.fullmatch(r"[A-Za-z0-9]{1,64}", name) or name in ("majority", "labels", "seed", "linear")
    else:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name)
        assert shlex.quote(name) == name
        assert Path("a", name).parent == Path("a")
        assert len(Path("a", name).parts) == 2


def test_systems_are_named_in_the_order_of_the_table():
    students = {"rnn": {"tokenizer": "tiny"}, "gru": {"tokenizer": "tiny"}}
    found = systems(validate_experiment(values(students=students, seeds=[3, 4], teachers__big__seeds=[7]), "x"))
    assert [(s.name, s.kind, s.teacher, s.student, s.seeds) for s in found] == [
        ("lora-big", "teacher", "big", None, (7,)),
        ("distilrnn-big", "distilled", "big", "rnn", (3, 4)),
        ("distilgru-big", "distilled", "big", "gru", (3, 4)),
        ("distillinear-big", "linear", "big", None, (7,)),
        ("rnn", "baseline", None, "rnn", (3, 4)),
        ("gru", "baseline", None, "gru", (3, 4)),
        ("linear", "linear", None, None, (0,)),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"a: [", b"\t", b"\xff", b"a: *b", b"!!python/object/apply:os.system [touch pwned]", b"!!int x", b"2001-99-99",
        b"!!timestamp x", b"!!bool x", b"[" * 5000, b"9" * 5000, b"{[1]: 2}", b"\0", b"a: b: c\nd",
    ],
)  # fmt: skip
def test_files_that_are_no_yaml_are_refused(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_bytes(data)
    with pytest.raises(InputError, match=r"^params\.yaml: not readable as YAML: ") as refused:
        read_experiment(Path("params.yaml"))
    assert str(refused.value).isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    ("data", "words"), [(b"", "holds no parameters"), (b"- a", "holds no parameters"), (b"a: 1", "")]
)
def test_files_of_other_things_are_refused(tmp_path, data, words):
    (tmp_path / "params.yaml").write_bytes(data)
    with pytest.raises(InputError, match=rf"params\.yaml: .*{words}"):
        read_experiment(tmp_path / "params.yaml")


def test_params_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"nix\.yaml: no such params file: name one with --params"):
        read_experiment(tmp_path / "nix.yaml")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\): name a params file"):
        read_experiment(tmp_path)


@pytest.mark.parametrize(
    "file", [REPOSITORY / "params.yaml", *sorted((REPOSITORY / "experiments").glob("*/params.yaml"))]
)
def test_params_come_back_from_json(tmp_path, file):
    experiment = read_experiment(file)
    (tmp_path / "params.json").write_text(experiment.model_dump_json(), encoding="utf-8")
    assert read_experiment(tmp_path / "params.json") == experiment


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    *("experiment", "seeds", "bases", "teachers", "students", "corpus", "tokenize", "evaluate"),
    *("corpus__classes", "corpus__path", "bases__tiny", "bases__tiny__model", "tokenize__tokenizers"),
    *("teachers__big", "teachers__big__seeds", "teachers__big__tuning", "teachers__big__tuning__targets"),
    *("students__rnn", "students__rnn__model", "students__rnn__training__learning_rate"),
]


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5).filter(lambda key: "__" not in key), JSON, max_size=1)
)
def test_any_value_anywhere_is_an_experiment_or_one_sentence(changes):
    try:
        assert isinstance(validate_experiment(values(**changes), "params.yaml"), Experiment)
    except InputError as refused:
        assert str(refused).startswith("params.yaml: ")
        assert str(refused).isprintable()


def test_shell_commands_of_the_workflow_quote_names_by_refusing_unsafe_ones(tmp_path):
    """Snakemake itself refuses the params before any rule is parsed."""
    params = values(teachers={"a; touch pwned": {"base": "tiny"}})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    ran = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--configfile", "params.yaml",
         "--cores", "1", "--dry-run"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode != 0
    assert "'a; touch pwned' is not a usable name" in ran.stdout + ran.stderr
    assert not (tmp_path / "pwned").exists()


def test_the_schema_for_editors_is_that_of_the_params():
    """Written by `write_json(Path("workflow/schemas/experiment.schema.json"), Experiment.model_json_schema())`."""
    schema = REPOSITORY / "workflow" / "schemas" / "experiment.schema.json"
    assert json.loads(schema.read_text(encoding="utf-8")) == Experiment.model_json_schema()
