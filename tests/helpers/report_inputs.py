"""An experiment's recorded files, made by drawing logits and scoring them."""

import json
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from distilrnn.artifacts import layout
from distilrnn.artifacts.curves import CURVE_COLUMNS
from distilrnn.artifacts.files import write_json
from distilrnn.artifacts.layout import MAJORITY
from distilrnn.data.corpus import TRAIN
from distilrnn.evaluation.cascade import SHARES
from distilrnn.evaluation.metrics import SCALARS, evaluate, fidelity
from distilrnn.evaluation.records import Cascade, CascadePoint, Claim
from distilrnn.params.experiment import Experiment, validate_experiment
from distilrnn.params.splits import evaluation_splits, main_split
from distilrnn.pipeline.evaluate import hypotheses

SIZES = {"in_domain_train": 900, "in_domain_dev": 527, "in_domain_test": 611, "out_of_domain_dev": 516}
SKILL = {"majority": 0.0, "teacher": 2.2, "distilled": 0.5, "linear": 0.3, "baseline": 0.15}
EPOCHS = {"teacher": 10, "distilled": 4, "baseline": 4}
HOSTILE = "<script>alert('x')</script>&\"|"


def make_experiment(
    teachers=("gpt2", "gpt2-medium"), students=("rnn",), seeds=(0, 1, 2, 3, 4), **sections
) -> Experiment:
    values = {
        "experiment": "demo",
        "seeds": seeds,
        "bases": {name: {"model": f"models/{name}"} for name in teachers},
        "corpus": {"source": "path", "path": "cola"},
        "teachers": {name: {"base": name, "seeds": seeds[:2]} for name in teachers},
        "students": {name: {"tokenizer": teachers[0]} for name in students},
        **sections,
    }
    return validate_experiment(values, "params.yaml")


def write_experiment(
    folder: Path,
    experiment: Experiment,
    classes: tuple[str, ...] = ("unacceptable", "acceptable"),
    sources: tuple[str, ...] = ("agreement", "anaphora", "passive", HOSTILE),
    verdicts: tuple[str, ...] = ("holds", "undecided"),
) -> Path:
    """Write every file that the report reads; returns the path of params.json."""
    random = np.random.default_rng(7)
    sizes = {split: SIZES[split] for split in experiment.corpus.splits}
    weights = np.linspace(1, 2.3, len(classes))
    labels = {split: random.choice(len(classes), n, p=weights / weights.sum()) for split, n in sizes.items()}
    origin = {split: random.choice(len(sources), n) for split, n in sizes.items()}
    corpus = {
        "hash": "ab" * 32,
        "classes": list(classes),
        "source": "path",
        "warnings": [],
        "splits": {
            split: {"sentences": len(y), "classes": np.bincount(y, minlength=len(classes)).tolist()}
            for split, y in labels.items()
        },
    }
    write_json(folder / "corpus" / "corpus.json", corpus)
    for name in [*experiment.bases, *experiment.tokenize.tokenizers]:
        counts = {"sentences": 9, "tokens": 90, "longest": 310, "mean": 10.0, "truncated": 3}
        tokens = {
            "corpus_hash": corpus["hash"],
            "classes": list(classes),
            "tokenizer_hash": "cd" * 32,
            "vocabulary": 100,
            "pad_id": 0,
            "max_length": 256,
            "splits": dict.fromkeys(sizes, counts),
        }
        write_json(folder / "tokens" / name / "tokens.json", tokens)
    params = folder / "params.json"
    params.write_text(json.dumps(experiment.model_dump(mode="json")), encoding="utf-8")

    summary, costs = {}, {}
    for number, system in enumerate([MAJORITY, *layout.systems(experiment)], -1):
        detail = _write_system(folder, system, number, labels, origin, sources, classes, random)
        write_json(folder / "metrics" / f"{system.name}.json", detail)
        summary[system.name] = {
            **{
                split: detail["mean"][split]
                | {f"{measure}_std": detail["std"][split][measure] for measure in ("accuracy", "mcc")}
                for split in evaluation_splits(sizes)
            },
            "parameters": detail["parameters"],
            "best_epoch": None
            if not system.has_curves
            else float(np.mean([run["best_epoch"] for run in detail["seeds"].values()])),
        }
        if system is MAJORITY:
            continue
        teacher = system.kind == "teacher"
        costs[system.name] = {
            "seconds_training": 611.0 + number if teacher else 41.3 + number,
            "milliseconds_single": 31.7 * (1 + number) if teacher else 0.61 + 0.02 * number,
            "sentences_per_second": 55.0 if teacher else 3912.4,
            "checkpoint_bytes": 500_124_672 * (1 + number) if teacher else 159_120_392,
            "parameters": detail["parameters"]["total"],
            "machine": {"cpu": "Example CPU", "cores": 2, "threads": 1},
        }
        if system.student:
            write_json(layout.export_folder(folder, system.name) / "export.json", _export(detail))
    write_json(folder / "metrics.json", summary)
    write_json(folder / "costs.json", costs)
    write_json(folder / "statistics.json", _statistics(experiment, verdicts))
    return params


