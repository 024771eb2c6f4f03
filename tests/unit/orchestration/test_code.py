"""Code versions: what changes them and what does not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from distilrnn.orchestration import code
from distilrnn.orchestration.code import code_behind, code_text, code_version, code_versions, modules
from paths import REPOSITORY

SOURCE = '''"""A module."""

from pydantic import Field

LIMIT = 3  # of something
"""How many."""


class Params(Section):
    """A section."""

    width: int = Field(8, ge=1, description="Columns.")


def check(value, name="x"):
    """Refuse too much."""
    # Why: because.
    if value > LIMIT:
        raise InputError(f"{name}: is {value}: use less")
    text = """two

    lines"""
    return f"{value} {text}"
'''

FREE = {
    "comment": ("# Why: because.", "# Another reason."),
    "comment removed": ("    # Why: because.\n", ""),
    "comment at the end": ("  # of something", ""),
    "docstring of the module": ('"""A module."""', '"""Another\n\n# module."""'),
    "docstring of a class": ("A section.", "A part."),
    "docstring of a function removed": ('    """Refuse too much."""\n', ""),
    "docstring of a value": ('"""How many."""\n', ""),
    "help text": ("Columns.", "How many columns"),
    "help text over lines": ('description="Columns."', 'description="Co" f"lumns {8}"\n        ".",\n    '),
    "help text removed": (', description="Columns."', ""),
    "error message": ('f"{name}: is {value}: use less"', '"too much"'),
    "error message over lines": (
        'f"{name}: is {value}: use less"',
        '\n            f"{name}: is"\n            " é"\n        ',
    ),
    "blank lines": ("LIMIT = 3", "\n\n\nLIMIT = 3"),
    "layout": ('value, name="x"', '\n    value,\n    name="x",\n'),
}
COUNTS = {
    "number": ("LIMIT = 3", "LIMIT = 4"),
    "default": ("Field(8", "Field(9"),
    "bound": ("ge=1", "ge=2"),
    "kind of error": ("raise InputError", "raise RunError"),
    "condition": ("value > LIMIT", "value >= LIMIT"),
    "raise removed": ("raise InputError(", "InputError("),
    "string": ('name="x"', 'name="y"'),
    "blank line in a string": ("two\n\n", "two\n"),
    "spaces at a line's end in a string": ("two\n", "two  \n"),
    "format": ('f"{value} {text}"', 'f"{value}  {text}"'),
    "indentation": ("    text = ", "        text = "),
    "tuple": ("LIMIT = 3", "LIMIT = (3,)"),
}


@pytest.mark.parametrize("change", FREE)
def test_what_people_read_does_not_count(change):
    old, new = FREE[change]
    assert old in SOURCE
    assert code_text(SOURCE.replace(old, new, 1)) == code_text(SOURCE)


@pytest.mark.parametrize("change", COUNTS)
def test_code_counts(change):
    old, new = COUNTS[change]
    assert old in SOURCE
    assert code_text(SOURCE.replace(old, new, 1)) != code_text(SOURCE)


def test_a_tuple_of_one_is_not_its_value():
    assert code_text("x = (1,)\n") != code_text("x = (1)\n")
    assert code_text("x[1,]\n") != code_text("x[1]\n")
    assert code_text("f(1,)\n") == code_text("f(1)\n")
    assert code_text("x = [1,]\n") == code_text("x = [1]\n")


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13", "3.14"])
def test_every_python_computes_the_same(version):
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    python = str(installed[0]) if installed else shutil.which(f"python{version}")
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    file = REPOSITORY / "src/distilrnn/orchestration/code.py"
    command = [python, "-c", f"__file__ = {str(file)!r}; exec(open(__file__).read()); print(code_versions(ROOT))"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(code_versions())


def repository(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_modules_follows_imports_wherever_they_stand(tmp_path):
    files = {
        "workflow/scripts/a.py": "from distilrnn.a import f\n",
        "src/distilrnn/__init__.py": "",
        "src/distilrnn/a.py": "def f():\n    from distilrnn.deep import b\n    import numpy\n",
        "src/distilrnn/templates/a.html.j2": "a template",
        "src/distilrnn/deep/__init__.py": "",
        "src/distilrnn/deep/b.py": "if TYPE_CHECKING:\n    import distilrnn.typed\nelse:\n    import distilrnn.c\n",
        "src/distilrnn/c.py": "import distilrnn.a\n",
        "src/distilrnn/typed.py": "",
        "src/distilrnn/unused.py": "",
    }
    repository(tmp_path, files)
    unused = {"workflow/scripts/a.py", "src/distilrnn/typed.py", "src/distilrnn/unused.py"}
    found = {str(file.relative_to(tmp_path)) for file in modules(tmp_path / "workflow/scripts/a.py", tmp_path)}
    assert found == set(files) - unused


RULE = """rule a:
    message:
        "A"
    input:
        data=inputs_of_a,
    threads: 8
    params:
        code=code_version("a"),
    shell:
        "python workflow/scripts/a.py {params.options}"


def inputs_of_a(wildcards):
    return "a.txt"
"""


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ('"A"', '"B"', False),
        ("threads: 8", "threads: 4", False),
        ("data=inputs_of_a", "  # why\n        data=inputs_of_a", False),
        ("data=inputs_of_a", "text=inputs_of_a", True),
        ("{params.options}", "{params.options} --fast", True),
        ("a.txt", "b.txt", True),
    ],
)
def test_what_a_rule_gives_its_script_counts(tmp_path, old, new, counts):
    versions = []
    for name, text in (("before", RULE), ("after", RULE.replace(old, new, 1))):
        files = {"workflow/rules/a.smk": text, "workflow/scripts/a.py": "", "src/distilrnn/__init__.py": ""}
        versions.append(code_versions(repository(tmp_path / name, files)))
    assert versions[0].keys() == {"a"}
    assert (versions[0] != versions[1]) is counts


