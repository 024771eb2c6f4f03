"""Long texts from tokens to answers: refused, cut, or read in windows, and in batches limited by tokens."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax

from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.tensors import load_arrays
from distilrnn.data.batching import MAX_TOKENS, micro_batches, sorted_batches
from distilrnn.data.encoded import read_encoded_split, read_summary
from distilrnn.data.long_texts import TextLimit, windows
from distilrnn.errors import InputError
from distilrnn.inference import load_predictor
from distilrnn.models.adapters import load_teacher
from distilrnn.models.teacher import build_teacher
from distilrnn.params.experiment import validate_experiment
from distilrnn.params.splits import TRAIN
from distilrnn.params.teacher import TeacherTraining, TuningParams
from distilrnn.pipeline.logits import compute_logits
from distilrnn.pipeline.scoring import ScoringJob
from distilrnn.pipeline.tokens import tokenize_corpus
from distilrnn.training.batch import EncodedDataset
from tiny import TUNING, study, teach

TRAINING = TeacherTraining(epochs=1, batch_size=16, learning_rate=5e-3, precision="fp32")
LONG = "The cat and the dog and the king and the doctor see the bird and the horse in the garden of the town."


@pytest.fixture(scope="module")
def in_windows(tiny, tmp_path_factory):
    """Teacher, logits and student of the small corpus, of which most sentences are longer than a window of 6 tokens."""
    folder = tmp_path_factory.mktemp("windows")
    tokenize_corpus(tiny.corpus, tiny.base, 6, folder / "tokens", "windows", 40)
    teach(tiny, folder / "teacher", training=TRAINING, tokens=folder / "tokens")
    compute_logits(
        ScoringJob(tiny.base, folder / "teacher" / "adapter.safetensors", folder / "tokens", 16, 1), folder / "logits"
    )
    logits = folder / "logits" / "logits.safetensors"
    study(tiny, folder / "student", taught=logits, tokens=folder / "tokens")
    return folder


def test_tokens_keep_the_whole_text_and_count_its_windows(tiny, in_windows):
    summary = read_summary(in_windows / "tokens")
    whole = read_encoded_split(tiny.tokens, TRAIN)
    found = read_encoded_split(in_windows / "tokens", TRAIN)
    counts = summary.splits[TRAIN]
    assert np.array_equal(found.ids, whole.ids)
    assert counts.truncated == 0
    assert counts.in_windows == (whole.lengths > 6).sum() > 10
    limit = TextLimit("windows", 6, 40, 0, 0)
    assert counts.windows == len(windows(whole.lengths, limit).texts) == len(whole.windows(limit))


def test_a_texts_logits_are_the_mean_of_its_windows(tiny, in_windows):
    teacher, header = load_teacher(tiny.base, in_windows / "teacher" / "adapter.safetensors")
    limit, tokens = teacher.limit, read_encoded_split(in_windows / "tokens", "in_domain_dev")
    assert (limit.policy, header.text_limit.max_length) == ("windows", 6)
    logits, _ = load_arrays(in_windows / "logits" / "logits.safetensors", "logits")
    row = int(tokens.lengths.argmax())
    ids = torch.tensor(tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]])
    found = windows(np.array([len(ids)]), limit)
    assert len(found.texts) > 1
    alone = replace(limit, policy="head")
    teacher.limit = alone
    with torch.no_grad():
        each = teacher(ids[torch.from_numpy(found.positions)], torch.from_numpy(found.lengths))
    np.testing.assert_allclose(logits["in_domain_dev.logits"][row], each.mean(0).numpy(), rtol=1e-4, atol=1e-5)


def test_prediction_reads_long_texts_as_training_did(tiny, in_windows):
    teacher = load_predictor(in_windows / "teacher" / "adapter.safetensors", tiny.base)
    student = load_predictor(in_windows / "student" / "student.safetensors")
    for predictor in (teacher, student):
        together = predictor.probabilities(["The cat sleeps.", LONG, "A dog."])
        alone = np.concatenate([predictor.probabilities([s]) for s in ("The cat sleeps.", LONG, "A dog.")])
        np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    words = LONG.rstrip(".").split()
    swapped = " ".join([*words[:-1], "dog"]) + "."
    for predictor in (teacher, student):  # a change at the very end is seen
        assert not np.array_equal(predictor.probabilities([LONG]), predictor.probabilities([swapped]))


@pytest.mark.parametrize("policy", ["head", "tail", "head_tail"])
def test_prediction_cuts_as_tokenisation_did(tiny, workplace, policy):
    made = tokenize_corpus(tiny.corpus, tiny.base, 6, workplace / "tokens", policy)
    assert made.splits[TRAIN].truncated > 10
    study(tiny, workplace / "student", taught=False, tokens=workplace / "tokens")
    predictor = load_predictor(workplace / "student" / "student.safetensors")
    ids = predictor.tokenizer.encode(LONG).ids
    kept = {"head": ids[:6], "tail": ids[-6:], "head_tail": [*ids[:2], *ids[-4:]]}[policy]
    found = predictor.probabilities([LONG])
    wanted = softmax(predictor.model(np.array([kept]), np.array([6])), axis=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_long_texts_are_refused_where_that_is_asked_for(tiny, workplace):
    refused = r"in_domain_train\.tsv:\d+: a text of \d+ tokens, more than tokenize\.max_length 6"
    with pytest.raises(InputError, match=refused):
        tokenize_corpus(tiny.corpus, tiny.base, 6, workplace / "tokens", "error")
    assert not list(workplace.glob("tokens/*"))
    tokenize_corpus(tiny.corpus, tiny.base, 40, workplace / "tokens", "error")
    study(tiny, workplace / "student", taught=False, tokens=workplace / "tokens")
    predictor = load_predictor(workplace / "student" / "student.safetensors")
    with pytest.raises(InputError, match=r"sentence 2 has \d+ tokens, more than the 40"):
        predictor.probabilities(["The cat sleeps.", LONG + " " + LONG])


def experiment(**tokenize):
    students = {"rnn": {"tokenizer": "tiny", "model": {"pooling": tokenize.pop("pooling", "last_token")}}}
    values = {"experiment": "x", "bases": {"tiny": {}}, "teachers": {"t": {"base": "tiny"}}, "students": students}
    return validate_experiment({**values, "tokenize": tokenize}, "params.yaml")


def test_settings_that_do_not_go_together_are_refused():
    assert experiment(max_length=8, long_texts="windows").tokenize.longest_text == 4096
    with pytest.raises(InputError, match="long_texts is tail, but without max_length no text is long"):
        experiment(long_texts="tail")
    with pytest.raises(InputError, match="longest_text 5 is less than max_length 8"):
        experiment(max_length=8, long_texts="windows", longest_text=5)
    with pytest.raises(InputError, match="with long_texts windows a student reads on"):
        experiment(max_length=8, long_texts="windows", pooling="last_step")
    with pytest.raises(InputError, match=r"rnn\.training\.gradient_checkpointing: unknown parameter"):
        validate_experiment(
            {
                "experiment": "x",
                "bases": {"tiny": {}},
                "teachers": {"t": {"base": "tiny", "training": {"gradient_checkpointing": True}}},
                "students": {"rnn": {"tokenizer": "tiny", "training": {"gradient_checkpointing": True}}},
            },
            "params.yaml",
        )


def test_one_long_text_does_not_decide_the_size_of_all_batches():
    lengths = np.array([5] * 100 + [60_000])
    for batches in (sorted_batches(lengths, 128, MAX_TOKENS), micro_batches(lengths, np.arange(101), MAX_TOKENS)):
        assert max(int(lengths[rows].max()) * len(rows) for rows in batches) <= MAX_TOKENS
        assert sorted(np.concatenate(batches)) == list(range(101))


def test_students_are_trained_and_asked_in_batches_limited_by_tokens(in_windows, monkeypatch):
    """The arrays that a model is given, not only the plan for them."""
    from distilrnn.training import loop, predict

    monkeypatch.setattr(loop, "MAX_TOKENS", 64)
    monkeypatch.setattr(predict, "MAX_TOKENS", 64)
    seen, batch = [], EncodedDataset.batch

    def watched(self, rows, device):
        made = batch(self, rows, device)
        seen.append(made.ids.numel())
        return made

    monkeypatch.setattr(EncodedDataset, "batch", watched)

    class Where:
        pass

    study(Where, in_windows / "again", taught=False, tokens=in_windows / "tokens")
    assert len(seen) > 10
    assert max(seen) <= 2 * 64  # parts of about so many; a batch of 16 would have 500


def test_checkpointed_gradients_are_the_same(tiny):
    """Dropout included: the second computation draws what the first one drew."""
    from distilrnn.models.kernels.dropout import seeded

    teacher = build_teacher(tiny.base, 2, TuningParams(rank=2, init="xavier", dropout=0.3), 0).train()
    ids, lengths = (
        torch.randint(1, 400, (4, 12), generator=torch.Generator().manual_seed(0)),
        torch.tensor([12, 9, 5, 2]),
    )
    weights = [p for p in teacher.parameters() if p.requires_grad]

    def gradients():
        with seeded(0, 1):
            loss = teacher(ids, lengths).square().sum()
        return torch.autograd.grad(loss, weights)

    plain, computed = gradients(), []
    block = teacher.body.h[0]
    teacher.checkpoint_gradients()
    block.mlp.register_forward_pre_hook(lambda *_: computed.append(1))
    checkpointed = gradients()
    assert len(computed) == 2
    for one, other in zip(checkpointed, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_teacher_trains_with_checkpointing_to_the_same_bytes(tiny, workplace):
    for name, checkpointing in (("plain", False), ("checkpointed", True)):
        training = TRAINING.model_copy(update={"gradient_checkpointing": checkpointing})
        teach(tiny, workplace / name, training=training, tuning=TUNING)
    plain, checkpointed = (
        load_arrays(workplace / name / "adapter.safetensors", "adapter")[0] for name in ("plain", "checkpointed")
    )
    for name, values in plain.items():
        np.testing.assert_allclose(checkpointed[name], values, rtol=1e-4, atol=1e-6)


def test_an_older_adapter_reads_as_it_did(tiny, workplace):
    assert read_json(tiny.tokens / "tokens.json")["long_texts"]["policy"] == "head"
    summary = json.loads((tiny.tokens / "tokens.json").read_text())
    summary.pop("long_texts")
    for file in tiny.tokens.iterdir():
        (workplace / file.name).write_bytes(file.read_bytes())
    (workplace / "tokens.json").write_text(json.dumps(summary))
    study(tiny, workplace / "student", taught=False, tokens=workplace)