def _write_system(folder, system, number, labels, origin, sources, classes, random):
    count = len(classes)
    seeds = {}
    for seed in system.seeds:
        skill = SKILL[system.kind] * (1 + 0.08 * number) + random.normal(0, 0.08)
        prior = np.log(np.bincount(labels[TRAIN], minlength=count) / len(labels[TRAIN]))
        run = {}
        for split in evaluation_splits(labels):
            y = labels[split]
            better = 0.8 if split == "out_of_domain_dev" else 1.0
            logits = prior + better * skill * np.eye(count)[y] + random.normal(0, 1, (len(y), count))
            if system.kind == "majority":
                logits = np.tile(prior, (len(y), 1))
            run[split] = evaluate(logits, y, np.array(sources)[origin[split]], classes).to_json()
            if system.is_distilled:
                of_teacher = logits + random.normal(0, 0.5, logits.shape)
                run[split]["fidelity"] = fidelity(logits, of_teacher).model_dump()
        if system.kind == "majority":
            seeds[str(seed)] = run | dict.fromkeys(("best_epoch", "train_accuracy", "validation_accuracy", "seconds"))
            continue
        if system.kind == "linear":
            found = {"best_epoch": None, "train_accuracy": 0.9, "validation_accuracy": 0.71, "seconds": 1.5}
            seeds[str(seed)] = run | found
            continue
        curve = _curve(system, random)
        checkpoint = layout.checkpoint_folder(folder, system, seed)
        checkpoint.mkdir(parents=True, exist_ok=True)
        head = ",".join(CURVE_COLUMNS) + "\n"
        (checkpoint / "curves.csv").write_text(head + "".join(",".join(map(repr, row)) + "\n" for row in curve))
        best = int(np.argmax([row[5] for row in curve]))
        seeds[str(seed)] = run | {
            "best_epoch": best + 1,
            "train_accuracy": curve[best][3],
            "validation_accuracy": curve[best][5],
            "seconds": 41.0 + seed,
        }
    values = {
        split: {name: [run[split][name] for run in seeds.values()] for name in SCALARS}
        for split in evaluation_splits(labels)
    }
    mean = {split: {name: float(np.mean(v)) for name, v in by.items()} for split, by in values.items()}
    std = {
        split: {name: float(np.std(v, ddof=1)) if len(v) > 1 else None for name, v in by.items()}
        for split, by in values.items()
    }
    sizes = {"majority": 0, "teacher": 125_031_168, "linear": 81_000}
    total = sizes.get(system.kind, 39_780_098)
    return {
        "system": system.name,
        "kind": system.kind,
        "teacher": system.teacher,
        "student": system.student,
        "seeds": seeds,
        "mean": mean,
        "std": std,
        "accuracy_interval": {
            split: [mean[split]["accuracy"] - 0.04, mean[split]["accuracy"] + 0.03] for split in mean
        },
        "mcc_interval": {split: [mean[split]["mcc"] - 0.08, mean[split]["mcc"] + 0.07] for split in mean},
        "parameters": {"total": total, "trainable": 629_760 if system.kind == "teacher" else total},
    }


def _export(detail):
    fp32 = {split: {name: values[name] for name in ("accuracy", "mcc")} for split, values in detail["mean"].items()}
    int8 = {split: {name: value - 0.002 for name, value in values.items()} for split, values in fp32.items()}
    return {
        "bytes": {"student.onnx": 24_900_000, "student.int8.onnx": 6_300_000, "tokenizer.json": 3_600_000},
        "checkpoint_bytes": 25_000_000,
        "parity": 2.4e-7,
        "scores": {split: {"student.onnx": fp32[split], "student.int8.onnx": int8[split]} for split in fp32},
    }


