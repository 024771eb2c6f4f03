"""Students: padding and packing change nothing, and the compact vocabulary trains as the full one."""

from itertools import product

import numpy as np
import pytest
import torch

from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.tensors import load_arrays, load_tensors, save_tensors
from distilrnn.data.corpus import SPLITS, TRAIN
from distilrnn.data.encoded import EncodedSplit, read_encoded_split, read_summary
from distilrnn.errors import InputError
from distilrnn.models.checkpoints import load_student
from distilrnn.models.student import ROW_MULTIPLE, Student, initial_embeddings
from distilrnn.params.common import TrainingParams
from distilrnn.params.student import DistilParams, StudentModelParams
from distilrnn.pipeline.tokens import tokenize_corpus
from distilrnn.runtime.device import Device, multiplies_bf16
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.loop import TrainingRun, fit
from distilrnn.training.losses import label_objective
from distilrnn.training.predict import predict_logits
from distilrnn.training.progress import TrainingProgress
from tiny import MODEL, SELECTION, STUDYING, study

VOCABULARY, PAD = 60, 59
CPU = Device("cpu", "fp32", 1)
VARIANTS = list(product(["rnn", "gru", "lstm"], [False, True], ["last_token", "mean", "max"], [1, 2]))


def make_tokens(sentences=23, seed=0, vocabulary=40, longest=11):
    """Random sentences of 1 to `longest` tokens of the first `vocabulary` ids."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, longest + 1, sentences)
    lengths[0], lengths[1] = 1, longest
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return EncodedSplit(random.integers(0, vocabulary, offsets[-1]), offsets, random.integers(0, 2, sentences))


def sentence(tokens, row):
    return torch.from_numpy(tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]])


@pytest.mark.parametrize(("cell", "bidirectional", "pooling", "layers"), VARIANTS)
def test_padding_packing_and_bucketing_do_not_change_logits(cell, bidirectional, pooling, layers):
    params = StudentModelParams(
        cell=cell, embedding=6, hidden=5, layers=layers, bidirectional=bidirectional, pooling=pooling
    )
    student = Student(np.arange(VOCABULARY), 3, params, 0).double().eval()
    tokens = make_tokens()
    with torch.no_grad():
        alone = []
        for row in range(len(tokens)):  # an unpadded single sentence, pooled by the definition
            outputs, _ = student.recurrent(student.embedding(sentence(tokens, row))[None])
            forward, backward = outputs[0, :, :5], outputs[0, :, 5:]
            states = {
                "last_token": torch.cat([forward[-1], backward[0]] if bidirectional else [forward[-1]]),
                "mean": outputs[0].mean(0),
                "max": outputs[0].max(0).values,
            }
            alone.append(student.head(states[pooling]))
        alone = torch.stack(alone)
        ids, lengths = tokens.padded(np.arange(len(tokens)), PAD, width=15)
        together = student(torch.from_numpy(ids), torch.from_numpy(lengths))
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)
    in_buckets = predict_logits(student, EncodedDataset(tokens, PAD), 4, CPU)
    np.testing.assert_allclose(in_buckets, alone.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("cell", "bidirectional"), list(product(["rnn", "gru", "lstm"], [False, True])))
def test_last_step_reads_the_padding_by_definition(cell, bidirectional):
    params = StudentModelParams(cell=cell, embedding=6, hidden=5, bidirectional=bidirectional, pooling="last_step")
    student = Student(np.arange(VOCABULARY), 2, params, 0).eval()
    tokens, width = make_tokens(), 14
    logits = predict_logits(student, EncodedDataset(tokens, PAD, width), 4, CPU)
    with torch.no_grad():
        for row in range(len(tokens)):
            words = sentence(tokens, row)
            padded = torch.cat([words, torch.full((width - len(words),), PAD)])
            outputs, _ = student.recurrent(student.embedding(padded)[None])
            np.testing.assert_allclose(logits[row], student.head(outputs[0, -1]), rtol=1e-5, atol=1e-6)
    assert not np.allclose(logits, predict_logits(student, EncodedDataset(tokens, PAD, width + 3), 4, CPU), atol=1e-4)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_training_and_inference_take_different_paths_to_the_same_logits(cell):
    student = Student(np.arange(VOCABULARY), 3, StudentModelParams(cell=cell, embedding=6, hidden=5), 0).double()
    ids, lengths = (torch.from_numpy(values) for values in make_tokens().padded(np.arange(23), PAD))
    with torch.no_grad():
        at_inference = student(ids, lengths)
    torch.testing.assert_close(student(ids, lengths), at_inference, rtol=1e-12, atol=1e-12)


def test_a_lone_sentence_is_not_padded_at_inference():
    """Vectors are looked up for its tokens alone, where a training batch has a multiple of ROW_MULTIPLE."""
    student = Student(np.arange(VOCABULARY), 2, StudentModelParams(embedding=6, hidden=5), 0).eval()
    looked_up = []
    student.embedding.register_forward_hook(lambda module, inputs, output: looked_up.append(output.numel() // 6))
    with torch.no_grad():
        student(torch.tensor([[1, 2, 2]]), torch.tensor([3]))
    student(torch.tensor([[1, 2, 2]]), torch.tensor([3]))
    assert looked_up == [3, ROW_MULTIPLE]


def test_files_of_earlier_versions_are_read(tiny, workplace):
    tensors, header = load_tensors(tiny.student / "student.safetensors", "student")
    old = {("types" if name == "token_ids" else name): tensor for name, tensor in tensors.items()}
    save_tensors(workplace / "old.safetensors", "student", old, {k: v for k, v in header.items() if k != "kind"})
    student, _, _ = load_student(workplace / "old.safetensors")
    assert torch.equal(student.token_ids, tensors["token_ids"].long())


def train(token_ids, tokens, params, training, seed=3):
    student = Student(token_ids, 2, params, seed)
    with TrainingProgress("student", training.epochs, len(tokens)) as progress:
        sentences = EncodedDataset(tokens, PAD)
        fit(student, sentences, sentences, label_objective(), TrainingRun(training, seed, CPU, progress))
    return student.eval()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("cell", "bidirectional", "clip_norm"), [("rnn", False, None), ("lstm", True, 0.5)])
def test_a_compact_vocabulary_trains_as_the_full_one(cell, bidirectional, clip_norm, weight_decay):
    """Rows without a gradient do not move, so leaving them out changes nothing: equal weights, equal logits."""
    params = StudentModelParams(cell=cell, embedding=6, hidden=5, bidirectional=bidirectional, dropout=0.2)
    training = TrainingParams(
        epochs=3, batch_size=4, learning_rate=0.01, weight_decay=weight_decay, clip_norm=clip_norm, precision="fp32"
    )
    tokens = make_tokens(vocabulary=40)
    occurring = np.union1d(np.unique(tokens.ids), [PAD])
    never = np.setdiff1d(np.arange(VOCABULARY), occurring)
    assert len(never) >= VOCABULARY - 41
    dense = train(np.arange(VOCABULARY), tokens, params, training)
    compact = train(occurring, tokens, params, training)

    initial = initial_embeddings(3, range(VOCABULARY), 6)
    rows = dense.embedding.weight.detach().numpy()
    assert np.array_equal(rows[never], initial[never])
    seen = np.unique(tokens.ids)
    assert (rows[seen] != initial[seen]).any(axis=1).all()
    tolerance = {"rtol": 0, "atol": 0 if clip_norm is None else 1e-7}
    np.testing.assert_allclose(compact.embedding.weight.detach().numpy(), rows[occurring], **tolerance)
    for name, weight in compact.state_dict().items():
        if name != "embedding.weight":
            torch.testing.assert_close(weight, dense.state_dict()[name], **tolerance)

    other = make_tokens(seed=1, vocabulary=VOCABULARY)  # sentences with ids that training never saw
    full = compact.with_token_ids(np.arange(VOCABULARY), seed=3).eval()
    assert np.array_equal(full.token_ids.numpy(), np.arange(VOCABULARY))
    np.testing.assert_allclose(full.embedding.weight.detach().numpy(), rows, **tolerance)
    expected = predict_logits(dense, EncodedDataset(other, PAD), 4, CPU)
    found = predict_logits(full, EncodedDataset(other, PAD), 4, CPU)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0 if clip_norm is None else 1e-6)


def test_initial_rows_depend_on_seed_and_token_id_alone():
    rows = initial_embeddings(0, [5, 9, 700], 4)
    assert np.array_equal(initial_embeddings(0, [700, 5], 4), rows[[2, 0]])
    assert not np.array_equal(initial_embeddings(1, [5], 4), rows[:1])
    many = initial_embeddings(0, range(2000), 8)
    assert abs(many.mean()) < 0.05
    assert abs(many.std() - 1) < 0.05
    # Pinned: the rows are not stored, so they may never change.
    np.testing.assert_allclose(rows[0], np.random.RandomState([0, 5]).standard_normal(4), rtol=1e-6)


def test_dropout_is_between_layers_too():
    params = StudentModelParams(embedding=4, hidden=4, layers=2, dropout=0.4)
    student = Student(np.arange(5), 2, params, 0)
    assert (student.recurrent.dropout, student.dropout.p) == (0.4, 0.4)
    ids, lengths = torch.tensor([[1, 2, 3]]), torch.tensor([3])
    torch.manual_seed(0)
    assert not torch.equal(student(ids, lengths), student(ids, lengths))
    student.eval()
    assert torch.equal(student(ids, lengths), student(ids, lengths))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("pooling", ["last_token", "mean", "max", "last_step"])
def test_stage_writes_what_it_promises(tiny, workplace, pooling, precision):
    tokens = workplace / "tokens"
    tokenize_corpus(tiny.corpus, tiny.base, 12, tokens)
    output = workplace / "student"
    model = MODEL.model_copy(update={"pooling": pooling, "bidirectional": True, "cell": "lstm"})
    training = STUDYING.model_copy(update={"precision": precision})
    if precision == "bf16" and not multiplies_bf16("cpu"):
        with pytest.raises(InputError, match="set it to auto or fp32"):
            study(tiny, output, model=model, training=training, tokens=tokens)
        return
    study(tiny, output, model=model, training=training, tokens=tokens)
    run = read_json(output / "run.json")
    summary = read_summary(tokens)
    assert run["kind"] == "distilled"
    assert run["epochs"] == 3
    assert run["precision"] == precision
    assert run["corpus_hash"] == summary.corpus_hash
    assert run["checkpoint_bytes"] == (output / "student.safetensors").stat().st_size
    logits, header = load_arrays(output / "logits.safetensors", "logits")
    assert header["classes"] == summary.classes
    assert {name.rpartition(".")[0] for name in logits} == {*SPLITS[1:], "held_out"}

    student, _, header = load_student(output / "student.safetensors")
    width = 12 if pooling == "last_step" else None
    # Only the rows of train are stored: a dev sentence needs the initial rows of what train never had.
    whole = student.with_token_ids(np.arange(summary.vocabulary), header.seed).eval()
    sentences = EncodedDataset(read_encoded_split(tokens, SPLITS[1]), summary.pad_id, width)
    found = predict_logits(whole, sentences, 16, Device("cpu", precision, 1))
    np.testing.assert_allclose(found, logits[f"{SPLITS[1]}.logits"], rtol=0, atol=1e-6 if precision == "fp32" else 0.02)
    trained_ids = np.union1d(np.unique(read_encoded_split(tokens, TRAIN).ids), [summary.pad_id])
    assert np.array_equal(student.token_ids.numpy(), trained_ids)
    assert run["parameters"]["total"] == sum(p.numel() for p in whole.parameters())


def test_weight_decay_leaves_prediction_and_saved_logits_equal(tiny, workplace):
    """Ids of the dev sets alone have rows while training, which are not stored: they must not have moved."""
    study(tiny, workplace / "student", training=STUDYING.model_copy(update={"weight_decay": 0.5}))
    logits, _ = load_arrays(workplace / "student" / "logits.safetensors", "logits")
    student, _, header = load_student(workplace / "student" / "student.safetensors")
    whole = student.with_token_ids(np.arange(header.vocabulary), header.seed).eval()
    for split in SPLITS[1:]:
        tokens = read_encoded_split(tiny.tokens, split)
        assert np.setdiff1d(tokens.ids, student.token_ids.numpy()).size or split != SPLITS[2]
        found = predict_logits(whole, EncodedDataset(tokens, header.pad_id), 16, CPU)
        np.testing.assert_allclose(found, logits[f"{split}.logits"], rtol=0, atol=1e-6)


def test_last_step_without_a_width_is_refused(tiny, workplace):
    with pytest.raises(InputError, match=r"pooling last_step .* set tokenize\.max_length"):
        study(tiny, workplace / "student", model=MODEL.model_copy(update={"pooling": "last_step"}))
    assert not (workplace / "student").exists()


def test_a_baseline_learns_from_labels_alone(tiny):
    run, header = read_json(tiny.baseline / "run.json"), load_student(tiny.baseline / "student.safetensors")[2]
    assert run["kind"] == "baseline"
    assert header.distil is None
    assert header.teacher_logits_hash == []
    taught = load_student(tiny.student / "student.safetensors")[2]
    assert taught.distil == DistilParams().model_dump(mode="json")
    assert taught.selection == SELECTION.model_dump(mode="json")
