"""Rule report: table, figures, page and model card."""

import subprocess
from pathlib import Path

from distilrnn.artifacts.files import write_atomically
from distilrnn.orchestration.code import code_versions
from distilrnn.report.comparison import Comparison, compare
from distilrnn.report.figures import all_figures
from distilrnn.report.model_card import model_card
from distilrnn.report.page import page_html
from distilrnn.report.provenance import Provenance
from distilrnn.report.render import to_json, to_markdown
from distilrnn.report.results import read_results
from distilrnn.report.style import encode
from distilrnn.runtime.machine import machine, versions

SUFFIXES = ("png", "svg")


def write_report(params: Path, provenance: Provenance) -> Comparison:
    """Write table, figures, model card and page beside `params`, which is results/<experiment>/params.json.

    All are made before the first is written.

    Returns:
        The Comparison, for the terminal.

    Raises:
        InputError: a file that the report needs is missing or damaged, or a published figure is of no system.
    """
    results = read_results(params)
    comparison = compare(results)
    figures = {
        f"figures/{name}.{suffix}": encode(figure, suffix)
        for name, figure in all_figures(results, comparison).items()
        for suffix in SUFFIXES
    }
    files: dict[str, str | bytes] = {
        "table.md": to_markdown(comparison),
        "table.json": to_json(comparison, provenance),
        **figures,
        "model-card.md": model_card(results, comparison),
        "report.html": page_html(results, comparison, figures, provenance),
    }
    for name, content in files.items():
        write_atomically(params.parent / name, content)
    return comparison


def gather_provenance(folder: Path) -> Provenance:
    """The provenance of work done now, on this machine, with the repository that holds `folder`."""
    commit = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude,top)results")
    return Provenance(commit, bool(changed), versions(), machine(), code_versions())


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