def test_modules_has_what_a_script_really_imports():
    imports = "import sys, distilrnn.pipeline.student, distilrnn.cli.options\n"
    loaded = "print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'distilrnn'))"
    done = subprocess.run([sys.executable, "-c", imports + loaded], capture_output=True, text=True, check=True)
    assert str(REPOSITORY / "src/distilrnn/models/student.py") in done.stdout
    found = {str(file) for file in modules(REPOSITORY / "workflow/scripts/student.py")}
    assert set(done.stdout.split()) <= found


@pytest.mark.parametrize(
    ("rule", "unrelated"),
    [
        ("teacher", {"training/distillation.py", "models/student.py", "params/student.py", "data/corpus.py"}),
        ("logits", {"training/loop.py", "training/distillation.py", "models/student.py", "params/student.py"}),
        ("base", {"training/distillation.py", "models/student.py", "params/student.py", "params/teacher.py"}),
        ("student", {"params/teacher.py", "models/teacher.py", "models/lora.py"}),
        ("tokens", {"training/loop.py", "params/corpus.py"}),
    ],
)
def test_rules_do_not_depend_on_what_is_not_theirs(rule, unrelated):
    behind = {name for name, _ in code_behind(rule)}
    assert len(behind) > 5
    assert not behind & unrelated
    behind -= {
        "evaluation/__init__.py",
        "evaluation/confusion.py",
        "evaluation/confidence.py",
    }  # by which training chooses its best point
    assert not [
        name for name in behind if name.startswith(("report/", "evaluation/", "params/experiment", "cli/workflow"))
    ]


def test_a_figure_is_behind_the_report_alone():
    assert [rule for rule in code_versions() if "report/figures.py" in dict(code_behind(rule))] == ["report"]


def test_a_loss_is_behind_students_alone():
    found = [rule for rule in code_versions() if "training/distillation.py" in dict(code_behind(rule))]
    assert found == ["baseline", "student"]


def test_without_the_workflow_the_pipelines_module_stands_for_the_script(tmp_path):
    assert code_version("teacher", tmp_path) != code_version("logits", tmp_path)
    assert "pipeline/teacher.py" in dict(code_behind("teacher", tmp_path))
    assert code.ROOT == REPOSITORY


def versions_in(root):
    """What a new process finds in a repository with a copy of this module."""
    command = [sys.executable, "-c", "from distilrnn.orchestration.code import code_versions; print(code_versions())"]
    path = {"PYTHONPATH": str(root / "src")}
    return subprocess.run(command, env=path, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("content", [b"", b"[1", b"{}", b'{"by": "another", "known": {}}'])
def test_what_is_remembered_of_files_changes_no_version(tmp_path, content):
    script = "workflow/scripts/a.py"
    files = {
        **{"workflow/rules/a.smk": RULE, script: "import distilrnn.a\n", "src/distilrnn/__init__.py": ""},
        **{"src/distilrnn/a.py": "X = 1\n", "src/distilrnn/orchestration/__init__.py": ""},
        "src/distilrnn/orchestration/code.py": Path(code.__file__).read_text(),
    }
    root = repository(tmp_path, files)
    first = versions_in(root)
    (remembered,) = (root / ".snakemake").iterdir()
    assert versions_in(root) == first
    remembered.write_bytes(content)
    assert versions_in(root) == first
    (root / "src/distilrnn/a.py").write_text("X = 2\n")
    changed = versions_in(root)
    assert changed != first
    assert versions_in(root) == changed
