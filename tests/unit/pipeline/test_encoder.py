"""Rule encoder: one language model for all seeds of a student, which then begins with it."""

import numpy as np
import pytest

from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.tensors import load_arrays, load_tensors
from distilrnn.errors import InputError
from distilrnn.models.checkpoints import load_student
from distilrnn.orchestration.code import code_version
from distilrnn.params.common import SelectionParams
from distilrnn.params.experiment import validate_experiment
from distilrnn.params.student import DistilParams, PretrainingParams, StudentModelParams
from distilrnn.pipeline.encoder import EncoderJob, pretrain_encoder
from distilrnn.pipeline.start import StartingPoint
from distilrnn.pipeline.student import StudentJob, train_student
from tiny import MODEL, SELECTION, STUDYING

PRETRAINING = PretrainingParams(epochs=12, batch_size=8, learning_rate=0.03, precision="fp32")


@pytest.mark.parametrize(
    "model",
    [
        StudentModelParams(cell="lstm", embedding=6, hidden=7, bidirectional=True, pooling="max"),
        StudentModelParams(cell="rnn", embedding=6, hidden=7, layers=2, dropout=0.1),
    ],
)
def test_a_student_begins_with_the_encoder_and_the_language_model_learns(tiny, workplace, model):
    run = pretrain_encoder(EncoderJob(tiny.tokens, model, PRETRAINING, SELECTION, threads=1), workplace / "encoder")
    vocabulary = read_json(tiny.tokens / "tokens.json")["vocabulary"]
    assert run.validation_perplexity < vocabulary / 4
    assert run.sentences == 80
    tensors, _ = load_tensors(workplace / "encoder" / "encoder.safetensors", "encoder")
    start = StartingPoint(encoder=workplace / "encoder" / "encoder.safetensors")
    tokenizer = read_json(tiny.tokens / "tokens.json")["tokenizer_hash"]
    student = start.load(tokenizer, model, 2).student(tensors["token_ids"].numpy().astype(np.int64), 3)
    for name, weight in student.state_dict().items():
        if not name.startswith("head."):
            assert np.array_equal(weight.numpy(), tensors[name].numpy()), name
    assert not (workplace / ".resume").exists() or not list((workplace / ".resume").iterdir())


def test_pretraining_is_deterministic_and_training_begins_with_it(tiny, workplace):
    for name in ("first", "second"):
        pretrain_encoder(EncoderJob(tiny.tokens, MODEL, PRETRAINING, SELECTION, threads=1), workplace / name)
    files = [workplace / name / "encoder.safetensors" for name in ("first", "second")]
    assert files[0].read_bytes() == files[1].read_bytes()
    still = STUDYING.model_copy(update={"learning_rate": 1e-12, "epochs": 1})
    start = StartingPoint(encoder=files[0])
    job = StudentJob(tiny.tokens, MODEL, still, SELECTION, DistilParams(), start=start, seed=5, threads=1)
    train_student(job, workplace / "student")
    student, _, header = load_student(workplace / "student" / "student.safetensors")
    tensors, _ = load_tensors(files[0], "encoder")
    for name in ("recurrent.weight_hh_l0", "recurrent.weight_ih_l0"):
        np.testing.assert_allclose(student.state_dict()[name], tensors[name], atol=1e-6)
    assert header.encoder_hash is not None


def test_the_sampled_softmax_learns_too(tiny, workplace):
    sampled = PRETRAINING.model_copy(update={"samples": 50})
    run = pretrain_encoder(EncoderJob(tiny.tokens, MODEL, sampled, SELECTION, threads=1), workplace / "encoder")
    assert run.code == code_version("encoder")
    assert run.validation_perplexity < read_json(tiny.tokens / "tokens.json")["vocabulary"] / 4


def test_an_encoder_of_another_shape_is_refused(tiny, workplace):
    pretrain_encoder(EncoderJob(tiny.tokens, MODEL, PRETRAINING, SELECTION, threads=1), workplace / "encoder")
    start = StartingPoint(encoder=workplace / "encoder" / "encoder.safetensors")
    for change, said in (
        ({"hidden": 9}, "does not fit the student's recurrent layers"),
        ({"embedding": 9}, "embedding 9"),
    ):
        model = MODEL.model_copy(update=change)
        job = StudentJob(tiny.tokens, model, STUDYING, SELECTION, DistilParams(), start=start, threads=1)
        with pytest.raises(InputError, match=said):
            train_student(job, workplace / "student")
    assert not (workplace / "student").exists()


def experiment(**student):
    return {
        "experiment": "x",
        "bases": {"tiny": {}},
        "teachers": {"tiny": {"base": "tiny"}},
        "students": {"rnn": {"tokenizer": "tiny", **student}},
    }


def test_students_that_differ_after_the_encoder_share_one():
    values = experiment(pretraining={"epochs": 2}, distil={"temperature": [1, 2]}, model={"pooling": ["max", "mean"]})
    found = validate_experiment(values, "params")
    assert len(found.students) == 4
    assert len(found.encoders) == 1
    assert {found.encoder_name(student) for student in found.students.values()} == set(found.encoders)
    cells = validate_experiment(experiment(pretraining={}, model={"cell": ["rnn", "gru"]}), "params")
    assert len(cells.encoders) == 2


