"""Lists in a params file: the grid they make, the variant that is chosen, and the ranking."""

import copy
import re
from io import StringIO

import numpy as np
import pytest

from distilrnn.artifacts import layout
from distilrnn.artifacts.files import read_json, write_json
from distilrnn.artifacts.runs import PointScores
from distilrnn.errors import InputError
from distilrnn.evaluation.selection import compared_systems, select_variants
from distilrnn.evaluation.system_metrics import VariantScores
from distilrnn.orchestration import stages
from distilrnn.params.experiment import Experiment, validate_experiment
from distilrnn.params.splits import SPLITS
from distilrnn.params.sweep import LARGEST_GRID
from distilrnn.report import ranking
from distilrnn.report.comparison import compare
from distilrnn.report.render import to_markdown
from distilrnn.report.results import read_results
from report_inputs import make_experiment, write_experiment
from runs import write_run

VALUES = {
    "experiment": "sweep",
    "seeds": [0, 1],
    "bases": {"tiny": {}},
    "teachers": {"tiny": {"base": "tiny", "seeds": [3]}},
    "students": {"rnn": {"tokenizer": "tiny"}},
}


def experiment(teacher=None, student=None, **sections):
    values = copy.deepcopy(VALUES) | sections
    values["teachers"]["tiny"] |= teacher or {}
    values["students"]["rnn"] |= student or {}
    return validate_experiment(values, "params.yaml")


GRID = {"model": {"cell": ["rnn", "gru"], "hidden": 32}, "distil": {"temperature": [1, 4]}}


def test_lists_make_every_combination():
    made = experiment(student=GRID)
    assert {(s.model.cell, s.distil.temperature) for s in made.students.values()} == {
        ("rnn", 1), ("rnn", 4), ("gru", 1), ("gru", 4)
    }  # fmt: skip
    assert "rnn/cell=gru,temperature=4" in made.students
    assert made.students["rnn/cell=gru,temperature=4"].model.hidden == 32


def test_without_lists_nothing_changes():
    assert list(experiment().students) == ["rnn"]
    assert [system.label for system in layout.systems(experiment())] == [
        "lora-tiny", "distilrnn-tiny", "distillinear-tiny", "rnn", "linear"
    ]  # fmt: skip


def test_the_baseline_is_not_repeated_for_what_only_distillation_knows():
    made = experiment(student=GRID)
    assert list(made.baselines) == ["rnn/cell=rnn", "rnn/cell=gru"]
    assert list(experiment(student={"distil": {"temperature": [1, 2]}}).baselines) == ["rnn"]


def test_every_student_learns_from_every_teacher():
    made = experiment(teacher={"tuning": {"rank": [2, 4]}}, student={"distil": {"temperature": [1, 2]}})
    distilled = [system for system in layout.systems(made) if system.kind == "distilled"]
    assert [s.variant for s in distilled] == [
        f"temperature={t},teacher.rank={rank}" for t in (1, 2) for rank in (2, 4)
    ]  # fmt: skip
    folders = {layout.checkpoint_folder(layout.root(made), s, seed) for s, seed in layout.runs(made)}
    assert len(folders) == 2 + 4 * 2 + 2 + 3
    assert len({system.label for system in layout.systems(made)}) == 10


def test_a_parameter_that_is_a_list_by_nature_is_one_value():
    one = experiment(teacher={"tuning": {"targets": ["attn.*", "mlp.*"]}})
    assert list(one.teachers) == ["tiny"]
    two = experiment(teacher={"tuning": {"targets": [["all-linear"], ["attn.*", "mlp.*"]]}})
    assert [teacher.tuning.targets for teacher in two.teachers.values()] == [("all-linear",), ("attn.*", "mlp.*")]


def test_unset_and_yes_or_no_are_values_too():
    made = experiment(teacher={"tuning": {"alpha": [None, 8], "train_norms": [True, False]}})
    assert next(iter(made.teachers)) == "tiny/train_norms=true,alpha=none"
    assert [t.tuning.alpha for t in made.teachers.values()] == [None, 8, None, 8]


