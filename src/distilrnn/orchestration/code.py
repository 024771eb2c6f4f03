"""The code behind a script: every module of the package that it imports, directly or not."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path("src")


PACKAGE = "distilrnn"


def modules(script: str) -> list[str]:
    """Every module of the package that a script imports, directly or not, wherever the import stands.

    With a module go the files beside it that bear its name, such as a template.

    Snakemake takes them as inputs of the script's rule, and dvc.yaml names the same files, so that both rerun a phase
    when its code changes, and only then.
    """
    found: set[Path] = set()
    waiting = [Path(script)]
    while waiting:
        new = _imports(waiting.pop()) - found
        found |= new
        waiting += new
    return sorted(map(str, found))


@cache
def _imports(path: Path) -> frozenset[Path]:
    """The package's files that one file imports, with the __init__.py of every package on the way."""
    if path.suffix != ".py":
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return frozenset(file for name in _imported_names(tree) for file in _files_of(name))


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


def _files_of(name: str) -> Iterator[Path]:
    """For distilrnn.report.page: the __init__.py of both packages, report/page.py and templates/page.html.j2."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return
    for length in range(1, len(parts) + 1):
        module = SOURCE.joinpath(*parts[:length])
        yield from module.glob("__init__.py")
        yield from (file for file in module.parent.glob(f"{module.name}.py") if file.is_file())
        yield from module.parent.glob(f"templates/{module.name}.*")
