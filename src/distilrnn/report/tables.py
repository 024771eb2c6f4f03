"""The tables of the page, each made from the results of an experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distilrnn.artifacts.costs import Costs
from distilrnn.artifacts.layout import EXPORT_FILES
from distilrnn.evaluation.records import Interval
from distilrnn.params.splits import TRAIN, main_split
from distilrnn.report import cascades as report_cascades
from distilrnn.report import labels as report_labels
from distilrnn.report import ranking
from distilrnn.report.comparison import Comparison
from distilrnn.report.formatting import (
    NOTHING,
    number,
    percent,
    short_titles,
    si_count,
    significant_digits,
    split_title,
)
from distilrnn.report.results import Results

MOST_SOURCES = 24
"""A longer table of sources shows only its two ends."""


@dataclass(frozen=True)
class Cell:
    """A number with a background: `heat` from 0 (none) to 1."""

    text: str
    heat: float


@dataclass(frozen=True)
class ReportTable:
    """A table of the page; a cell is text or a Cell, and the first one heads its row."""

    caption: str
    header: list[str]
    rows: Sequence[Sequence[str | Cell]]


def claims(results: Results) -> ReportTable:
    """The evidence on each claim."""
    names = results.titles

    def difference(value: float, interval: Interval) -> str:
        low, high = interval
        return f"{percent(value, sign='+')} ({percent(low)} to {percent(high)})"

    rows = [
        [
            f"{names[claim.better]} > {names[claim.worse]}",
            split_title(claim.split),
            difference(claim.difference_accuracy, claim.difference_accuracy_interval),
            difference(claim.difference_mcc, claim.difference_mcc_interval),
            f"{claim.mcnemar.b} : {claim.mcnemar.c}",
            _p(claim.mcnemar.p),
            _p(claim.p),
            _p(claim.p_holm),
            claim.verdict,
            _p(claim.p_mcc_holm),
            claim.verdict_mcc,
        ]
        for claim in results.statistics.claims
    ]
    header = [
        "Claim",
        "Split",
        "Accuracy, points",
        "MCC × 100",
        "Only one right",
        "McNemar p",
        "Bootstrap p",
        "after Holm",
        "Verdict",
        "MCC: p after Holm",
        "Verdict on MCC",
    ]
    return ReportTable("Each claim, with the evidence", header, rows)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else number(value, 3)


def cascades(results: Results) -> list[ReportTable]:
    """Each cascade on the main split, by the share that is handed on."""
    return [
        ReportTable(
            f"{found.title}, handing on to {found.teacher}", report_cascades.HEADER, report_cascades.rows(found)
        )
        for found in report_cascades.costed(results)
    ]


def labels(results: Results) -> list[ReportTable]:
    """Each measure by the number of labelled sentences; none without a section labels."""
    if not results.statistics.label_curves:
        return []
    return [
        ReportTable(report_labels.caption(measure), report_labels.header(results), report_labels.rows(results, measure))
        for measure in report_labels.MEASURES
    ]


def pools(results: Results) -> ReportTable:
    """What became of the unlabelled sentences of every source."""
    header = ["Source", "Kind", "Read", "Duplicates", "In dev or test", "Held out", "In train", "Unusable"]
    rows = [
        [
            pool.source,
            pool.kind,
            *(
                f"{count:,}"
                for count in (
                    pool.read,
                    pool.duplicates,
                    pool.in_reported,
                    pool.in_held_out,
                    pool.in_train,
                    pool.unusable,
                    pool.beyond_bound,
                    pool.sentences,
                )
            ),
        ]
        for pool in results.statistics.pools
    ]
    return ReportTable("Unlabelled sentences: what was left out, and what is left", [*header, "Too many", "Left"], rows)


def pool_shares(results: Results) -> ReportTable:
    """The share of each class in every source, as the teachers see it, below that of train's labels."""
    train = results.corpus.splits[TRAIN].classes
    rows = [["train", "labels", *(percent(count / sum(train)) for count in train)]]
    rows += [
        [pool.source, results.titles[judged.teacher], *(percent(judged.shares[name]) for name in results.classes)]
        for pool in results.statistics.pools
        for judged in pool.judged
    ]
    caption = "Share of each class, as the labels of train and the teachers have it (%)"
    return ReportTable(caption, ["Sentences", "According to", *results.classes], rows)


def pool_answers(results: Results) -> list[ReportTable]:
    """Some sentences of every source that teachers score, and what they say of them."""
    tables = []
    for pool in (pool for pool in results.statistics.pools if pool.judged):
        answers = [[f"{one.answer} ({percent(one.probability, 0)} %)" for one in by.answers] for by in pool.judged]
        sentences = [one.sentence for one in pool.judged[0].answers]
        rows = [list(row) for row in zip(sentences, *answers, strict=True)]
        header = ["Sentence", *(results.titles[by.teacher] for by in pool.judged)]
        tables.append(ReportTable(f"{pool.source}: some sentences, drawn at random", header, rows))
    return tables


