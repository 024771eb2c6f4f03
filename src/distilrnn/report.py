"""The report: one HTML page that needs no network, beside the table and the figures as files."""

import base64
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml
from jinja2 import Environment, StrictUndefined

from distilrnn import ranking, sheets, table
from distilrnn.checkpoint import write_atomically
from distilrnn.drawing import encode
from distilrnn.figures import all_figures
from distilrnn.machine import machine, versions
from distilrnn.model_card import model_card
from distilrnn.results import Results, read_results

SUFFIXES = ("png", "svg")


@dataclass(frozen=True)
class Provenance:
    """What made the results; no date, so that the same work gives the same page."""

    commit: str | None
    """None outside a git repository."""
    changed: bool
    """Whether files of the repository differ from the commit, those under results/ apart."""
    versions: dict[str, str]
    machine: dict[str, str | int]


def write_report(params: Path, provenance: Provenance) -> table.Comparison:
    """Write table, figures, model card and page beside `params`, which is results/<experiment>/params.json.

    All are made before the first is written.

    Returns:
        The Comparison, for the terminal.

    Raises:
        BadInput: a file that the report needs is missing or damaged, or a published figure is of no system.
    """
    results = read_results(params)
    comparison = table.compare(results)
    figures = {
        f"figures/{name}.{suffix}": encode(figure, suffix)
        for name, figure in all_figures(results, comparison).items()
        for suffix in SUFFIXES
    }
    files = {
        "table.md": table.to_markdown(comparison),
        "table.json": table.to_json(comparison),
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
    return Provenance(commit, bool(changed), versions(), machine())


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def page_html(
    results: Results, comparison: table.Comparison, figures: Mapping[str, bytes], provenance: Provenance
) -> str:
    """The whole page; `figures` holds the pictures by file name, of which the page takes the SVG ones."""
    template = resources.files("distilrnn").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    svg = {
        Path(name).stem: "data:image/svg+xml;base64," + base64.b64encode(content).decode()
        for name, content in figures.items()
        if name.endswith(".svg")
    }
    return environment.from_string(template).render(
        comparison=comparison,
        rows=sheets.Sheet(
            "Comparison of the systems", table.header(results.splits), [table.cells(row) for row in comparison.rows]
        ),
        published=sheets.Sheet(
            "Beside the published figures",
            table.PUBLISHED_HEADER,
            [table.published_cells(row) for row in comparison.published],
        ),
        claims=sheets.claims(results.statistics["claims"]),
        resamples=results.statistics["resamples"],
        figures=svg,
        systems=results.systems,
        curves=list(results.curves),
        variants=sheets.variants(comparison),
        variants_note=ranking.note(comparison.confidence),
        corpus=results.corpus,
        corpus_sheet=sheets.corpus(results),
        seeds=sheets.seeds(results),
        sources=[sheets.sources(results, split) for split in results.splits if results.has_sources(split)],
        confusions=sheets.confusion(results),
        quality=[sheets.quality(results, split) for split in results.splits],
        fidelity=sheets.fidelity(results),
        costs=sheets.costs(results),
        machines=sheets.machines(results.costs),
        exports=sheets.exports(results),
        params=yaml.safe_dump(results.experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        provenance=provenance,
    )