def test_the_written_params_say_the_same():
    made = experiment(teacher={"tuning": {"rank": [2, 4]}}, student=GRID)
    assert Experiment.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("teacher", "student", "words"),
    [
        ({}, {"distil": {"temperature": []}}, r"students.rnn.distil.temperature is \[\]: give one or more values"),
        ({}, {"distil": {"temperature": [1, 1.0]}}, "each once"),
        ({}, {"distil": {"temperature": [1, 0]}}, r"temperature=0.distil.temperature: is 0: .*greater than 0"),
        ({}, {"distil": {"temperature": list(range(1, LARGEST_GRID + 2))}}, f"{LARGEST_GRID} or fewer"),
        ({"tuning": {"mode": ["lora", "full"]}}, {}, "a teacher of its own for each mode"),
        ({"base": ["tiny", "tiny"]}, {}, "base"),
        ({}, {"tokenizer": ["tiny"]}, "tokenizer"),
        ({}, {"ensembles": {"all": ["other"]}}, r"ensembles.all is \['other'\]: .*choose one of tiny"),
        ({}, {"ensembles": {"all": []}}, "name teachers"),
        ({}, {"ensembles": {"tiny": ["tiny"]}}, "has the name of a teacher"),
    ],
)
def test_bad_lists_are_refused_in_one_sentence(teacher, student, words):
    with pytest.raises(InputError, match=words) as refused:
        experiment(teacher, student)
    assert "\n" not in str(refused.value)


def test_the_targets_of_a_phase_are_all_variants():
    made = experiment(teacher={"tuning": {"rank": [2, 4]}}, student=GRID)
    adapters = [f for f in stages.targets(made, "teacher", "tiny") if f.endswith("adapter.safetensors")]
    assert adapters == [f"results/sweep/teachers/tiny/rank={rank}/seed3/adapter.safetensors" for rank in (2, 4)]
    students = [f for f in stages.targets(made, "student", "rnn") if f.endswith("run.json")]
    assert len(students) == 4 * 2 * 2
    # What a phase's stage of DVC keeps is one folder for each entry of the params file.
    assert all(file.startswith("results/sweep/students/rnn/") for file in students)
    assert all(f.startswith("results/sweep/baselines/rnn/") for f in stages.targets(made, "baseline", "rnn"))


def test_the_files_of_the_comparison_do_not_depend_on_the_choice():
    plain, sweep = experiment(), experiment(student=GRID)
    assert stages.targets(plain, "evaluate") == stages.targets(sweep, "evaluate")
    assert stages.targets(plain, "report") == stages.targets(sweep, "report")


def test_the_best_on_validation_is_chosen_and_a_student_of_the_chosen_teacher():
    made = experiment(teacher={"tuning": {"rank": [2, 4]}}, student={"distil": {"temperature": [1, 2]}})
    systems = layout.systems(made)
    validation = dict.fromkeys((system.label for system in systems), 0.5)
    validation["lora-tiny/rank=4"] = 0.7
    validation["distilrnn-tiny/temperature=2,teacher.rank=4"] = 0.6
    validation["distilrnn-tiny/temperature=1,teacher.rank=2"] = 0.9  # better, but of a teacher that was not chosen
    chosen = [system.label for system in select_variants(systems, validation)]
    assert chosen == [
        "lora-tiny/rank=4",
        "distilrnn-tiny/temperature=2,teacher.rank=4",
        "distillinear-tiny/teacher.rank=4",
        "rnn",
        "linear",
    ]


def test_of_equals_the_first_is_chosen():
    systems = layout.systems(experiment(student=GRID))
    equal = dict.fromkeys((system.label for system in systems), 0.5)
    assert select_variants(systems, equal)[1].student == "rnn/cell=rnn,temperature=1"


def test_what_was_trained_is_read_for_the_choice(tmp_path):
    made = experiment(student={"distil": {"temperature": [1, 2, 4]}})
    for system, seed in layout.runs(made):
        accuracy = 0.9 if system.variant == "temperature=2" else 0.2 + 0.5 * seed
        best = PointScores(accuracy=0.5, mcc=accuracy)
        write_run(layout.checkpoint_folder(tmp_path, system, seed), validation_at_best=best)
    assert [system.label for system in compared_systems(made, tmp_path)] == [
        "lora-tiny",
        "distilrnn-tiny/temperature=2",
        "distillinear-tiny",
        "rnn",
        "linear",
    ]


