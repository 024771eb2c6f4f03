"""The model card: who made what of which data, how good it is, what it costs and where it fails, as Markdown.

All of it is read from the run (Mitchell et al. 2019, "Model Cards for Model Reporting").
"""

import re
from collections.abc import Iterator, Sequence
from importlib import resources

from jinja2 import Environment, StrictUndefined

from distilrnn.evaluation.records import Examples
from distilrnn.params.common import TrainingParams
from distilrnn.params.splits import main_split
from distilrnn.report import tables
from distilrnn.report.cascades import costed, sentence
from distilrnn.report.comparison import Comparison
from distilrnn.report.formatting import NOTHING, percent, significant_digits, split_title
from distilrnn.report.render import cells, header
from distilrnn.report.results import Results
from distilrnn.report.tables import Cell, ReportTable

LONG_TEXTS = {
    "error": "Texts of more than {} tokens are refused.",
    "head": "Texts are cut to their first {} tokens.",
    "tail": "Texts are cut to their last {} tokens.",
    "head_tail": "Texts of more than {0} tokens are cut to {0}: the first quarter and the last three.",
    "windows": "Teachers read longer texts in overlapping windows of {} tokens.",
}
"""By tokenize.long_texts, with the maximum length."""
HARDEST = 3
"""Sources that are named for each system and split."""


def model_card(results: Results, comparison: Comparison) -> str:
    """The card of an experiment's systems."""
    template = resources.files("distilrnn.report").joinpath("templates/model_card.md.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"plain": plain, "markdown": markdown}
    rows = [cells(row) for row in comparison.rows]
    return environment.from_string(template).render(
        experiment=results.experiment,
        corpus=results.corpus,
        comparison=comparison,
        metrics=ReportTable("", header(results.splits), rows),
        data=tables.corpus(results),
        pools=tables.pools(results),
        pool_shares=tables.pool_shares(results),
        trained=trained(results),
        costs=tables.costs(results),
        machines=tables.machines(results.costs),
        exports=tables.exports(results),
        hardest=hardest(results),
        uses=list(uses(results, comparison)),
        examples=[(results.titles[found.system], examples_table(found)) for found in results.statistics.examples],
        examples_split=split_title(main_split(results.splits)),
        limits=list(limits(results, comparison)),
    )


def plain(text: str) -> str:
    """Text of a corpus or a params file on one line, so that Markdown takes none of it for its own."""
    return re.sub(r"([\\`*_\[\]<>|#~&])", r"\\\1", " ".join(str(text).split()))


def markdown(table: ReportTable) -> str:
    """A table without its caption; columns of numbers stand on the right."""
    texts = [[cell.text if isinstance(cell, Cell) else cell for cell in row] for row in table.rows]
    numeric = [all(cell[:1] in "0123456789−+–" for cell in column) for column in zip(*texts, strict=True)]
    align = ["--:" if right else ":--" for right in numeric]
    rows = [[plain(cell) for cell in row] for row in (table.header, *texts)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], align, *rows[1:])) + "\n"


def trained(results: Results) -> ReportTable:
    """How each system was made, and where its first seed lies."""
    experiment, rows = results.experiment, []
    for system in results.systems:
        training: TrainingParams
        if system.kind == "ensemble":
            members = ", ".join(f"{teacher} seed {seed}" for teacher, seed in experiment.members(str(system.teacher)))
            rows.append([system.title, f"mean probabilities of {members}", NOTHING, NOTHING, NOTHING])
            continue
        if system.kind == "teacher":
            teacher = experiment.teachers[str(system.teacher)]
            base, tuning, training = experiment.bases[teacher.base], teacher.tuning, teacher.training
            of = f"{base.model}{' at ' + base.revision if base.revision else ''}, {tuning.mode}"
            of += f", rank {tuning.rank} on {', '.join(tuning.targets)}" if tuning.mode == "lora" else ""
        elif system.kind == "linear":
            linear = experiment.linear
            of = f"logistic regression of TF-IDF: words {_range(linear.word_ngrams)}, characters " + (
                f"{_range(linear.character_ngrams)}, on "
                f"{f'the probabilities of {system.teacher}' if system.teacher else 'the labels'}"
            )
            steps = f"C chosen on validation among {', '.join(f'{c:g}' for c in linear.c)}"
            rows.append([system.title, of, steps, ", ".join(map(str, system.seeds)), NOTHING])
            continue
        else:
            students = experiment.students | experiment.baselines
            student = students[str(system.student)]
            model, training = student.model, student.training
            of = f"{model.cell}, {model.layers} x {model.hidden}, pooling {model.pooling}, on " + (
                f"the probabilities of {system.teacher}" if system.kind == "distilled" else "the labels"
            )
        runs = results.details[system.name].runs
        steps = f"{training.epochs} epochs, batches of {training.batch_size}, learning rate {training.learning_rate:g}"
        epochs = ", ".join(str(run.best_epoch) for run in runs)
        rows.append([system.title, of, steps, ", ".join(map(str, system.seeds)), epochs])
    return ReportTable("", ["System", "What is trained on what", "Training", "Seeds", "Best epoch of each seed"], rows)