def _curve(system, random):
    """Rows as in curves.csv: training goes on improving, validation turns."""
    rows, epochs = [], EPOCHS[system.kind]
    for epoch in range(1, epochs + 1):
        share = epoch / epochs
        gain = {"teacher": 0.25, "distilled": 0.03, "baseline": 0.02}[system.kind]
        jitter = random.normal(0, 0.006, 4)
        train_loss = float(-log_softmax([0.0, 1 + 2 * gain * epoch])[1] + abs(jitter[0]))
        rows.append(
            (
                epoch,
                9 * epoch,
                train_loss,
                float(min(1, 0.7 + gain * share + jitter[1])),
                float(0.62 - gain * share + 0.9 * gain * share**3 + jitter[2]),
                float(min(1, 0.7 + 0.6 * gain * share**0.5 - 0.1 * gain * share**3 + jitter[3])),
                0.3,
                0.6,
            )
        )
    return rows


def _cascades(experiment):
    """Accuracy grows in a straight line from the student's to the teacher's."""
    return [
        Cascade(
            student=system.name,
            teacher=next(
                t.name for t in layout.systems(experiment) if t.kind == "teacher" and t.teacher == system.teacher
            ),
            split=split,
            points=[
                CascadePoint(
                    share=share,
                    handed_on=min(1, 1.1 * share),
                    accuracy=0.7 + 0.15 * share,
                    accuracy_std=None if len(system.seeds) == 1 else 0.01,
                    mcc=0.2 + 0.4 * share,
                    mcc_std=None if len(system.seeds) == 1 else 0.02,
                    held_out_accuracy=0.71 + 0.14 * share,
                )
                for share in SHARES
            ],
        ).model_dump(mode="json")
        for system in layout.systems(experiment)
        if system.is_distilled
        for split in evaluation_splits(experiment.corpus.splits)
    ]


def _sentences(experiment):
    """Right and wrong answers, and disagreements; the sentences are hostile."""
    systems, split = layout.systems(experiment), main_split(experiment.corpus.splits)
    right = {"sentence": "The cat sleeps.", "label": "acceptable", "answer": "acceptable", "probability": 0.9}
    wrong = {"sentence": HOSTILE, "label": "unacceptable", "answer": "acceptable", "probability": 0.6}
    differs = {
        "sentence": HOSTILE,
        "label": "unacceptable",
        "student": "acceptable",
        "student_probability": 0.8,
        "teacher": "unacceptable",
        "teacher_probability": 0.95,
        "distance": 0.75,
    }
    teachers = {s.teacher: s.name for s in systems if s.kind == "teacher"}
    return {
        "examples": [
            {"system": s.name, "split": split, "right": [right] * 3, "wrong": [wrong] * 3} for s in systems if s.student
        ],
        "disagreements": [
            {
                "student": s.name,
                "teacher": teachers[s.teacher],
                "split": split,
                "share": 0.21,
                "teacher_right": 0.8,
                "sentences": [differs] * 10,
            }
            for s in systems
            if s.is_distilled
        ],
    }


def _statistics(experiment, verdicts):
    claims = []
    for hypothesis in hypotheses(experiment, layout.systems(experiment)):
        better, worse = hypothesis.better, hypothesis.worse
        for split in evaluation_splits(experiment.corpus.splits):
            verdict = verdicts[len(claims) % len(verdicts)]
            claim = Claim(
                better=better.name,
                worse=worse.name,
                better_kind=better.kind,
                worse_kind=worse.kind,
                split=split,
                family=hypothesis.family,
                seeds={"better": better.seeds, "worse": worse.seeds},
                difference_accuracy=0.012,
                difference_accuracy_interval=(-0.003, 0.027),
                difference_mcc=0.031,
                difference_mcc_interval=(-0.02, 0.08),
                mcnemar={"b": 60, "c": 40, "p": 0.06, "by_seed": []},
                p=0.04,
                p_holm=0.08,
                p_mcc=0.03,
                p_mcc_holm=0.06,
                verdict=verdict,
            )
            claims.append(claim.model_dump(mode="json"))
    return {
        "confidence": 0.95,
        "resamples": 10000,
        "claims": claims,
        "cascades": _cascades(experiment),
        **_sentences(experiment),
        "label_curves": [],
        "pools": [],
        "variants": [],
    }