def test_students_of_other_sources_share_an_encoder_that_names_its_own():
    values = experiment(pretraining={"transfer": ["read"]}, transfer=[["more"], ["more", "read"], []])
    values["transfer"] = {"sources": {name: {"kind": "corpus"} for name in ("more", "read", "unused")}}
    found = validate_experiment(values, "params")
    assert len(found.students) == 3
    assert len(found.encoders) == 1


def test_a_source_may_be_scored_by_no_teacher():
    values = experiment(pretraining={"transfer": ["read"]}, transfer=["more"])
    values["transfer"] = {"sources": {"more": {"kind": "corpus"}, "read": {"kind": "corpus", "scored": False}}}
    values["bases"]["other"] = {}
    values["teachers"]["tiny"]["base"] = "other"
    found = validate_experiment(values, "params")
    assert found.scored_sources == found.linear_sources() == ("more",)
    assert [found.transfer_tokenizers(source) for source in ("more", "read")] == [["other", "tiny"], ["tiny"]]
    for wrong in (
        {"students": values["students"] | {"b": {"tokenizer": "tiny", "transfer": ["read"]}}},
        {"linear": {"transfer": ["read"]}},
    ):
        with pytest.raises(
            InputError, match=r"names 'read', which no teacher scores: set transfer\.sources\.read\.scored"
        ):
            validate_experiment(values | wrong, "params")


@pytest.mark.parametrize(
    ("sources", "said"), [(["nix"], "names 'nix', which"), (["more", "more"], "names a source twice")]
)
def test_sources_of_an_encoder_are_checked(sources, said):
    values = experiment(pretraining={"transfer": sources})
    values["transfer"] = {"sources": {"more": {"kind": "corpus"}}}
    with pytest.raises(InputError, match=rf"students\.rnn\.pretraining\.transfer {said}"):
        validate_experiment(values, "params")


def test_several_bidirectional_layers_are_refused():
    with pytest.raises(InputError, match="each word would see itself"):
        validate_experiment(experiment(pretraining={}, model={"bidirectional": True, "layers": 2}), "params")


def test_a_tuned_threshold_becomes_the_heads_bias(tiny, workplace):
    selection = SELECTION.model_copy(update={"threshold": "tuned", "metric": "mcc"})
    for name, chosen in (("argmax", SELECTION), ("tuned", selection)):
        job = StudentJob(tiny.tokens, MODEL, STUDYING, chosen, DistilParams(), threads=1)
        train_student(job, workplace / name)
    plain, tuned = (load_student(workplace / name / "student.safetensors")[0] for name in ("argmax", "tuned"))
    found = read_json(workplace / "tuned" / "run.json")["threshold"]
    assert found["metric"] == "mcc"
    assert found["after"] >= found["before"]
    assert len(found["biases"]) == 2
    np.testing.assert_allclose(tuned.head.bias.detach() - plain.head.bias.detach(), found["biases"], atol=1e-5)
    logits = [load_arrays(workplace / name / "logits.safetensors", "logits")[0] for name in ("argmax", "tuned")]
    for split, values in logits[0].items():
        if split.endswith(".logits"):
            np.testing.assert_allclose(logits[1][split] - values, [found["biases"]] * len(values), atol=1e-5)
    assert "threshold" not in read_json(workplace / "argmax" / "run.json")


@pytest.mark.parametrize(
    ("threshold", "metric", "decides"),
    [
        ("argmax", "mcc", None),
        ("tuned", "macro_f1", "macro_f1"),
        ("tuned", "loss", "mcc"),
        ("accuracy", "mcc", "accuracy"),
        ("mcc", "loss", "mcc"),
        ("loss", "mcc", "loss"),
    ],
)
def test_a_threshold_serves_the_metric_that_is_named(threshold, metric, decides):
    assert SelectionParams(threshold=threshold, metric=metric).decision_metric == decides


@pytest.mark.parametrize("threshold", ["tuned", "accuracy"])
def test_a_threshold_is_not_tuned_on_what_is_reported(threshold):
    values = experiment() | {"selection": {"threshold": threshold, "validation": "dev"}}
    with pytest.raises(InputError, match="the threshold would be chosen on the reported set"):
        validate_experiment(values, "params")


def test_a_tokenizer_learns_from_sources_that_exist():
    values = experiment() | {"tokenize": {"tokenizers": {"words": {"learn": "word", "transfer": ["nix"]}}}}
    with pytest.raises(InputError, match=r"tokenize\.tokenizers\.words\.transfer names 'nix'"):
        validate_experiment(values, "params")
    values["tokenize"]["tokenizers"]["words"] = {"learn": "bpe", "vocabulary": 100}
    with pytest.raises(InputError, match=r"tokenizers\.words: vocabulary is 100, and bpe has an entry for each of 256"):
        validate_experiment(values, "params")
