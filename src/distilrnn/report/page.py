"""The report: one HTML page that needs no network, beside the table and the figures as files."""

import base64
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import yaml
from jinja2 import Environment, StrictUndefined

from distilrnn.report import ranking, render, tables
from distilrnn.report.cascades import costed, sentence
from distilrnn.report.comparison import Comparison
from distilrnn.report.provenance import Provenance
from distilrnn.report.results import Results


def page_html(results: Results, comparison: Comparison, figures: Mapping[str, bytes], provenance: Provenance) -> str:
    """The whole page; `figures` holds the pictures by file name, of which the page takes the SVG ones."""
    template = resources.files("distilrnn.report").joinpath("templates/page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    svg = {
        Path(name).stem: "data:image/svg+xml;base64," + base64.b64encode(content).decode()
        for name, content in figures.items()
        if name.endswith(".svg")
    }
    return environment.from_string(template).render(
        comparison=comparison,
        rows=tables.ReportTable(
            "Comparison of the systems",
            render.header(results.splits),
            [render.cells(row) for row in comparison.rows],
        ),
        published=tables.ReportTable(
            "Beside the published figures",
            render.PUBLISHED_HEADER,
            [render.published_cells(row) for row in comparison.published],
        ),
        overview=tables.overview(comparison),
        cascades=tables.cascades(results),
        cascade_sentences=[sentence(found) for found in costed(results)],
        labels=tables.labels(results),
        pools=tables.pools(results),
        pool_shares=tables.pool_shares(results),
        pool_answers=tables.pool_answers(results),
        disagreements=tables.disagreements(results),
        claims=tables.claims(results),
        resamples=results.statistics.resamples,
        figures=svg,
        systems=results.systems,
        curves=list(results.curves),
        variants=tables.variants(comparison),
        variants_note=ranking.note(comparison.confidence),
        corpus=results.corpus,
        corpus_table=tables.corpus(results),
        tokens=tables.tokens(results),
        seeds=tables.seeds(results),
        sources=[tables.sources(results, split) for split in results.splits if results.has_sources(split)],
        confusions=tables.confusion(results),
        quality=[tables.quality(results, split) for split in results.splits],
        fidelity=tables.fidelity(results),
        costs=tables.costs(results),
        machines=tables.machines(results.costs),
        exports=tables.exports(results),
        params=yaml.safe_dump(results.experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        provenance=provenance,
    )