def disagreements(results: Results) -> list[ReportTable]:
    """The sentences on which each distilled system differs most from its teacher."""
    header = ["Sentence", "True class", "Student says", "Teacher says"]
    tables = []
    for found in results.statistics.disagreements:
        rows = [
            [
                one.sentence,
                one.label,
                f"{one.student} ({percent(one.student_probability, 0)} %)",
                f"{one.teacher} ({percent(one.teacher_probability, 0)} %)",
            ]
            for one in found.sentences
        ]
        caption = (
            f"{results.titles[found.student]}: another answer than {results.titles[found.teacher]} for "
            f"{percent(found.share)} % of {split_title(found.split)}, of which the teacher has "
            f"{percent(found.teacher_right, 0)} % right"
        )
        tables.append(ReportTable(caption, header, rows))
    return tables


def overview(comparison: Comparison) -> ReportTable:
    """The few figures of the first screen: accuracy on the main split, time and size."""
    split = main_split(comparison.splits)
    rows = [
        [
            row.title,
            row.scores[split]["accuracy"].text,
            significant_digits(row.milliseconds),
            si_count(row.checkpoint_bytes, "B"),
        ]
        for row in comparison.rows
    ]
    caption = f"Accuracy on the {split_title(split)} set, time and size"
    return ReportTable(caption, ["System", "Accuracy %", "ms per sentence", "Size"], rows)


def variants(comparison: Comparison) -> list[ReportTable]:
    """The variants that lists in the params made, a table for each system."""
    header = ranking.header(comparison.splits)
    return [
        ReportTable(
            f"Variants of {comparison.title(name)}",
            header,
            [ranking.cells(variant, comparison.splits) for variant in found],
        )
        for name, found in comparison.variants.items()
    ]


def corpus(results: Results) -> ReportTable:
    """Sentences of each split and class."""
    rows = [
        [split_title(split), str(counts.sentences), *map(str, counts.classes)]
        for split, counts in results.corpus.splits.items()
    ]
    return ReportTable("Sentences of the corpus", ["Split", "Sentences", *results.classes], rows)


def tokens(results: Results) -> ReportTable:
    """How long the texts are by each tokenizer, how many are cut, and how many are read in windows."""
    rows = [
        [
            name,
            split_title(split),
            f"{counts.mean:.1f}",
            str(counts.longest),
            str(counts.truncated),
            str(counts.in_windows),
        ]
        for name, splits in results.tokens.items()
        for split, counts in splits.items()
    ]
    header = ["Tokenizer", "Split", "Mean tokens", "Longest", "Texts cut", "In windows"]
    return ReportTable("Tokens of the texts", header, rows)


def seeds(results: Results) -> ReportTable:
    """Every run: the values behind the means."""
    rows = []
    for system in results.systems:
        for seed in system.seeds:
            run = results.details[system.name].seeds[str(seed)]
            scores = [
                score for split in results.splits for score in (run.splits[split].accuracy, run.splits[split].mcc)
            ]
            rows.append(
                [
                    system.title,
                    str(seed),
                    str(run.best_epoch or NOTHING),
                    percent(run.train_accuracy, 2),
                    percent(run.validation_accuracy, 2),
                    *(percent(score, 2) for score in scores),
                    significant_digits(run.seconds),
                ]
            )
    header = ["System", "Seed", "Best epoch", "Training accuracy %", "Validation accuracy %"]
    header += [head for title in _titles(results) for head in (f"{title} accuracy %", "MCC × 100")] + ["Training s"]
    return ReportTable("Every run (training and validation accuracy at the best epoch)", header, rows)


def _titles(results: Results) -> list[str]:
    return [title.capitalize() for title in short_titles(results.splits)]