def _range(ngrams: Sequence[int]) -> str:
    """A range of n-gram lengths in words."""
    shortest, longest = ngrams
    return "none" if longest == 0 else f"{shortest}-grams" if shortest == longest else f"{shortest}- to {longest}-grams"


def hardest(results: Results) -> ReportTable:
    """The sources that each system finds hardest, means over seeds."""
    rows = []
    for system in results.systems:
        for split in results.splits:
            if not results.has_sources(split):
                continue
            runs = results.details[system.name].on(split)
            found = {
                source: (sum(run.by_source[source].accuracy for run in runs) / len(runs), about.n)
                for source, about in runs[0].by_source.items()
            }
            worst = sorted(found, key=lambda source: (found[source][0], source))[:HARDEST]
            sources = "; ".join(f"{s or '(none)'} {percent(found[s][0])} % of {found[s][1]}" for s in worst)
            rows.append([system.title, split_title(split), sources])
    return ReportTable("", ["System", "Split", "Hardest sources: accuracy, sentences"], rows)


def uses(results: Results, comparison: Comparison) -> Iterator[str]:
    """What each student is good for, as far as the figures on the main split show, and what is better."""
    split = main_split(results.splits)
    majority, *rows = comparison.rows
    by_system = {row.system: row for row in rows}
    always = majority.scores[split]["accuracy"].mean
    teachers = {found.student: found.teacher for found in results.statistics.disagreements}
    for row in (row for row in rows if row.kind == "distilled"):
        score = row.scores[split]["accuracy"]
        teacher = by_system[teachers[row.system]]
        faster = (
            f", {significant_digits(teacher.milliseconds / row.milliseconds)} times as fast and "
            f"{significant_digits(teacher.checkpoint_bytes / row.checkpoint_bytes)} times as small"
            if row.milliseconds and teacher.milliseconds and row.checkpoint_bytes and teacher.checkpoint_bytes
            else ""
        )
        points = percent(score.mean - teacher.scores[split]["accuracy"].mean, sign="+")
        if score.ends[0] > always:
            yield (
                f"{row.title} is of use for sentences like those of {split_title(split)}: {score.text} % are right "
                f"({points} points against {teacher.title}{faster})."
            )
        else:
            yield (
                f"{row.title} is of no shown use: {score.text} % of {split_title(split)} are right, where always "
                f"saying the most frequent class has {percent(always)} % right."
            )
        better = [
            results.titles[claim.worse]
            for claim in results.statistics.claims
            if claim.better == row.system and claim.split == split and claim.verdict == "fails"
        ]
        if better:
            yield f"Take another instead of {row.title}: {', '.join(better)} is better, or no worse and simpler."
    yield from (sentence(found) for found in costed(results))


def examples_table(found: Examples) -> ReportTable:
    """Right and wrong answers of one system."""
    rows = [
        [outcome, one.sentence, one.label, f"{one.answer} ({percent(one.probability, 0)} %)"]
        for outcome, answers in (("right", found.right), ("wrong", found.wrong))
        for one in answers
    ]
    return ReportTable("", ["", "Sentence", "True class", "Answer"], rows)


def limits(results: Results, comparison: Comparison) -> Iterator[str]:
    """What the figures do not show, or show to be missing."""
    majority, *rows = comparison.rows
    for row in rows:
        for split in results.splits:
            always, score = majority.scores[split]["accuracy"].mean, row.scores[split]["accuracy"]
            low, high = score.ends
            where = f"{split_title(split)}: {score.text} % ({score.interval_text()}) against {percent(always)} %"
            if high < always:
                yield f"{row.title} is worse than always saying the most frequent class on {where}."
            elif low <= always:
                yield f"{row.title} is not shown to be better than always saying the most frequent class on {where}."
    alone = [row.title for row in rows if row.seeds == 1 and row.kind != "linear"]
    if alone:
        yield f"One seed only, so a spread over seeds is not known: {', '.join(alone)}."
    if results.experiment.tokenize.max_length:
        yield LONG_TEXTS[results.experiment.tokenize.long_texts].format(results.experiment.tokenize.max_length)
    yield (
        "Only the sentences above were evaluated: nothing is known about other kinds of text, other languages, or the "
        "harm that a wrong answer does."
    )
    yield "Probabilities are the model's own, not calibrated afterwards; report.html shows how far they are off."
    yield (
        "The files in exports/ have a vector of zeros for a token that never occurs in the corpus, where distilrnn "
        "predict has a random one."
    )