def _variant(name, accuracy, chosen=False):
    found = {"accuracy": accuracy, "accuracy_std": 0.01, "accuracy_interval": [accuracy - 0.05, accuracy + 0.05]}
    found |= {"mcc": 0.1, "mcc_std": None, "mcc_interval": [0.0, 0.2]}
    return {
        "system": "distilrnn-gpt2",
        "variant": name,
        "chosen": chosen,
        "seeds": 2,
        "validation_accuracy": accuracy,
        "validation_accuracy_std": 0.02,
        "seconds": 12.0,
        **dict.fromkeys(SPLITS[1:], found),
    }


def test_the_table_ranks_the_variants_by_validation(tmp_path):
    params = write_experiment(tmp_path, make_experiment(teachers=("gpt2",)))
    statistics = read_json(tmp_path / "statistics.json")
    made = [_variant("temperature=1", 0.70), _variant("temperature=4", 0.74, True), _variant("temperature=2", 0.72)]
    write_json(tmp_path / "statistics.json", statistics | {"variants": made})
    comparison = compare(read_results(params))
    text = to_markdown(comparison)
    assert re.findall(r"^\| (temperature=\d)", text, re.MULTILINE) == [f"temperature={t}" for t in (4, 2, 1)]
    assert "| temperature=4 | ✓ | 2 | 74.0 ± 2.0 | 74.0 ± 1.0 (69.0 to 79.0) |" in text
    assert ranking.note(0.95) in text
    without = write_experiment(tmp_path / "other", make_experiment(teachers=("gpt2",)))
    assert "Variants" not in to_markdown(compare(read_results(without)))


def test_a_terminal_shows_the_first_variants_and_the_chosen_one():
    from rich.console import Console

    found = (_variant(f"temperature={t}", 0.9 - t / 100, chosen=t == 14) for t in range(15))
    many = [VariantScores.model_validate(one) for one in found]
    console = Console(width=80, record=True, file=StringIO())
    console.print(ranking.to_rich("distilrnn-gpt2", many, SPLITS[1]))
    text = console.export_text()
    assert re.findall(r"temperature=(\d+)", text) == [*map(str, range(ranking.MOST_SHOWN)), "14"]
    assert "4 more in table.md" in text
    assert max(map(len, text.splitlines())) <= 80


def test_an_ensemble_says_the_mean_probability():
    from distilrnn.artifacts.logits import average

    random = np.random.default_rng(0)
    members = [{"dev": random.normal(0, 3, (5, 3)).astype(np.float32)} for _ in range(3)]
    softmax = [np.exp(m["dev"]) / np.exp(m["dev"]).sum(1, keepdims=True) for m in members]
    np.testing.assert_allclose(np.exp(average(members)["dev"]), np.mean(softmax, axis=0), rtol=1e-5)
    assert average(members[:1])["dev"] is members[0]["dev"]
    extreme = [{"dev": np.array([[1e4, -1e4]], np.float32)}, {"dev": np.array([[-1e4, 1e4]], np.float32)}]
    assert np.isfinite(average(extreme)["dev"]).all()


def test_an_ensemble_is_every_run_of_its_teachers():
    made = experiment(
        teacher={"seeds": [3, 4], "tuning": {"rank": [2, 4]}}, student={"ensembles": {"all": ["tiny"]}}
    )  # fmt: skip
    assert made.members("all") == [(f"tiny/rank={rank}", seed) for rank in (2, 4) for seed in (3, 4)]
    assert made.system_names() == [
        "lora-tiny",
        "ensemble-all",
        "distilrnn-tiny",
        "distilrnn-all",
        "distillinear-tiny",
        "distillinear-all",
        "rnn",
        "linear",
    ]


LABELS = {"labels": {"sentences": [30, 10]}}


def test_fewer_labels_are_variants_of_every_teacher_student_and_linear_classifier():
    made = experiment(teacher={"tuning": {"rank": [2, 4]}}, corpus={"train_size": 100}, **LABELS)
    assert list(made.teachers) == [
        "tiny/rank=2", "tiny/rank=4",
        *(f"tiny/rank={rank},labels={n}" for n in (30, 10) for rank in (2, 4)),
    ]  # fmt: skip
    assert list(made.baselines) == ["rnn", "rnn/labels=30", "rnn/labels=10"]
    assert made.teachers_of("rnn/labels=10") == ["tiny/rank=2,labels=10", "tiny/rank=4,labels=10"]
    assert made.teachers_of("rnn") == ["tiny/rank=2", "tiny/rank=4"]
    assert (made.budget("rnn/labels=10").labels, made.budget("rnn").labels) == (10, None)
    systems = layout.systems(made)
    assert len({system.label for system in systems}) == len(systems) == 3 * (2 + 2 + 2 + 1 + 1)
    assert {s.labels for s in systems if s.name == "linear"} == {None, 30, 10}
    folders = {layout.checkpoint_folder(layout.root(made), s, 0).as_posix() for s in systems if s.name == "linear"}
    assert folders == {f"results/sweep/linear/labels{of}/seed0" for of in ("", "/labels=30", "/labels=10")}
    assert made == validate_experiment(made.model_dump(mode="json"), "params.json")


