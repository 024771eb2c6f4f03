"""The experiment that init writes fits the data: sizes, splits, lengths, weights, and a params file that is valid."""

from pathlib import Path

import pytest
import yaml

from distilrnn.data.inspect import UnlabelledFacts, look_at
from distilrnn.errors import InputError
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.experiment import validate_experiment
from distilrnn.scaffold.bases import PRETRAIN, Base, find_base
from distilrnn.scaffold.measure import Estimate, in_words, stages_in_words
from distilrnn.scaffold.plan import (
    TokenLengths,
    lengths_by_words,
    max_length,
    params_text,
    pretrain_params,
    split_fractions,
)
from own_data import write_csv


@pytest.fixture
def facts(tmp_path):
    """300 short texts, a rare class among them."""
    write_csv(
        tmp_path / "x.csv", [(f"Text {row} is here .", "common" if row % 10 else "rare: yes") for row in range(300)]
    )
    return look_at(CorpusParams(source="files", train=str(tmp_path / "x.csv"), dev_fraction=0.1, test_fraction=0.2))


def planned(facts, base=PRETRAIN, lengths=None, unlabelled=()):
    data, corpus = facts
    lengths = lengths or lengths_by_words(data)
    pretrained = None if base.is_pretrained else pretrain_params(data, lengths)
    return params_text("mine", corpus, data, base, pretrained, lengths, unlabelled)


def test_the_params_file_is_valid_and_says_why(facts):
    text = planned(facts)
    experiment = validate_experiment(yaml.safe_load(text), "mine")
    assert experiment.corpus == facts[1]
    assert experiment.bases["tiny"].model == "pretrain"
    assert experiment.selection.validation == "dev"
    student = experiment.students["gru"]
    assert (student.model.cell, student.model.bidirectional, student.model.pooling) == ("gru", True, "max")
    assert student.training.class_weights == "balanced" == experiment.teachers["tiny"].training.class_weights
    assert "rare: yes (30), " not in text
    assert "common (270), rare: yes (30)" in text
    assert text.count("#") >= 8


def test_a_balanced_corpus_needs_no_weights_and_one_without_test_holds_out(tmp_path):
    write_csv(tmp_path / "x.csv", [(f"Text {row} is here .", "ab"[row % 2]) for row in range(300)])
    found = look_at(CorpusParams(source="files", train=str(tmp_path / "x.csv"), dev=str(tmp_path / "x.csv")))
    experiment = validate_experiment(yaml.safe_load(planned(found)), "mine")
    assert experiment.students["gru"].training.class_weights == "none"
    assert experiment.selection.validation == "train_holdout"


def test_a_base_that_is_there_is_named_with_its_commit(facts):
    base = Base("owner/Some-Model_1.5", revision="a" * 40, size=90 << 20)
    experiment = validate_experiment(yaml.safe_load(planned(facts, base)), "mine")
    assert experiment.bases["some-model-1-5"].model == "owner/Some-Model_1.5"
    assert experiment.bases["some-model-1-5"].revision == "a" * 40


def test_texts_without_labels_become_a_transfer_set(facts):
    found = [
        UnlabelledFacts(Path(name), column, 5000, 9.0) for name, column in (("a b.txt", "text"), ("c.csv", "what"))
    ]
    values = yaml.safe_load(planned(facts, unlabelled=found))
    assert values["transfer"]["sources"] == {
        "unlabelled": {"kind": "text", "files": ["a b.txt"], "text_column": "text"},
        "unlabelled2": {"kind": "text", "files": ["c.csv"], "text_column": "what"},
    }
    assert values["students"]["gru"]["transfer"] == ["unlabelled", "unlabelled2"]
    validate_experiment(values, "mine")


def test_long_texts_are_cut_at_what_can_be_read(facts):
    long = yaml.safe_load(planned(facts, Base("models/x", size=1), TokenLengths(1500, 4000, True)))
    assert long["tokenize"] == {"max_length": 256, "long_texts": "head_tail"}
    validate_experiment(long, "mine")


@pytest.mark.parametrize(
    ("p99", "longest", "context", "wanted"),
    [(30, 40, None, None), (30, 128, 512, None), (30, 400, 512, 32), (500, 700, 128, 128), (100, 150, None, None)],
)
def test_the_length_that_is_read_comes_from_nearly_all_texts(p99, longest, context, wanted):
    assert max_length(TokenLengths(p99, longest, True), context) == wanted


@pytest.mark.parametrize("rows", [40, 300, 3000, 60_000, 1_000_000])
@pytest.mark.parametrize("classes", [2, 20])
def test_shares_leave_enough_to_learn_from_and_to_report_on(rows, classes):
    shares = split_fractions(rows, classes, has_dev=False, has_test=False)
    assert sum(shares.values()) <= 0.35
    assert all(share >= 0.02 for share in shares.values())
    assert split_fractions(rows, classes, has_dev=True, has_test=True) == {}


def test_bases_are_found_in_folders_files_and_the_cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert find_base(None) == PRETRAIN

    def model(folder, size, **config):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(str(config).replace("'", '"'))
        (folder / "model.safetensors").write_bytes(b"x" * size)
        (folder / "tokenizer.json").write_text("{}")

    model(tmp_path / "models" / "small", 10, max_position_embeddings=512)
    (tmp_path / "models" / "empty").mkdir()
    assert find_base(None).model == "models/small"
    assert find_base("models/small").context == 512
    model(tmp_path / "hub" / "models--owner--name" / "snapshots" / ("b" * 40), 20)
    cached = find_base(None)
    assert (cached.model, cached.revision, cached.context) == ("owner/name", "b" * 40, None)
    (tmp_path / "big.gguf").write_bytes(b"x" * 30)
    assert find_base(None).model == "big.gguf"
    assert find_base("pretrain") == PRETRAIN
    for wrong, words in {
        "models/empty": "has no config.json",
        "nix.gguf": "no such GGUF file",
        "no/such/folder": "no such model directory",
        "nowhere": "no such model directory",
    }.items():
        with pytest.raises(InputError, match=words):
            find_base(wrong)


def test_a_hub_that_cannot_be_asked_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "huggingface_hub.HfApi.model_info", lambda *_, **__: (_ for _ in ()).throw(ConnectionError("x\ny"))
    )
    with pytest.raises(
        InputError, match=r"^owner/name: not in the local cache, and the hub cannot be asked \(ConnectionE"
    ):
        find_base("owner/name")


def test_times_are_said_as_people_say_them():
    assert [in_words(seconds) for seconds in (3, 64, 600, 4000, 20_000)] == [
        "10 s",
        "60 s",
        "10 min",
        "67 min",
        "5.6 h",
    ]
    assert (
        stages_in_words(Estimate(0, 600, 30, 1200, 60))
        == "teacher 10 min, teacher's scores 30 s, students 20 min, the rest 60 s"
    )
