"""Pools from their sources to the student, by the real functions of the rules, on a small experiment."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from distilrnn.artifacts import layout
from distilrnn.artifacts.files import file_hash, read_json
from distilrnn.artifacts.logits import FILE
from distilrnn.artifacts.tensors import load_arrays, map_arrays, read_header
from distilrnn.artifacts.transfer import PoolLogits, logits_folder, read_pool, read_sentences, shard_name
from distilrnn.data.corpus import iterate_split
from distilrnn.data.encoded import NO_LABEL, read_encoded_pool, read_encoded_split, read_summary
from distilrnn.data.transfer.augment import Vocabulary, augmented
from distilrnn.errors import InputError
from distilrnn.evaluation.pools import summarise_pools
from distilrnn.inference import load_predictor
from distilrnn.models.bases import save_base
from distilrnn.params.base import BaseParams
from distilrnn.params.experiment import validate_experiment
from distilrnn.params.splits import DEV, TRAIN
from distilrnn.params.student import DistilParams
from distilrnn.params.transfer import (
    AugmentSource,
    CorpusSource,
    DatasetSource,
    SampleSource,
    TextSource,
    read_source,
)
from distilrnn.pipeline.common import train_and_validation_sets
from distilrnn.pipeline.pools import TransferInputs, read_pools
from distilrnn.pipeline.scoring import ScoringJob
from distilrnn.pipeline.student import StudentJob, train_student
from distilrnn.pipeline.transfer import Material, build_pool
from distilrnn.pipeline.transfer_logits import compute_transfer_logits
from distilrnn.pipeline.transfer_tokens import tokenize_pool
from distilrnn.training import resume
from distilrnn.training.distillation import distil_objective
from distilrnn.training.progress import TrainingProgress
from distilrnn.training.transfer import balanced, with_pools
from tiny import MODEL, SELECTION, STUDYING

MORE = CorpusSource(kind="corpus", sentences=40)


def material(tiny, **changes):
    return replace(Material(tiny.corpus, SELECTION, 0), **changes)


@pytest.fixture(scope="module")
def pools(tiny, tmp_path_factory):
    """Two pools of which the second repeats a part of the first, tokenised and judged, in one shard and in three."""
    folder = tmp_path_factory.mktemp("pools")
    build_pool(MORE, material(tiny), None, folder / "transfer" / "more")
    some = list(read_sentences(folder / "transfer" / "more"))[:10]
    (folder / "own.txt").write_text("\n".join([*some, "The king smiled at nobody.", "The the boy."]), encoding="utf-8")
    build_pool(
        TextSource(kind="text", files=str(folder / "own.txt")), material(tiny), None, folder / "transfer" / "own"
    )
    for source in ("more", "own"):
        tokenize_pool(folder / "transfer" / source, tiny.tokens, folder / "tokens" / source)
        for shards in (1, 3):
            for shard in range(shards):
                output = folder / "logits" / source / shard_name(shard + 1, shards)
                tokens = folder / "tokens" / source
                compute_transfer_logits(
                    ScoringJob(tiny.base, tiny.adapter, tiny.tokens, 16, 1), tokens, output, (shard, shards)
                )
    return folder


def inputs(pools, *sources, shards=1, balance=None, members=1):
    return TransferInputs(
        [pools / "transfer" / source for source in sources],
        [pools / "tokens" / source for source in sources],
        [pools / "logits" / source for source in sources for _ in range(members)],
        shards,
        balance,
        0,
    )


def study(tiny, output, transfer, training=STUDYING, distil=None, members=1):
    logits = [tiny.logits] * members
    distil = distil or DistilParams()
    train_student(
        StudentJob(tiny.tokens, MODEL, training, SELECTION, distil, logits, seed=0, threads=1, transfer=transfer),
        output,
    )
    return output


def test_a_pool_has_new_sentences_without_their_labels(tiny, pools):
    labelled = {
        e.sentence for split in read_summary(tiny.tokens).splits for e in iterate_split(tiny.corpus / f"{split}.tsv")
    }
    sentences = list(read_sentences(pools / "transfer" / "more"))
    assert len(set(sentences)) == 40
    assert labelled.isdisjoint(sentences)
    assert all("\t" not in sentence for sentence in sentences)
    assert read_pool(pools / "transfer" / "more").counts.sentences == 40


def test_what_was_smuggled_into_a_file_is_counted_and_left_out(tiny, tmp_path):
    dev = [example.sentence for example in iterate_split(tiny.corpus / f"{DEV}.tsv")]
    train = [example.sentence for example in iterate_split(tiny.corpus / f"{TRAIN}.tsv")]
    (tmp_path / "a.txt").write_text("\n".join(sentence.upper() for sentence in dev))
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"text": f" {s} !"}) + "\n" for s in [*train, "It is new."]))
    source = TextSource(kind="text", files=(str(tmp_path / "*.txt"), str(tmp_path / "b.jsonl")))
    counts = build_pool(source, material(tiny), None, tmp_path / "pool").counts
    assert (counts.in_reported, counts.in_held_out, counts.in_train, counts.sentences) == (len(dev), 20, 80, 1)
    assert list(read_sentences(tmp_path / "pool")) == ["It is new. !"]


def test_the_same_seed_makes_the_same_bytes(tiny, pools, tmp_path):
    for name in ("sentences.txt", "keys.safetensors", "transfer.json"):
        build_pool(MORE, material(tiny), None, tmp_path / "more")
        assert (tmp_path / "more" / name).read_bytes() == (pools / "transfer" / "more" / name).read_bytes()
    other = build_pool(MORE, material(tiny, seed=1), None, tmp_path / "other")
    assert other.hash != read_pool(pools / "transfer" / "more").hash


def test_shards_say_what_the_whole_says(tiny, pools):
    whole, cut = inputs(pools, "more"), inputs(pools, "more", shards=3)
    classes, pool = read_summary(tiny.tokens).classes, read_pool(pools / "transfer" / "more")
    one, three = (PoolLogits(some.shard_folders(some.logits[0]), pool.hash, classes, 40) for some in (whole, cut))
    rows = np.array([39, 0, 13, 12, 14, 27])
    np.testing.assert_allclose(one.rows(rows), three.rows(rows), rtol=1e-5, atol=1e-6)
    direct = load_predictor(tiny.adapter, tiny.base)
    said = direct.probabilities([list(read_sentences(pools / "transfer" / "more"))[row] for row in rows])
    np.testing.assert_allclose(torch.softmax(torch.from_numpy(one.rows(rows)), -1), said, atol=1e-5)
    run = read_json(pools / "logits" / "more" / shard_name(1, 1) / "run.json")
    assert run["classes"] == dict(
        zip(classes, np.bincount(one.rows(np.arange(40)).argmax(1), minlength=2).tolist(), strict=True)
    )
    with pytest.raises(InputError, match="shards"):
        PoolLogits(cut.shard_folders(cut.logits[0])[1:], pool.hash, classes, 40)
    with pytest.raises(InputError, match="13 of 40 sentences"):
        PoolLogits(cut.shard_folders(cut.logits[0])[:1], pool.hash, classes, 40)


def mixed(tiny, transfer, members=1):
    summary = read_summary(tiny.tokens)
    arrays = load_arrays(tiny.logits, "logits")[0]
    taught = {split: arrays[f"{split}.logits"] for split in summary.splits}
    labelled, _ = train_and_validation_sets(tiny.tokens, summary, SELECTION, None, taught)
    return labelled, with_pools(labelled, read_pools(transfer, summary), summary.classes, transfer.balance, 0)


def test_a_student_reads_labelled_sentences_and_pools_each_sentence_once(tiny, pools):
    labelled, both = mixed(tiny, inputs(pools, "more", "own", shards=3))
    assert len(both) == 80 + 40 + 2
    rows = np.array([3, 121, 80, 119, 79, 120])
    batch = both.batch(rows, "cpu")
    wanted = labelled.batch(np.array([3, 79]), "cpu")
    assert batch.labels[[1, 2, 3, 5]].tolist() == [NO_LABEL] * 4
    assert torch.equal(batch.labels[[0, 4]], wanted.labels)
    assert torch.equal(batch.teacher_logits[[0, 4]], wanted.teacher_logits)
    assert torch.equal(batch.ids[[0, 4]][:, : wanted.ids.shape[1]], wanted.ids)
    assert both.lengths[rows].tolist() == batch.lengths.tolist()
    own = read_encoded_pool(pools / "tokens" / "own", read_summary(tiny.tokens))
    last = batch.ids[1, : batch.lengths[1]].tolist()
    assert last == own.ids[own.offsets[11] : own.offsets[12]].tolist()
    alone = read_encoded_split(tiny.tokens, TRAIN).padded(np.array([0]), 0)
    assert alone[0].dtype == batch.ids.numpy().dtype


def test_classes_are_balanced_as_the_teacher_sees_them():
    classes = np.array([0] * 10 + [1] * 90)
    kept = balanced(classes, np.array([0.3, 0.7]), np.arange(100, 0, -1).astype(np.uint64))
    assert np.bincount(classes[kept]).tolist() == [9, 23] or np.bincount(classes[kept]).tolist() == [10, 23]
    assert kept.tolist() == sorted(kept)
    assert kept[-23:].tolist() == list(range(77, 100))


def test_weights_and_choices_give_a_pool_the_shares_of_train(tiny, pools, monkeypatch):
    """The small teacher says the same of nearly all: what it says is set here."""
    seen = np.arange(40) % 8 == 0
    says = np.stack([np.where(seen, 2.0, -1.0), np.zeros(40)], 1).astype(np.float32)
    monkeypatch.setattr(PoolLogits, "rows", lambda self, rows: says[rows])
    labelled, weighed = mixed(tiny, inputs(pools, "more", balance="weights"))
    batch = weighed.batch(np.arange(80, 120), "cpu")
    shares = np.bincount(labelled.tokens.labels) / 80
    classes = batch.teacher_logits.argmax(-1)
    found = torch.stack([batch.weights[classes == c].sum() for c in (0, 1)]) / 40
    np.testing.assert_allclose(found, shares, rtol=1e-5)
    assert weighed.batch(np.arange(80), "cpu").weights.tolist() == [1] * 80
    _, chosen = mixed(tiny, inputs(pools, "more", balance="train"))
    classes = chosen.batch(np.arange(80, len(chosen)), "cpu").teacher_logits.argmax(-1)
    assert len(chosen) < 120
    assert float((classes == 0).float().mean()) == pytest.approx(shares[0], abs=0.05)
    says[:] = [0.0, 1.0]
    with pytest.raises(InputError, match="no sentence of class unacceptable"):
        mixed(tiny, inputs(pools, "more", balance="train"))


@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_gold_labels_are_mixed_in_where_there_are_some(tiny, pools, loss):
    """A batch without pool sentences has the loss of today; one of a pool alone has no share of the labels."""
    labelled, both = mixed(tiny, inputs(pools, "more"))
    torch.manual_seed(0)
    scores = torch.randn(200, 2)

    def model(ids, lengths):
        return scores[: len(ids)]

    def value(dataset, rows, weight):
        params = DistilParams(loss=loss, label_weight=weight)
        return float(distil_objective(params)(model, dataset.batch(rows, "cpu")).loss)

    some, of_pool = np.arange(10), np.arange(90, 100)
    for weight in (0.0, 0.3, 1.0):
        assert value(both, some, weight) == pytest.approx(value(labelled, some, weight), rel=1e-5)
        assert value(both, of_pool, weight) == pytest.approx(value(both, of_pool, 0.0))
        half = np.concatenate([some, of_pool])
        scores[10:20] = scores[:10]
        whole = (value(both, some, weight) + value(both, of_pool, weight)) / 2
        assert value(both, half, weight) == pytest.approx(whole, rel=1e-5)


def test_a_student_of_pools_is_trained_and_predicts(tiny, pools, tmp_path):
    transfer = inputs(pools, "more", "own")
    training = STUDYING.model_copy(update={"validate_every": 3, "epochs": 2})
    study(tiny, tmp_path / "student", transfer, training)
    header = read_header(tmp_path / "student" / "student.safetensors")
    assert header["transfer"]["sources"] == ["more", "own"]
    assert header["transfer"]["logits_hash"] == [
        file_hash(pools / "logits" / s / "shard1-of-1" / FILE) for s in ("more", "own")
    ]
    run = read_json(tmp_path / "student" / "run.json")
    assert run["steps"] == 2 * 8  # 122 sentences in batches of 16
    assert load_predictor(tmp_path / "student" / "student.safetensors").probabilities(["The boy smiled."]).shape == (
        1,
        2,
    )
    study(tiny, tmp_path / "twice", transfer, training)
    for name in ("student.safetensors", "logits.safetensors", "curves.csv"):
        assert (tmp_path / "twice" / name).read_bytes() == (tmp_path / "student" / name).read_bytes()
    study(tiny, tmp_path / "shards", replace(transfer, shards=3), training)
    assert read_json(tmp_path / "shards" / "run.json")["steps"] == 16


def test_an_ensemble_teaches_with_the_mean_of_its_members(tiny, pools):
    _, alone = mixed(tiny, inputs(pools, "more"))
    _, twice = mixed(tiny, inputs(pools, "more", members=2))
    rows = np.arange(80, 120)
    one, two = (dataset.batch(rows, "cpu").teacher_logits for dataset in (alone, twice))
    np.testing.assert_allclose(torch.softmax(one, -1), torch.softmax(two, -1), atol=1e-6)


def test_pools_of_another_corpus_or_tokenizer_are_refused(tiny, pools, tmp_path):
    record = read_json(pools / "transfer" / "more" / "transfer.json")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "transfer.json").write_text(json.dumps(record | {"corpus_hash": "0" * 64}))
    other = replace(inputs(pools, "more"), pools=[tmp_path / "more"])
    with pytest.raises(InputError, match="another corpus"):
        read_pools(other, read_summary(tiny.tokens))
    summary = read_summary(tiny.tokens)
    with pytest.raises(InputError, match="another tokenizer"):
        read_pools(inputs(pools, "more"), summary.model_copy(update={"tokenizer_hash": "0" * 64}))
    with pytest.raises(InputError, match="another pool"):
        read_pools(replace(inputs(pools, "more"), tokens=[pools / "tokens" / "own"]), read_summary(tiny.tokens))
    with pytest.raises(InputError, match="another pool"):
        read_pools(replace(inputs(pools, "more"), logits=[pools / "logits" / "own"]), read_summary(tiny.tokens))


def test_text_in_another_script_is_warned_of(tiny, pools, tmp_path):
    (tmp_path / "greek.txt").write_text("Ὁ βίος βραχύς, ἡ δὲ τέχνη μακρή.\nΓνῶθι σεαυτόν.\n", encoding="utf-8")
    build_pool(TextSource(kind="text", files=str(tmp_path / "greek.txt")), material(tiny), None, tmp_path / "pool")
    made = tokenize_pool(tmp_path / "pool", tiny.tokens, tmp_path / "tokens")
    assert made.unknown_tokens > 0.5
    assert "another language or script" in made.warnings[0]
    assert read_json(pools / "tokens" / "more" / "tokens.json")["warnings"] == []


def test_augmentation_of_train_takes_no_held_out_sentence(tiny, tmp_path):
    source = AugmentSource(kind="augment", copies=3, ngram=0, mask=0, replace=0, swap=0.3)
    with_own = build_pool(source, material(tiny), None, tmp_path / "pool")
    assert with_own.counts.read == 3 * 80
    held_out = [set(sentence.split()) for sentence in material(tiny).parts_of_train[1]]
    assert all(set(sentence.split()) not in held_out for sentence in read_sentences(tmp_path / "pool"))


def test_the_papers_rules_and_rates():
    sentences = [
        f"The {noun} quickly {verb} a red door." for noun in ("boy", "girl", "king") for verb in ("paints", "opens")
    ]
    words = {word for sentence in sentences for word in sentence.split()}
    source = AugmentSource(kind="augment", copies=50)
    made = list(augmented(sentences * 20, Vocabulary(sentences), source, 0))
    assert len(made) == 50 * 120
    lengths = np.array([len(text.split()) for text in made])
    assert abs((lengths <= 5).mean() - 0.25) < 0.02
    whole = [text.split() for text in made if len(text.split()) == 7]
    masked = np.mean([word.rstrip(".") == "[MASK]" for text in whole for word in text])
    assert abs(masked - 0.1) < 0.01
    replaced = [text for text in whole if text[1] not in ("[MASK]",)]
    assert {text[1] for text in replaced} <= {"boy", "girl", "king", "red", "The"} | words
    assert {text[3] for text in whole} == {"paints", "opens", "[MASK]"}
    assert made == list(augmented(sentences * 20, Vocabulary(sentences), source, 0))
    assert made != list(augmented(sentences * 20, Vocabulary(sentences), source, 1))


def test_sampling_from_the_base(tiny, tmp_path):
    source = SampleSource(kind="sample", base="tiny", sentences=40, first_words=2, longest=40, batch_size=16)
    pool = build_pool(source, material(tiny, base=tiny.base, threads=1), None, tmp_path / "pool")
    assert 0 < pool.counts.sentences <= pool.counts.read <= 40
    learned = [" ".join(sentence.split()[:2]) for sentence in material(tiny).parts_of_train[0]]
    assert all(sentence.startswith(tuple(learned)) for sentence in read_sentences(tmp_path / "pool"))
    again = build_pool(source, material(tiny, base=tiny.base, threads=1), None, tmp_path / "again")
    assert again.hash == pool.hash


def test_no_text_is_drawn_from_an_encoder(tiny, tmp_path):
    from transformers import AutoTokenizer, BertConfig, BertModel

    config = BertConfig(vocab_size=50, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    tokenizer = AutoTokenizer.from_pretrained(tiny.base)
    save_base(BertModel(config, add_pooling_layer=False), tokenizer, tmp_path / "bert", BaseParams(model="x"))
    with pytest.raises(InputError, match=r"encoder.*causal"):
        build_pool(
            SampleSource(kind="sample", base="bert"), material(tiny, base=tmp_path / "bert"), None, tmp_path / "pool"
        )
    assert list((tmp_path / "pool").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (None, "texts.txt", "no such file"),
        ("", "texts.txt", "empty|no sentence"),
        ("phrase,more\nA.,B.\n", "texts.csv", "no column text"),
        ('{"text": 3}\n', "texts.jsonl", "not a string"),
        ("a\0b\n", "texts.txt", "NUL"),
    ],
)
def test_files_that_are_no_pool_are_refused(tiny, tmp_path, content, name, said):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=said):
        build_pool(TextSource(kind="text", files=str(path)), material(tiny), None, tmp_path / "pool")
    assert not (tmp_path / "pool").exists() or list((tmp_path / "pool").iterdir()) == []


def test_a_pool_wholly_inside_dev_says_so(tiny, tmp_path):
    dev = [example.sentence for example in iterate_split(tiny.corpus / f"{DEV}.tsv")]
    (tmp_path / "dev.txt").write_text("\n".join(dev))
    with pytest.raises(InputError, match=f"none of its {len(dev)} sentences is new.*{len(dev)} stand in dev"):
        build_pool(TextSource(kind="text", files=str(tmp_path / "dev.txt")), material(tiny), None, tmp_path / "pool")


def test_a_dataset_is_read(tiny, tmp_path):
    from datasets import Dataset

    Dataset.from_dict({"line": ["One is here.", "Two are there.", None]}).save_to_disk(tmp_path / "set")
    source = DatasetSource(kind="dataset", path=str(tmp_path / "set"), text_column="line")
    assert build_pool(source, material(tiny), None, tmp_path / "pool").counts.sentences == 2
    with pytest.raises(InputError, match="no column text"):
        build_pool(source.model_copy(update={"text_column": "text"}), material(tiny), None, tmp_path / "other")


def test_sources_from_json():
    assert read_source('{"kind": "augment"}').copies == 20
    with pytest.raises(InputError, match="copies"):
        read_source('{"kind": "augment", "copies": 0}')


def test_tokens_are_mapped_not_read(pools):
    arrays, _ = map_arrays(pools / "tokens" / "more" / "tokens.safetensors", "tokens")
    assert isinstance(arrays["ids"].base, np.memmap)


def test_what_the_report_says_of_a_pool_is_what_the_teacher_says(tiny, pools, tmp_path):
    for source in ("more", "own"):
        shutil.copytree(pools / "transfer" / source, tmp_path / "transfer" / source)
        shutil.copytree(pools / "logits" / source, logits_folder(tmp_path, source, "tiny", 0))
    sources = {"own": {"kind": "text", "files": ["own.txt"]}, "more": {"kind": "corpus", "sentences": 40}}
    values = {
        "experiment": "pools",
        "bases": {"tiny": {}},
        "teachers": {"tiny": {"base": "tiny"}},
        "students": {"rnn": {"tokenizer": "tiny"}},
        "transfer": {"shards": 3, "sources": sources},
    }
    experiment, classes = validate_experiment(values, "params.yaml"), read_summary(tiny.tokens).classes
    teacher = layout.systems(experiment)[0]
    own, more = summarise_pools(experiment, tmp_path, [teacher], classes)
    assert (own.source, own.read, own.sentences, more.kind) == ("own", 12, 12, "corpus")
    (judged,) = more.judged
    assert len(judged.answers) == 8
    assert sum(judged.shares.values()) == pytest.approx(1)
    said = load_predictor(tiny.adapter, tiny.base).probabilities(list(read_sentences(pools / "transfer" / "more")))
    assert judged.shares[classes[1]] == pytest.approx((said.argmax(axis=1) == 1).mean())
    for answer, probabilities in zip(
        judged.answers,
        load_predictor(tiny.adapter, tiny.base).probabilities([one.sentence for one in judged.answers]),
        strict=True,
    ):
        assert answer.answer == classes[probabilities.argmax()]
        assert answer.probability == pytest.approx(probabilities.max(), abs=1e-5)
    assert own == summarise_pools(experiment, tmp_path, [teacher], classes)[0]
    sources["own"]["scored"] = False
    unscored = validate_experiment(values, "params.yaml")
    shutil.rmtree(logits_folder(tmp_path, "own", "tiny", 0))
    assert summarise_pools(unscored, tmp_path, [teacher], classes) == [own.model_copy(update={"judged": []}), more]


class Stop(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("stops", [[8], [3, 14], [10]])
def test_a_student_of_a_pool_stopped_between_two_validations_ends_with_the_same_bytes(
    tiny, pools, workplace, monkeypatch, capsys, stops
):
    """120 sentences are 8 steps an epoch; validated after every 5."""
    monkeypatch.setattr(resume, "MINUTES", 0)
    training = STUDYING.model_copy(update={"validate_every": 5, "patience": 3})
    whole = study(tiny, workplace / "whole", inputs(pools, "more", shards=3), training)
    for stop in stops:
        with monkeypatch.context() as patch:
            steps = []
            step = TrainingProgress.step

            def stopping(self, *arguments, stop=stop, steps=steps, step=step):
                steps.append(None)
                if len(steps) == stop:
                    raise Stop
                return step(self, *arguments)

            patch.setattr(TrainingProgress, "step", stopping)
            with pytest.raises(Stop):
                study(tiny, workplace / "out", inputs(pools, "more", shards=3), training)
        assert not list((workplace / "out").glob("*"))
    capsys.readouterr()
    out = study(tiny, workplace / "out", inputs(pools, "more", shards=3), training)
    assert "going on from epoch" in capsys.readouterr().out
    for name in ("student.safetensors", "logits.safetensors", "curves.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    steps = [int(line.split(",")[1]) for line in (out / "curves.csv").read_text().splitlines()[1:]]
    assert steps[:4] == [5, 10, 15, 20]


def test_a_student_of_a_pool_has_a_tuned_decision_too(tiny, pools, tmp_path):
    selection = SELECTION.model_copy(update={"threshold": "tuned"})
    transfer = inputs(pools, "more")
    job = StudentJob(
        tiny.tokens, MODEL, STUDYING, selection, DistilParams(), [tiny.logits], transfer=transfer, threads=1
    )
    train_student(job, tmp_path / "out")
    threshold = read_json(tmp_path / "out" / "run.json")["threshold"]
    assert threshold["after"] >= threshold["before"]
    arrays = load_arrays(tmp_path / "out" / FILE, "logits")[0]
    sentences = [example.sentence for example in iterate_split(tiny.corpus / f"{DEV}.tsv")]
    said = load_predictor(tmp_path / "out" / "student.safetensors").probabilities(sentences)
    np.testing.assert_allclose(torch.softmax(torch.from_numpy(arrays[f"{DEV}.logits"]), -1), said, atol=1e-5)