def sources(results: Results, split: str) -> ReportTable:
    """Accuracy by source, mean over seeds, hardest source first."""
    by_system = {
        results.titles[name]: [run.by_source for run in details.on(split)] for name, details in results.details.items()
    }
    counts = {source: found.n for source, found in next(iter(by_system.values()))[0].items()}
    accuracy = {
        source: [sum(run[source].accuracy for run in runs) / len(runs) for runs in by_system.values()]
        for source in counts
    }
    trained = slice(1, None)  # the majority class comes first, and finds nothing hard
    order = sorted(counts, key=lambda source: (sum(accuracy[source][trained]), source))
    caption = f"Accuracy % by source, {split_title(split)}, hardest first"
    if len(order) > MOST_SOURCES:
        left_out = len(order) - MOST_SOURCES
        order = order[: MOST_SOURCES // 2] + order[-MOST_SOURCES // 2 :]
        caption += f" ({left_out} sources between the hardest and the easiest {MOST_SOURCES // 2} left out)"
    rows: list[list[str | Cell]] = [
        [source or "(none)", str(counts[source]), *(Cell(percent(value), value**2) for value in accuracy[source])]
        for source in order
    ]
    return ReportTable(caption, ["Source", "Sentences", *by_system], rows)


def confusion(results: Results) -> list[ReportTable]:
    """True against predicted classes, counts added over the seeds, by system and split."""
    tables = []
    for system in results.systems:
        for split in results.splits:
            runs = results.details[system.name].on(split)
            added = [
                [sum(cell) for cell in zip(*row, strict=True)]
                for row in zip(*(run.confusion for run in runs), strict=True)
            ]
            rows = [[f"true {name}", *map(str, row)] for name, row in zip(results.classes, added, strict=True)]
            seeds = "one seed" if len(runs) == 1 else f"{len(runs)} seeds added"
            caption = f"{system.title}, {split_title(split)} ({seeds})"
            tables.append(ReportTable(caption, ["", *(f"predicted {name}" for name in results.classes)], rows))
    return tables


def quality(results: Results, split: str) -> ReportTable:
    """What accuracy does not show, means over seeds."""
    rows = []
    for name, details in results.details.items():
        values, runs = details.mean[split], details.on(split)
        f1 = [percent(sum(run.f1[label] for run in runs) / len(runs)) for label in results.classes]
        shares = [percent(values[measure]) for measure in ("balanced_accuracy", "roc_auc", "ece")]
        rows.append([results.titles[name], shares[0], *f1, *shares[1:], percent(values["brier"])])
    header = ["System", "Balanced accuracy %", *(f"F1 × 100, {label}" for label in results.classes)]
    header += ["ROC-AUC × 100", "Calibration error %", "Brier × 100"]
    return ReportTable(f"Beyond accuracy, {split_title(split)}", header, rows)


def fidelity(results: Results) -> ReportTable:
    """How far each distilled student follows its teacher, means over seeds."""
    rows = []
    for system in results.systems:
        if not system.is_distilled:
            continue
        row = [system.title]
        for split in results.splits:
            runs = results.details[system.name].on(split)
            found = [run.fidelity for run in runs if run.fidelity is not None]
            row.append(percent(sum(one.agreement for one in found) / len(found)))
            row.append(f"{sum(one.kl for one in found) / len(found):.3f}")
        rows.append(row)
    header = ["System"]
    header += [head for title in _titles(results) for head in (f"{title} agreement %", "KL, nats")]
    return ReportTable("Agreement of each distilled student with its teacher", header, rows)


def costs(results: Results) -> ReportTable:
    """Sizes and times."""
    rows = []
    for name in (system.name for system in results.systems):
        parameters, costs = results.details[name].parameters, results.costs.get(name)
        rows.append(
            [
                results.titles[name],
                f"{parameters['total']:,}",
                f"{parameters['trainable']:,}",
                si_count(costs.checkpoint_bytes if costs else None, "B"),
                significant_digits(costs.seconds_training if costs else None),
                significant_digits(costs.milliseconds_single if costs else None),
                significant_digits(costs.sentences_per_second if costs else None),
            ]
        )
    header = ["System", "Parameters", "Trained", "Checkpoint", "Training s", "ms per sentence", "Sentences/s"]
    return ReportTable("What each system costs", header, rows)


def exports(results: Results) -> ReportTable:
    """Each student as ONNX: sizes, and what the int8 variant costs."""
    rows = []
    for name, about in results.exports.items():
        sizes = [about["checkpoint_bytes"], *(about["bytes"][file] for file in EXPORT_FILES[:2])]
        row = [
            results.titles[name],
            *(si_count(size, "B") for size in sizes),
            f"{about['parity']:.1e}".replace("-", "−"),
        ]
        for split in results.splits:
            fp32, int8 = (about["scores"][split][file] for file in EXPORT_FILES[:2])
            for measure in ("accuracy", "mcc"):
                difference = number(100 * (int8[measure] - fp32[measure]), 1, "+")
                row += [percent(fp32[measure]), f"{percent(int8[measure])} ({difference})"]
        rows.append(row)
    header = ["System", "Checkpoint", "ONNX fp32", "ONNX int8", "Logit differs by"]
    for title in _titles(results):
        header += [f"{title} accuracy %, fp32", "int8", "MCC × 100, fp32", "int8"]
    return ReportTable("Each student as ONNX, first seed", header, rows)


def machines(costs: Mapping[str, Costs]) -> list[str]:
    """The machines that the times were measured on, each once, in words."""
    machines = [", ".join(f"{key} {value}" for key, value in sorted(one.machine.items())) for one in costs.values()]
    return list(dict.fromkeys(machines))
