"""Code versions: for each rule, a hash of the code behind it, which changes only where results may.

A version covers the rule's script, every module of the package that the script imports, directly or not, the files that
belong to these modules (templates), and what the rule gives its script. It leaves out what no result depends on:
comments, docstrings, layout, help texts, and the texts of error messages. Every version of Python computes the same.

Snakemake takes it as a parameter of the rule, DVC as a parameter of the stage (code.json), the resume state as part of
its key, and run.json records it.
"""

import ast
import json
import keyword
import os
import re
import sys
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

PACKAGE = "distilrnn"
ROOT = Path(__file__).resolve().parents[3]
"""The repository, if the package lies in one: the folder that holds src/."""
SCRIPTS = Path("workflow/scripts")
RULES = Path("workflow/rules")
TEXTS = {"help", "description"}
"""Keyword arguments that only people read."""

_RULE = re.compile(r"^rule (\w+):\n((?:[ \t].*\n|\n)+)", re.MULTILINE)
_SECTION = re.compile(r"^ {4}(input|params|shell):\n((?: {5}.*\n)+)", re.MULTILINE)
"""The sections of a rule that decide what its script is given."""
_FUNCTION = re.compile(r"^def (\w+)\(.*\n(?:[ \t].*\n|\n)+", re.MULTILINE)

_Position = tuple[int, int]
"""Line (from 1) and column (from 0, in characters)."""

_CACHE = ROOT / ".snakemake" / f"code.{sys.implementation.cache_tag}.json"
"""Facts of files by their content. To find them takes longer than all else that Snakemake does before a run."""
_MOST = 2000
"""Files that the cache keeps facts of."""


@cache
def code_version(rule: str, root: Path = ROOT) -> str:
    """The version of the code behind a rule of the workflow in `root`: 16 hexadecimal digits.

    If the package is installed without the workflow, the rule's module in distilrnn.pipeline stands for the script.
    """
    digest = sha256()
    for name, code in code_behind(rule, root):
        digest.update(f"{name}\0{code}\0".encode())
    _facts_by_content().save()
    return digest.hexdigest()[:16]


def code_versions(root: Path = ROOT) -> dict[str, str]:
    """The code version of every rule in `root` that runs a script, by the rule's name."""
    return {rule: code_version(rule, root) for rule in sorted(_rules(root)) if _script(rule, root)}


def code_behind(rule: str, root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Name and hash of each piece of code that counts for a rule: its own sections, its script, and modules."""
    package = _package(root)
    script = _script(rule, root)
    if script:
        yield "rule", _hash("\n".join(_rule_code(rule, root)))
        yield script.name, _facts(script)["code"]
        files = modules(script, root)
    else:
        module = package / "pipeline" / f"{rule}.py"
        files = sorted({module, *modules(module, root)})
    for file in files:
        yield file.relative_to(package).as_posix(), _facts(file)["code"]


def modules(file: Path, root: Path = ROOT) -> list[Path]:
    """Every module of the package that a file imports, directly or not, wherever the import stands.

    With a module go the files beside it that bear its name, such as a template. Imports for type checkers alone do not
    count.
    """
    package = _package(root)
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        new = _imports(waiting.pop(), package) - found
        found |= new
        waiting += new
    return sorted(found)


def code_text(source: str) -> str:
    """The tokens of a module that results may depend on, as one text; raises SyntaxError.

    Without comments, docstrings, the strings in `raise SomeError(…)`, and keyword arguments such as `help="…"`. However
    the code is laid out over lines, the text is the same.
    """
    removed = iter([*sorted(_texts(source)), ((2**62, 0), (2**62, 0))])
    start, end = next(removed)
    written = ["\n"]
    brackets: list[bool] = []  # of each open bracket, whether a last comma in it means nothing
    for position, token in _tokens(source):
        while position >= end:
            start, end = next(removed)
        previous = written[-1]
        if start <= position or (token == "," and previous in ("(", ",")) or (token == "\n" and previous in "\n\1\2"):
            continue
        if token in ("(", "[", "{"):
            operand = previous.isidentifier() and not (keyword.iskeyword(previous) or previous in ("match", "case"))
            brackets.append((operand or previous in (")", "]")) == (token == "(") or token == "{")
        elif token in (")", "]", "}") and brackets.pop() and previous == ",":
            written.pop()
        written.append(token)
    return " ".join(written)


def _tokens(source: str) -> Iterator[tuple[_Position, str]]:
    """Position and text of every token but comments; f-strings are one token each, as they were up to Python 3.11.

    A logical line ends with a newline; indents and dedents are one control character each.
    """
    begin, end = getattr(tokenize, "FSTRING_START", -1), getattr(tokenize, "FSTRING_END", -1)
    lines = source.split("\n")
    marks = {tokenize.NEWLINE: "\n", tokenize.INDENT: "\1", tokenize.DEDENT: "\2"}
    open_strings: list[_Position] = []
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == begin:
            open_strings.append(token.start)
        elif token.type == end:
            first = open_strings.pop()
            if not open_strings:
                yield first, _slice(lines, first, token.end)
        elif not open_strings and token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER):
            yield token.start, marks.get(token.type, token.string)


def _slice(lines: list[str], start: _Position, end: _Position) -> str:
    """The text between two positions."""
    chosen = lines[start[0] - 1 : end[0]]
    chosen[-1] = chosen[-1][: end[1]]
    chosen[0] = chosen[0][start[1] :]
    return "\n".join(chosen)


def _texts(source: str) -> Iterator[tuple[_Position, _Position]]:
    """Start and end of everything that is for people to read, comments aside."""
    lines = source.split("\n")

    def span(node: ast.AST) -> tuple[_Position, _Position]:
        ends = ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))  # type: ignore[attr-defined]
        start, end = ((row, len(lines[row - 1].encode()[:column].decode())) for row, column in ends)
        return start, end

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and _is_text(node.value):
            yield span(node)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and _name(node.exc.func).endswith("Error"):
            yield from (span(text) for text in _strings(node.exc))
        elif isinstance(node, ast.Call):
            yield from (span(word) for word in node.keywords if word.arg in TEXTS and _is_text(word.value))


def _is_text(node: ast.AST) -> bool:
    """Whether an expression is a string literal, possibly with values in it."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _strings(node: ast.AST) -> Iterator[ast.AST]:
    """The string literals in an expression, not those inside others."""
    if _is_text(node):
        yield node
    else:
        for child in ast.iter_child_nodes(node):
            yield from _strings(child)


def _name(function: ast.AST) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _package(root: Path) -> Path:
    """The package's folder: in `root` if that is a repository, else where it is installed."""
    package = root / "src" / PACKAGE
    return package if package.is_dir() else Path(__file__).resolve().parents[1]


class _Facts:
    """What is known of files: the hash of their code, and the names that they import. Kept on disk between runs."""

    def __init__(self, by: str, known: dict[str, Any]) -> None:
        self.by = by
        """The hash of this very module, which found them."""
        self.known = known
        self.saved = len(known)

    def of(self, file: Path) -> dict[str, Any]:
        content = file.read_bytes()
        key = sha256(file.suffix.encode() + b"\0" + content).hexdigest()
        if key not in self.known:
            source, names, code = content.decode(), set(), content.decode()
            if file.suffix == ".py":
                names, code = set(_imported_names(ast.parse(source, str(file)))), code_text(source)
            self.known[key] = {"code": _hash(code), "imports": sorted(names)}
        return self.known[key]

    def save(self) -> None:
        """Write down what is new; where that is not possible, nothing is lost but time."""
        if len(self.known) == self.saved or not (ROOT / RULES).is_dir():
            return
        self.saved = len(self.known)
        newest = dict(list(self.known.items())[-_MOST:])
        with suppress(OSError):
            _CACHE.parent.mkdir(exist_ok=True)
            # Not by artifacts.files: any Python computes code versions, without the package and what it needs.
            unfinished = _CACHE.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps({"by": self.by, "known": newest}))
            unfinished.replace(_CACHE)


