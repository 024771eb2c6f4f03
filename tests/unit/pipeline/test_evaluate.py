"""A whole small experiment in a folder: what is read, refused and written."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, matthews_corrcoef

from distilrnn.artifacts import layout
from distilrnn.artifacts.curves import CURVE_COLUMNS
from distilrnn.artifacts.files import read_json, write_json
from distilrnn.artifacts.tensors import save_tensors
from distilrnn.data.corpus import SPLITS, TRAIN, read_split
from distilrnn.data.holdout import split_holdout
from distilrnn.errors import InputError
from distilrnn.params.experiment import validate_experiment
from distilrnn.params.splits import HELD_OUT
from distilrnn.pipeline.evaluate import evaluate_experiment, hypotheses, mean_curve
from paths import REPOSITORY
from runs import write_run

SCRIPT = REPOSITORY / "workflow" / "scripts" / "evaluate.py"
SIZES = {"in_domain_train": 60, "in_domain_dev": 80, "out_of_domain_dev": 50}
SKILL = {"teacher": 2.5, "distilled": 1.0, "baseline": 0.2, "linear": 0.5}


def make_experiment():
    return validate_experiment(
        {
            "experiment": "small",
            "seeds": [0, 1, 5],
            "corpus": {"source": "path", "path": "corpus"},
            "bases": {"tiny": {"model": "models/tiny"}},
            "teachers": {"tiny": {"base": "tiny", "seeds": [2, 3]}},
            "students": {"rnn": {"tokenizer": "tiny"}},
            "evaluate": {"resamples": 500},
        },
        "params.yaml",
    )


def write_logits(
    path, system, seed, labels, *, classes, corpus_hash="ab" * 32, shuffle=False, spoil=None, columns=None
):
    random = np.random.default_rng([seed, len(system.name)])
    tensors = {}
    _, held_out = split_holdout(labels[TRAIN], make_experiment().selection)
    truths = {**labels, HELD_OUT: labels[TRAIN][held_out]}
    for split in SPLITS if system.kind == "teacher" else [*SPLITS[1:], HELD_OUT]:
        n = len(truths[split])
        logits = random.normal(size=(n, len(classes))) + SKILL[system.kind] * np.eye(len(classes))[truths[split]]
        ids = np.arange(n)
        if shuffle:
            ids = np.random.default_rng(1).permutation(n)
            logits = logits[ids]
        if spoil:
            ids, logits = spoil(split, ids, logits)
        tensors[f"{split}.ids"] = torch.tensor(ids)
        tensors[f"{split}.logits"] = torch.tensor(logits, dtype=torch.float32)
    header = {"corpus_hash": corpus_hash, "classes": list(classes), "system": system.name, "seed": seed}
    save_tensors(path, "logits", tensors, header)


def write_experiment(folder, classes=("unacceptable", "acceptable")):
    """The files that evaluation reads; returns params.json and the labels by split."""
    experiment = make_experiment()
    random = np.random.default_rng(0)
    labels = {split: np.arange(n) % (len(classes) + 1) % len(classes) for split, n in SIZES.items()}
    for split, of_split in labels.items():
        sources = random.choice(["passive", "control"], len(of_split))
        lines = [f"{s}\t{label}\t\tA sentence.\n" for s, label in zip(sources, of_split, strict=True)]
        (folder / "corpus").mkdir(parents=True, exist_ok=True)
        (folder / "corpus" / f"{split}.tsv").write_text("".join(lines))
    counts = {split: {"sentences": len(y), "classes": np.bincount(y).tolist()} for split, y in labels.items()}
    write_json(
        folder / "corpus" / "corpus.json",
        {"hash": "ab" * 32, "classes": list(classes), "splits": counts, "source": "path", "warnings": []},
    )
    params = folder / "params.json"
    params.write_text(json.dumps(experiment.model_dump(mode="json")))
    for system, seed in layout.runs(experiment):
        write_logits(
            layout.logits_folder(folder, system, seed) / "logits.safetensors", system, seed, labels, classes=classes
        )
        checkpoint = layout.checkpoint_folder(folder, system, seed)
        epoch = None if system.kind == "linear" else 1 + seed % 2
        write_run(checkpoint, system.kind, seed=seed, best_epoch=epoch, seconds=1.5 + seed)
        if not system.has_curves:
            continue
        rows = [f"{e},{9 * e},{1 / e},{0.1 * e + seed / 100},{2 / e},{0.2 * e},{0.1 * e},{0.3}\n" for e in (1, 2)]
        head = ",".join(CURVE_COLUMNS) + "\n"
        (checkpoint / "curves.csv").write_text(head + "".join(rows))
    return params, labels


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    write_experiment(folder)
    return folder


@pytest.fixture
def folder(prepared, tmp_path):
    """A fresh copy of the prepared experiment."""
    return Path(shutil.copytree(prepared, tmp_path / "small"))


def system_of(name):
    return next(system for system in layout.systems(make_experiment()) if system.name == name)


def logits_path(folder, name, seed):
    return layout.logits_folder(folder, system_of(name), seed) / "logits.safetensors"


def labels_of(folder):
    return {s: np.array([e.label for e in read_split(folder / "corpus" / f"{s}.tsv")]) for s in SPLITS}


def rewrite_logits(folder, name, seed, **changes):
    changes.setdefault("classes", ("unacceptable", "acceptable"))
    write_logits(logits_path(folder, name, seed), system_of(name), seed, labels_of(folder), **changes)


def written(folder):
    names = ("metrics.json", "statistics.json", "metrics/*.json", "curves/*.csv")
    return {path.relative_to(folder): path.read_bytes() for name in names for path in folder.glob(name)}


def refused(folder, *words):
    """The experiment is refused with one sentence that holds these words, and nothing is written."""
    with pytest.raises(InputError) as caught:
        evaluate_experiment(folder / "params.json")
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert not written(folder)


def predictions(folder, name, seed, split):
    from safetensors.numpy import load_file

    return load_file(logits_path(folder, name, seed))[f"{split}.logits"].argmax(axis=1)


@pytest.mark.parametrize("classes", [("unacceptable", "acceptable"), ("low", "middle", "high")])
def test_every_file_is_written_and_means_what_it_says(tmp_path, classes):
    params, labels = write_experiment(tmp_path, classes)
    metrics, statistics = evaluate_experiment(params)
    assert read_json(tmp_path / "metrics.json") == metrics
    assert read_json(tmp_path / "statistics.json") == statistics.model_dump(mode="json")
    names = ["majority", "lora-tiny", "distilrnn-tiny", "distillinear-tiny", "rnn", "linear"]
    assert list(metrics) == names
    assert {path.stem for path in (tmp_path / "metrics").iterdir()} == set(names)
    assert {path.stem for path in (tmp_path / "curves").iterdir()} == {"lora-tiny", "distilrnn-tiny", "rnn"}
    for system in layout.systems(make_experiment()):
        detail = read_json(tmp_path / "metrics" / f"{system.name}.json")
        identity = (system.name, system.kind, system.teacher, system.student)
        assert tuple(detail[key] for key in ("system", "kind", "teacher", "student")) == identity
        assert list(detail["seeds"]) == [str(seed) for seed in system.seeds]
        assert metrics[system.name]["parameters"] == detail["parameters"] == {"total": 1000, "trainable": 10}
        for split in SPLITS[1:]:
            predicted = {seed: predictions(tmp_path, system.name, seed, split) for seed in system.seeds}
            for seed, of_seed in predicted.items():
                found = detail["seeds"][str(seed)][split]
                assert found["accuracy"] == accuracy_score(labels[split], of_seed)
                assert found["mcc"] == pytest.approx(matthews_corrcoef(labels[split], of_seed))
                assert set(found["f1"]) == set(classes)
                assert np.shape(found["confusion"]) == (len(classes), len(classes))
            for metric, score in (("accuracy", accuracy_score), ("mcc", matthews_corrcoef)):
                each = [score(labels[split], of_seed) for of_seed in predicted.values()]
                flat = metrics[system.name][split]
                assert flat[metric] == detail["mean"][split][metric] == pytest.approx(np.mean(each))
                std = pytest.approx(np.std(each, ddof=1)) if len(each) > 1 else None
                assert flat[f"{metric}_std"] == detail["std"][split][metric] == std
                low, high = detail[f"{metric}_interval"][split]
                assert low <= np.mean(each) <= high


def test_what_training_recorded_stands_beside_the_metrics(folder):
    metrics, _ = evaluate_experiment(folder / "params.json")
    seeds = read_json(folder / "metrics" / "rnn.json")["seeds"]
    kept = {"best_epoch": 2, "train_accuracy": 0.75, "validation_accuracy": 0.7, "seconds": 6.5}
    assert kept.items() <= seeds["5"].items()
    assert metrics["rnn"]["best_epoch"] == pytest.approx((1 + 2 + 2) / 3)


def test_metrics_hold_no_timing(folder):
    first, _ = evaluate_experiment(folder / "params.json")
    for path in folder.glob("*/**/run.json"):
        write_json(path, read_json(path) | {"seconds": 99.0})
    assert evaluate_experiment(folder / "params.json")[0] == first


def test_the_majority_row_says_the_most_frequent_training_class(folder):
    metrics, _ = evaluate_experiment(folder / "params.json")
    labels = labels_of(folder)
    most_frequent = np.bincount(labels[TRAIN]).argmax()
    for split in SPLITS[1:]:
        assert metrics["majority"][split]["accuracy"] == (labels[split] == most_frequent).mean()
        assert metrics["majority"][split]["mcc"] == 0
        assert metrics["majority"][split]["roc_auc"] == 0.5
    assert metrics["majority"]["parameters"] == {"total": 0, "trainable": 0}
    assert metrics["majority"]["best_epoch"] is None
    detail = read_json(folder / "metrics" / "majority.json")
    assert detail["kind"] == "majority"
    assert detail["mcc_interval"]["in_domain_dev"] == [0, 0]


def test_fidelity_is_to_the_students_own_teacher_seed(folder):
    """Student seeds 0, 1, 5 learn from teacher seeds 2, 3, 2."""
    evaluate_experiment(folder / "params.json")
    detail = read_json(folder / "metrics" / "distilrnn-tiny.json")
    for student, teacher, other in ((0, 2, 3), (1, 3, 2), (5, 2, 3)):
        own = predictions(folder, "distilrnn-tiny", student, "in_domain_dev")
        agreement = {k: (own == predictions(folder, "lora-tiny", k, "in_domain_dev")).mean() for k in (teacher, other)}
        assert agreement[teacher] != agreement[other]
        found = detail["seeds"][str(student)]["in_domain_dev"]["fidelity"]["agreement"]
        assert found == agreement[teacher]
    assert "kl" in detail["mean"]["in_domain_dev"]
    assert "fidelity" not in read_json(folder / "metrics" / "rnn.json")["seeds"]["0"]["in_domain_dev"]


def test_the_claims_are_teacher_over_distilled_over_baseline_on_each_split(folder):
    _, statistics = evaluate_experiment(folder / "params.json")
    assert (statistics.confidence, statistics.resamples) == (0.95, 500)
    found = [(c.better, c.worse, c.split) for c in statistics.claims]
    assert found == [
        ("lora-tiny", "distilrnn-tiny", "in_domain_dev"),
        ("lora-tiny", "distilrnn-tiny", "out_of_domain_dev"),
        ("distilrnn-tiny", "rnn", "in_domain_dev"),
        ("distilrnn-tiny", "rnn", "out_of_domain_dev"),
        ("distilrnn-tiny", "distillinear-tiny", "in_domain_dev"),
        ("distilrnn-tiny", "distillinear-tiny", "out_of_domain_dev"),
        ("distilrnn-tiny", "linear", "in_domain_dev"),
        ("distilrnn-tiny", "linear", "out_of_domain_dev"),
        ("distilrnn-tiny", "majority", "in_domain_dev"),
        ("distilrnn-tiny", "majority", "out_of_domain_dev"),
    ]
    assert [c.family for c in statistics.claims] == ["order"] * 4 + ["control"] * 6
    assert statistics.claims[0].verdict == "holds"
    first = statistics.claims[0].mcnemar.by_seed
    assert [(test.better, test.worse) for test in first] == [(2, 0), (3, 1), (2, 5)]
    third = statistics.claims[2].mcnemar.by_seed
    assert [(test.better, test.worse) for test in third] == [(0, 0), (1, 1), (5, 5)]
    for claim in statistics.claims:
        assert claim.p_holm >= claim.p


def test_every_student_is_compared_with_every_teacher():
    values = make_experiment().model_dump(mode="json")
    values["teachers"]["other"] = values["teachers"]["tiny"] | {"seeds": [4], "tuning": {"mode": "full"}}
    values["students"]["gru"] = values["students"]["rnn"]
    experiment = validate_experiment(values, "params.yaml")
    found = list(hypotheses(experiment, layout.systems(experiment)))
    orders = [hypothesis for hypothesis in found if hypothesis.family == "order"]
    assert [(hypothesis.better.name, hypothesis.worse.name) for hypothesis in orders] == [
        ("lora-tiny", "distilrnn-tiny"),
        ("distilrnn-tiny", "rnn"),
        ("full-other", "distilrnn-other"),
        ("distilrnn-other", "rnn"),
        ("lora-tiny", "distilgru-tiny"),
        ("distilgru-tiny", "gru"),
        ("full-other", "distilgru-other"),
        ("distilgru-other", "gru"),
    ]
    assert orders[2].pairs == [(4, 0), (4, 1), (4, 5)]
    controls = [(hypothesis.better.name, hypothesis.worse.name) for hypothesis in found if hypothesis not in orders]
    students = ["distilrnn-tiny", "distilrnn-other", "distilgru-tiny", "distilgru-other"]
    assert controls == [
        (student, control)
        for student in students
        for control in (f"distillinear-{student.partition('-')[2]}", "linear", "majority")
    ]
    assert found[-1].pairs == [(0, 0), (1, 0), (5, 0)]


def test_curves_are_means_over_seeds(folder):
    evaluate_experiment(folder / "params.json")
    with (folder / "curves" / "lora-tiny.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CURVE_COLUMNS
    assert [row["step"] for row in rows] == ["9", "18"]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [float(row["train_accuracy"]) for row in rows] == pytest.approx([0.125, 0.225])


def test_a_run_that_ended_early_counts_as_far_as_it_went():
    def curve(*values):
        return dict.fromkeys(CURVE_COLUMNS, np.array(values)) | {"epoch": np.arange(1.0, len(values) + 1)}

    rows = mean_curve([curve(1.0), curve(3.0, 5.0)])
    assert [(row["epoch"], row["train_loss"]) for row in rows] == [(1, 2.0), (2, 5.0)]


def test_twice_the_same_bytes(folder):
    evaluate_experiment(folder / "params.json")
    first = written(folder)
    evaluate_experiment(folder / "params.json")
    assert written(folder) == first
    assert len(first) == 2 + 6 + 3


def test_logits_in_another_order_are_put_back_by_id(folder):
    first, _ = evaluate_experiment(folder / "params.json")
    rewrite_logits(folder, "rnn", 1, shuffle=True)
    assert evaluate_experiment(folder / "params.json")[0] == first


@pytest.mark.parametrize("name", ["logits.safetensors", "run.json", "curves.csv"])
def test_a_system_without_some_seed_is_refused(folder, name):
    (layout.checkpoint_folder(folder, system_of("distilrnn-tiny"), 5) / name).unlink()
    refused(folder, name, "distilrnn-tiny lacks seed 5")


def test_logits_of_another_corpus_are_refused(folder):
    rewrite_logits(folder, "lora-tiny", 3, corpus_hash="cd" * 32)
    refused(folder, str(logits_path(folder, "lora-tiny", 3)), "another corpus", "cdcd", "abab")


def test_a_run_on_another_corpus_is_refused(folder):
    path = layout.checkpoint_folder(folder, system_of("rnn"), 0) / "run.json"
    write_json(path, read_json(path) | {"corpus_hash": "cd" * 32})
    refused(folder, str(path), "another corpus")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda split, ids, logits: (ids[1:], logits[1:]),
        lambda split, ids, logits: (ids + 1, logits),
        lambda split, ids, logits: (np.maximum(ids, 1), logits),
    ],
    ids=["one missing", "from 1", "one twice"],
)
def test_ids_that_are_not_the_rows_are_refused(folder, spoil):
    rewrite_logits(folder, "rnn", 0, spoil=spoil)
    refused(folder, "the 80 rows of in_domain_dev.tsv", "once each")


def test_a_changed_number_of_sentences_is_refused(folder):
    path = folder / "corpus" / "out_of_domain_dev.tsv"
    path.write_text(path.read_text() + "passive\t1\t\tOne more.\n")
    refused(folder, "the 51 rows of out_of_domain_dev.tsv")


def test_other_classes_are_refused(folder):
    rewrite_logits(folder, "rnn", 0, classes=("low", "middle", "high"))
    refused(folder, "another list of classes")


def test_a_wrong_number_of_columns_is_refused(folder):
    rewrite_logits(folder, "rnn", 0, spoil=lambda split, ids, logits: (ids, np.hstack([logits, logits[:, :1]])))
    refused(folder, "80 x 3", "2 classes")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused(folder, value):
    def spoil(split, ids, logits):
        logits[3, 0] = logits[5, 1] = value
        return ids, logits

    rewrite_logits(folder, "rnn", 0, spoil=spoil)
    refused(folder, "2 sentences of in_domain_dev", "not a finite number")


def test_logits_without_a_split_are_refused(folder):
    tensors = {"in_domain_dev.ids": torch.arange(80), "in_domain_dev.logits": torch.zeros(80, 2)}
    header = {"corpus_hash": "ab" * 32, "classes": ["unacceptable", "acceptable"], "system": "rnn", "seed": 0}
    save_tensors(logits_path(folder, "rnn", 0), "logits", tensors, header)
    refused(folder, "has no logits of out_of_domain_dev")


def test_one_seeds_logits_do_not_pass_for_anothers(folder):
    shutil.copy(logits_path(folder, "rnn", 0), logits_path(folder, "rnn", 1))
    refused(folder, str(logits_path(folder, "rnn", 1)), "another seed")


@pytest.mark.parametrize("key", ["best_epoch", "train", "validation_at_best", "seconds", "parameters"])
def test_an_incomplete_run_is_refused(folder, key):
    path = layout.checkpoint_folder(folder, system_of("lora-tiny"), 2) / "run.json"
    write_json(path, {name: value for name, value in read_json(path).items() if name != key})
    refused(folder, str(path), f"lacks {key}")


def run_script(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "", "COLUMNS": "80", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY / "src")},
        check=False,
    )


def test_the_script_prints_a_summary_of_80_columns(folder):
    done = run_script("--experiment", folder / "params.json")
    assert done.returncode == 0, done.stderr
    assert written(folder)
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for name in ("majority", "lora-tiny", "distilrnn-tiny", "rnn"):
        assert any(name in line for line in lines)
    assert " ".join(done.stdout.split()).count(" points (") == 10


def test_the_script_exits_with_2_on_bad_input(folder):
    logits_path(folder, "rnn", 1).unlink()
    done = run_script("--experiment", folder / "params.json")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert "rnn lacks seed 1" in done.stderr
    assert not written(folder)


def test_help_tells_the_units_without_heavy_imports():
    code = (
        "import runpy, sys; sys.argv = ['evaluate.py', '--help']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as done: assert done.code == 0\n"
        "assert not {'numpy', 'torch', 'sklearn', 'statsmodels'} & set(sys.modules), 'heavy'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for word in ("params.json", "shares from 0 to 1", "nats", "seconds"):
        assert word in done.stdout