def test_all_labels_are_named_and_trained_as_without_a_section_of_labels():
    without, with_labels = experiment(), experiment(**LABELS)
    more = [system for system in layout.systems(with_labels) if system.labels]
    assert [system for system in layout.systems(with_labels) if system not in more] == layout.systems(without)
    assert with_labels.system_names() == without.system_names()
    assert [f for f in stages.figure_files(with_labels, "png") if f not in stages.figure_files(without, "png")] == [
        "results/sweep/figures/labels.png"
    ]


def test_an_ensemble_is_of_teachers_with_all_labels():
    made = experiment(student={"ensembles": {"both": ["tiny"]}}, **LABELS)
    assert made.members("both") == [("tiny", 3)]
    assert made.teachers_of("rnn/labels=30") == ["tiny/labels=30"]
    assert made.teachers_of("rnn") == ["tiny", "both"]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"sentences": [100, 100]}, "labels.sentences: sentences [100, 100] repeat"),
        ({"sentences": [1]}, "or are below 2"),
        ({"sentences": ["many"]}, "'many'"),
        ({"sentences": 100}, "labels.sentences: is 100"),
        ({"sentences": [1000]}, "labels.sentences has 1000, but corpus.train_size is 1000: give fewer"),
        ({"numbers": [100]}, "labels.numbers: unknown parameter"),
    ],
)
def test_bad_numbers_of_labels_are_refused_in_one_sentence(labels, words):
    with pytest.raises(InputError) as refused:
        experiment(labels=labels)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_comparison_is_of_all_labels_and_each_number_has_its_own_choice(tmp_path):
    made = experiment(teacher={"tuning": {"rank": [2, 4]}}, **LABELS)
    for system, seed in layout.runs(made):
        good = {None: {"2": 0.9, "4": 0.8}, 30: {"2": 0.7, "4": 0.75}, 10: {"2": 0.99, "4": 0.98}}[system.labels]
        value = good[system.teacher.partition("rank=")[2][0]] if system.teacher else 0.5
        best = PointScores(accuracy=value, mcc=value, macro_f1=value, loss=value)
        write_run(layout.checkpoint_folder(tmp_path, system, seed), validation_at_best=best)
    chosen = {number: compared_systems(made, tmp_path, number) for number in (None, 30, 10)}
    assert {number: systems[0].teacher for number, systems in chosen.items()} == {
        None: "tiny/rank=2", 30: "tiny/rank=4,labels=30", 10: "tiny/rank=2,labels=10"
    }  # fmt: skip
    assert all(system.labels == number for number, systems in chosen.items() for system in systems)


def test_lists_of_sources_are_compared_and_none_is_one_of_them():
    sources = {"own": {"kind": "text", "files": ["own.txt"]}, "changed": {"kind": "augment"}}
    made = experiment(
        student={"transfer": [[], ["own"], ["own", "changed"]], "distil": {"temperature": [1, 4]}},
        transfer={"sources": sources},
    )
    assert {name: student.transfer for name, student in made.students.items() if "temperature=1" in name} == {
        "rnn/temperature=1,transfer=none": (),
        "rnn/temperature=1,transfer=own": ("own",),
        "rnn/temperature=1,transfer=own+changed": ("own", "changed"),
    }
    assert len(made.students) == 6
    assert list(made.baselines) == ["rnn"]
    one = experiment(student={"transfer": ["own", "changed"]}, transfer={"sources": sources})
    assert list(one.students) == ["rnn"]
    with pytest.raises(InputError, match=r"students\.rnn/transfer=else\.transfer names 'else'"):
        experiment(student={"transfer": [["own"], ["else"]]}, transfer={"sources": sources})