@cache
def _facts_by_content() -> _Facts:
    by = _hash(Path(__file__).read_text(encoding="utf-8"))
    with suppress(OSError, ValueError, KeyError):
        written = json.loads(_CACHE.read_bytes())
        if written["by"] == by:
            return _Facts(by, written["known"])
    return _Facts(by, {})


@cache
def _facts(file: Path) -> dict[str, Any]:
    return _facts_by_content().of(file)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@cache
def _imports(path: Path, package: Path) -> frozenset[Path]:
    """The package's files that one file imports, with the __init__.py of every package on the way."""
    return frozenset(file for name in _facts(path)["imports"] for file in _files_of(name, package))


def _imported_names(node: ast.AST) -> Iterator[str]:
    """Dotted names that are imported when the code runs; those for type checkers alone are left out."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        children = iter(node.orelse)
    for child in children:
        yield from _imported_names(child)


@cache
def _files_of(name: str, package: Path) -> tuple[Path, ...]:
    """For distilrnn.report.page: the __init__.py of both packages, report/page.py and templates/page.html.j2."""
    first, *parts = name.split(".")
    if first != PACKAGE:
        return ()
    module = package.joinpath(*parts)
    found = tuple(module.glob("__init__.py"))
    if not parts:
        return found
    modules = (file for file in module.parent.glob(f"{module.name}.py") if file.is_file())
    outer = _files_of(name.rpartition(".")[0], package)
    return (*outer, *found, *modules, *module.parent.glob(f"templates/{module.name}.*"))


@cache
def _rules(root: Path) -> dict[str, str]:
    """The text of every rule in workflow/rules, by name."""
    files = sorted((root / RULES).glob("*.smk"))
    return {name: body for file in files for name, body in _RULE.findall(file.read_text(encoding="utf-8") + "\n")}


@cache
def _functions(root: Path) -> dict[str, str]:
    """The text of every function in workflow/rules, by name."""
    texts = [file.read_text(encoding="utf-8") + "\n" for file in sorted((root / RULES).glob("*.smk"))]
    return {match[1]: match[0] for text in texts for match in _FUNCTION.finditer(text)}


def _script(rule: str, root: Path) -> Path | None:
    """The script that a rule runs; None if there is none."""
    named = re.search(rf"{SCRIPTS}/(\w+)\.py", _rules(root).get(rule, ""))
    return root / SCRIPTS / f"{named[1]}.py" if named else None


def _rule_code(rule: str, root: Path) -> Iterator[str]:
    """A rule's sections that decide what its script is given, and the functions of workflow/rules that they call."""
    waiting = ["".join(f"{name}:\n{body}" for name, body in _SECTION.findall(_rules(root)[rule]))]
    seen: set[str] = set()
    while waiting:
        text = waiting.pop()
        yield re.sub(r"\s+", " ", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE))
        called = [name for name in re.findall(r"\w+", text) if name in _functions(root) and name not in seen]
        seen.update(called)
        waiting += [_functions(root)[name] for name in dict.fromkeys(called)]
