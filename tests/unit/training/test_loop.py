"""The training loop: order of the sentences, choice of the epoch, and what happens when numbers or memory run out."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, matthews_corrcoef
from torch import nn

from distilrnn.artifacts.curves import CURVE_COLUMNS, read_curve
from distilrnn.artifacts.files import read_json
from distilrnn.data.batching import epoch_batches, micro_batches, sorted_batches
from distilrnn.data.corpus import SPLITS, TRAIN
from distilrnn.data.encoded import EncodedSplit, read_encoded_split, read_summary
from distilrnn.errors import RunError
from distilrnn.params.common import SelectionParams, TrainingParams
from distilrnn.pipeline.common import train_and_validation_sets
from distilrnn.runtime.device import Device
from distilrnn.training.batch import Batch, EncodedDataset, Step, TokenObjective
from distilrnn.training.loop import TrainingRun, fit
from distilrnn.training.losses import label_objective
from distilrnn.training.predict import evaluate
from distilrnn.training.progress import TrainingProgress
from tiny import STUDYING, study, teach

CPU = Device("cpu", "fp32", 1)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=400),
    batch_size=st.integers(1, 50),
    batching=st.sampled_from(["bucketed", "shuffled"]),
    seed=st.integers(0, 2**31),
    epoch=st.integers(1, 100),
)
def test_every_epoch_is_a_permutation(lengths, batch_size, batching, seed, epoch):
    lengths = np.array(lengths)
    batches = epoch_batches(lengths, batch_size, batching, seed, epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // batch_size)
    assert max(map(len, batches)) <= batch_size
    again = epoch_batches(lengths, batch_size, batching, seed, epoch)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))


@pytest.mark.parametrize("batching", ["bucketed", "shuffled"])
def test_epochs_and_seeds_differ(batching):
    lengths = np.random.default_rng(0).integers(1, 40, 300)
    orders = [
        tuple(np.concatenate(epoch_batches(lengths, 16, batching, seed, epoch)))
        for seed in (0, 1)
        for epoch in (1, 2, 3)
    ]
    assert len(set(orders)) == 6


def padded_share(lengths, batches):
    return 1 - lengths.sum() / sum(lengths[b].max() * len(b) for b in batches)


def test_bucketed_batches_waste_little_padding():
    """With CoLA's lengths (mean 9, longest 45) about a twentieth is padding, where plain batches waste half."""
    lengths = np.clip(np.random.default_rng(0).gamma(4, 2.35, 8551).round().astype(int), 2, 45)
    assert padded_share(lengths, epoch_batches(lengths, 128, "bucketed", 0, 1)) < 0.06
    assert padded_share(lengths, epoch_batches(lengths, 128, "shuffled", 0, 1)) > 0.45


def test_bucketed_batches_come_in_random_order():
    lengths = np.random.default_rng(0).integers(1, 40, 2000)
    longest = [lengths[b].max() for b in epoch_batches(lengths, 20, "bucketed", 0, 1)]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.4


def test_inference_reads_each_sentence_once_the_longest_first():
    lengths = np.random.default_rng(0).integers(1, 40, 101)
    batches = sorted_batches(lengths, 8)
    assert sorted(np.concatenate(batches)) == list(range(101))
    assert (np.diff(lengths[np.concatenate(batches)]) <= 0).all()


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=100),
    batch_size=st.integers(1, 50),
    max_tokens=st.integers(1, 200),
)
def test_inference_takes_no_more_tokens_than_allowed(lengths, batch_size, max_tokens):
    lengths = np.array(lengths)
    batches = sorted_batches(lengths, batch_size, max_tokens)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    for rows in batches:
        assert 1 <= len(rows) <= batch_size
        assert len(rows) * lengths[rows].max() <= max_tokens or len(rows) == 1


def parts_at_most(lengths, max_tokens):
    at_least = 1 if lengths.sum() <= max_tokens / 2 else 2
    return max(at_least, 1 << math.ceil(math.log2(math.ceil(lengths.sum() / max_tokens))))


def smallest_largest(lengths, count):
    """Tokens, padding included, of the largest of `count` parts of the sorted lengths, where that is smallest."""
    if count == 1 or len(lengths) == 1:
        return lengths[0] * len(lengths)
    cuts = range(1, len(lengths))
    return min(max(lengths[0] * cut, smallest_largest(lengths[cut:], count - 1)) for cut in cuts)


@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=100), max_tokens=st.integers(1, 200))
def test_parts_hold_every_sentence_once_and_few_of_them_enough(lengths, max_tokens):
    lengths = np.array(lengths)
    rows = np.random.default_rng(0).permutation(len(lengths))
    found = micro_batches(lengths, rows, max_tokens)
    assert sorted(np.concatenate(found)) == list(range(len(lengths)))
    assert len(found) <= parts_at_most(lengths, max_tokens)
    ordered = lengths[np.concatenate(found)]
    assert np.array_equal(ordered, -np.sort(-lengths))
    assert np.array_equal(micro_batches(lengths, rows, None)[0], rows)


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=9), max_tokens=st.integers(5, 40))
def test_the_largest_part_is_as_small_as_can_be(lengths, max_tokens):
    """What padding adds is counted: a core pays for it."""
    lengths = np.array(lengths)
    found = micro_batches(lengths, np.arange(len(lengths)), max_tokens)
    count = parts_at_most(lengths, max_tokens)
    largest = max(lengths[part].max() * len(part) for part in found)
    assert largest == smallest_largest(sorted(lengths, reverse=True), count)


def test_parts_of_sentences_of_one_length_are_equal():
    """Of two cores at one part each, the one with less to do would wait for the other."""
    assert [len(part) for part in micro_batches(np.full(128, 7), np.arange(128), 512)] == [64, 64]
    assert [len(part) for part in micro_batches(np.full(128, 20), np.arange(128), 700)] == [32, 32, 32, 32]
    assert [len(part) for part in micro_batches(np.full(128, 3), np.arange(128), 512)] == [64, 64]
    assert [len(part) for part in micro_batches(np.full(128, 2), np.arange(128), 512)] == [128]


def make_sentences(n=24, seed=0):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 7, n)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return EncodedDataset(EncodedSplit(random.integers(0, 20, offsets[-1]), offsets, random.integers(0, 2, n)), 0)


class Bag(nn.Module):
    """Mean of token vectors, and a linear head."""

    def __init__(self, dropout=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(20, 6)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(6, 2)

    def forward(self, ids, lengths):
        real = torch.arange(ids.shape[1]) < lengths[:, None]
        return self.head(self.dropout((self.embedding(ids) * real[..., None]).sum(1) / lengths[:, None]))


def run(
    model,
    objective=None,
    train=None,
    validation=None,
    seed=0,
    console=None,
    max_tokens=None,
    metric="accuracy",
    **params,
):
    params = TrainingParams(**{"epochs": 1, "batch_size": 8, "learning_rate": 0.01, "precision": "fp32", **params})
    train = train or make_sentences()
    with TrainingProgress("bag", params.epochs, len(train.tokens), console) as progress:
        objective = objective or label_objective()
        how = TrainingRun(params, seed, CPU, progress, metric, max_tokens=max_tokens)
        return fit(model, train, validation or train, objective, how)


class Scripted(nn.Module):
    """A model whose one weight grows by 1 at each epoch, and which is right as often as the script says."""

    def __init__(self, accuracies):
        super().__init__()
        self.accuracies, self.weight = accuracies, nn.Parameter(torch.zeros(()))


def scripted_objective(model, batch):
    epoch = round(model.weight.item())
    if model.training:
        return Step(-model.weight, torch.tensor(len(batch.labels)), len(batch.labels))
    right = round(model.accuracies[epoch - 1] * len(batch.labels))
    return Step(torch.tensor(1.0 / epoch), torch.tensor(right), len(batch.labels))


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [
        ([0.5, 0.75, 0.75, 0.25], 2),
        ([0.5, 0.5, 0.5], 1),
        ([0.0, 0.0], 1),
        ([0.25, 0.5, 0.75], 3),
        ([1.0, 0.5, 1.0], 1),
    ],
)
def test_the_first_of_the_best_epochs_is_kept(accuracies, best):
    """Adam's first steps on a constant gradient are of the size of the learning rate: the weight counts epochs."""
    model = Scripted(accuracies)
    history = run(model, scripted_objective, epochs=len(accuracies), batch_size=24, learning_rate=1.0)
    assert history.best_epoch == best
    assert model.weight.item() == pytest.approx(best, abs=1e-4)
    assert [row["validation_accuracy"] for row in history.curves] == accuracies
    assert [row["epoch"] for row in history.curves] == list(range(1, len(accuracies) + 1))
    assert [row["validation_loss"] for row in history.curves] == pytest.approx(
        [1 / epoch for epoch in range(1, len(accuracies) + 1)]
    )


@pytest.mark.parametrize(("every", "steps"), [(None, [3, 6]), (2, [2, 4, 6]), (4, [4, 6]), (100, [6])])
def test_points_of_validation(every, steps):
    """24 sentences in batches of 8 are 3 steps an epoch: the last step is always a point."""
    history = run(Bag(), epochs=2, validate_every=every)
    assert [row["step"] for row in history.curves] == steps
    assert [row["epoch"] for row in history.curves] == pytest.approx([step / 3 for step in steps], abs=1e-6)
    assert all(isinstance(row["epoch"], int) == (row["step"] % 3 == 0) for row in history.curves)


def test_points_of_validation_do_not_change_what_is_learned():
    models = []
    for every in (None, 1):
        models.append(Bag(dropout=0.5))
        run(models[-1], epochs=2, validate_every=every, learning_rate=1e-4, metric="loss")
    last = [model.state_dict() for model in models]
    assert all(torch.equal(last[0][name], last[1][name]) for name in last[0])


@pytest.mark.parametrize(("patience", "points"), [(None, 6), (1, 3), (2, 4), (3, 6)])
def test_patience_ends_a_training_that_gets_no_better(patience, points):
    """The best points are the 2nd and, for who waits so long, the 5th."""
    script = [0.5, 0.75, 0.5, 0.25, 1.0, 0.5]
    model = Scripted(script)
    history = run(model, scripted_objective, epochs=6, batch_size=24, learning_rate=1.0, patience=patience)
    assert len(history.curves) == points
    assert history.best_epoch == (5 if points == 6 else 2)
    assert model.weight.item() == pytest.approx(history.best_epoch, abs=1e-4)


@pytest.mark.parametrize(("metric", "best"), [("accuracy", 2), ("mcc", 3), ("macro_f1", 3), ("loss", 4)])
def test_the_best_point_is_chosen_by_the_metric(metric, best):
    """12 of 16 are of class 1: all 1 is right more often than what tells the classes apart."""
    offsets = np.arange(17)
    sentences = EncodedDataset(EncodedSplit(np.arange(16), offsets, np.array([0] * 4 + [1] * 12)), 0)
    said = [[0] * 16, [1] * 16, [0] * 4 + [1] * 7 + [0] * 5, [0] * 12 + [1] * 4]
    losses = [4.0, 3.0, 2.0, 1.0]

    def objective(model, batch):
        if model.training:
            return Step(-model.weight, torch.tensor(0), len(batch.labels))
        point = round(model.weight.item()) - 1
        predictions = torch.tensor(said[point])[batch.ids[:, 0]]
        return Step(torch.tensor(losses[point]), (predictions == batch.labels).sum(), 16, predictions)

    history = run(Scripted([]), objective, train=sentences, epochs=4, batch_size=16, learning_rate=1.0, metric=metric)
    assert history.best_epoch == best
    truth, third = [0] * 4 + [1] * 12, said[2]
    assert history.curves[2]["validation_mcc"] == pytest.approx(matthews_corrcoef(truth, third))
    assert history.curves[2]["validation_macro_f1"] == pytest.approx(f1_score(truth, third, average="macro"))


def test_curves_are_what_was_seen():
    """One epoch in one batch: the training figures are those before the step, the validation's those after it."""
    train, validation = make_sentences(), make_sentences(seed=1)
    untrained, model = Bag(), Bag()
    history = run(model, train=train, validation=validation, batch_size=24)
    (row,) = history.curves
    assert tuple(row) == CURVE_COLUMNS
    before = evaluate(untrained, train, label_objective(), 5, CPU)
    after = evaluate(model, validation, label_objective(), 5, CPU)
    assert (row["train_loss"], row["train_accuracy"]) == pytest.approx((before["loss"], before["accuracy"]), rel=1e-6)
    assert {name: row[f"validation_{name}"] for name in after} == pytest.approx(after, rel=1e-6)


def test_the_means_weigh_each_sentence_once():
    """The last batch is smaller than the others: with a learning rate of next to nothing all means must agree."""
    train = make_sentences(n=21)
    (row,) = run(Bag(), train=train, batch_size=8, learning_rate=1e-30).curves
    found = evaluate(Bag(), train, label_objective(), 21, CPU)
    whole = found["loss"], found["accuracy"]
    assert (row["train_loss"], row["train_accuracy"]) == pytest.approx(whole, rel=1e-6)
    assert (row["validation_loss"], row["validation_accuracy"]) == pytest.approx(whole, rel=1e-6)


def test_steps_are_adams():
    """Against torch's own plain Adam, fed with the same batches."""
    train, model, plain = make_sentences(), Bag(), Bag()
    history = run(model, train=train, epochs=3)
    assert history.best_epoch > 1
    adam = torch.optim.Adam(plain.parameters(), lr=0.01)
    for epoch in range(1, history.best_epoch + 1):
        for rows in epoch_batches(train.tokens.lengths, 8, "bucketed", 0, epoch):
            adam.zero_grad()
            label_objective()(plain, train.batch(rows, "cpu")).loss.backward()
            adam.step()
    for name, weight in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], weight, rtol=1e-5, atol=1e-6)


def test_weight_decay_spares_embeddings():
    model, before = Bag(), Bag()
    run(model, scaled_to_nothing, learning_rate=0.1, weight_decay=0.5, batch_size=24)
    assert torch.equal(model.embedding.weight, before.embedding.weight)
    torch.testing.assert_close(model.head.weight, before.head.weight * (1 - 0.1 * 0.5))


def scaled_to_nothing(model, batch):
    step = label_objective()(model, batch)
    return Step(0 * step.loss, step.correct, step.count)


def recorded_rates(**params):
    rates = []
    original = torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        rates.append({group["lr"] for group in self.param_groups})
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        run(Bag(), **params)
    assert all(len(rate) == 1 for rate in rates)
    return [rate.pop() for rate in rates]


def test_learning_rates():
    assert recorded_rates(epochs=4) == [0.01] * 12
    linear = recorded_rates(epochs=4, schedule="linear")
    np.testing.assert_allclose(linear, 0.01 * (1 - np.arange(12) / 12))
    assert linear[-1] == pytest.approx(0.01 / 12)


@pytest.mark.parametrize("params", [{}, {"clip_norm": 0.1}])
@pytest.mark.parametrize("needed", [2, 4, 8])
def test_out_of_memory_makes_smaller_parts_with_the_same_update(needed, params, capsys):
    """The objective 'fits' only so many sentences at once; the update must be that of the whole batch."""
    tried = []

    def tight(model, batch):
        if model.training:
            tried.append(len(batch.labels))
            if len(batch.labels) > 8 // needed:
                raise torch.OutOfMemoryError("no room")
        return label_objective()(model, batch)

    whole, parts = Bag(), Bag()
    expected = run(whole, epochs=3, **params)
    found = run(parts, tight, epochs=3, **params)
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], weight, rtol=0, atol=1e-6)
    for one, other in zip(expected.curves, found.curves, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert max(tried[-9:]) == 8 // needed
    said = capsys.readouterr().out
    assert f"out of memory: going on with {needed} parts a batch" in said
    assert said.count("out of memory") == int(math.log2(needed))


def test_parts_of_a_mean_over_tokens_count_by_their_tokens():
    """After an out-of-memory error the update of a language model is that of the whole batch too."""

    def mean_over_tokens(model, batch):
        if model.training and len(batch.labels) > 2:
            raise torch.OutOfMemoryError("no room")
        return whole_batch(model, batch)

    def whole_batch(model, batch):
        losses = torch.nn.functional.cross_entropy(model(batch.ids, batch.lengths), batch.labels, reduction="none")
        tokens = batch.lengths
        return Step((losses * tokens).sum() / tokens.sum(), torch.zeros(()), int(tokens.sum()))

    whole, parts = Bag(), Bag()
    run(whole, whole_batch, epochs=2)
    run(parts, TokenObjective(mean_over_tokens, lambda batch: int(batch.lengths.sum())), epochs=2)
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], weight, rtol=0, atol=1e-6)


@pytest.mark.parametrize("max_tokens", [1, 9, 30])
def test_parts_of_few_tokens_make_the_same_steps(max_tokens):
    whole, parted = Bag(), Bag()
    expected = run(whole, epochs=3, clip_norm=0.5)
    found = run(parted, epochs=3, clip_norm=0.5, max_tokens=max_tokens)
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(parted.state_dict()[name], weight, rtol=0, atol=1e-6)
    for one, other in zip(expected.curves, found.curves, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_parts_of_a_batch_that_does_not_divide_evenly():
    def tight(model, batch):
        if model.training and len(batch.labels) > 3:
            raise torch.OutOfMemoryError("no room")
        return label_objective()(model, batch)

    train, whole, parts = make_sentences(n=10), Bag(), Bag()
    run(whole, train=train, batch_size=10)
    run(parts, tight, train=train, batch_size=10)
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], weight, rtol=0, atol=1e-6)


def test_when_one_sentence_does_not_fit_it_says_what_to_set():
    def hopeless(model, batch):
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(RunError, match=r"one sentence of \d+ tokens does not fit .* set tokenize\.max_length"):
        run(Bag(), hopeless)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run(value):
    steps = []

    def spoilt(model, batch):
        step = label_objective()(model, batch)
        if model.training:
            steps.append(None)
        return Step(step.loss * (value if len(steps) == 5 and model.training else 1), step.correct, step.count)

    model = Bag()
    with pytest.raises(RunError, match=rf"the loss is {value} at epoch 2, step 2, learning rate 0\.01: lower"):
        run(model, spoilt, epochs=3)
    assert all(p.isfinite().all() for p in model.parameters())


def test_a_gradient_that_is_no_number_stops_the_run():
    def spoilt(model, batch):
        step = label_objective()(model, batch)
        return Step(step.loss + torch.sqrt(0 * model.head.weight[0, 0].abs()), step.correct, step.count)

    with pytest.raises(RunError, match="epoch 1, step 1"):
        run(Bag(), spoilt, clip_norm=1.0)
    # Without clipping nobody looks at gradients: the next loss, or the validation's, is what tells.
    with pytest.raises(RunError, match="epoch 1, step 2"):
        run(Bag(), spoilt)
    with pytest.raises(RunError, match="the validation loss is nan after epoch 1"):
        run(Bag(), spoilt, batch_size=24)


def test_only_trainable_weights_are_touched():
    model = Bag()
    model.embedding.requires_grad_(False)
    before = model.embedding.weight.clone()
    run(model, epochs=2)
    assert torch.equal(model.embedding.weight, before)


def test_dropout_depends_on_seed_and_step_alone():
    weights = [run_weights(Bag(dropout=0.5), seed, noise) for seed, noise in ((0, 1), (0, 99), (1, 1))]
    assert all(torch.equal(weights[0][n], weights[1][n]) for n in weights[0])
    assert not torch.equal(weights[0]["head.weight"], weights[2]["head.weight"])


def test_no_two_steps_share_their_dropout():
    seeds = []

    def watched(model, batch):
        if model.training:
            seeds.append(torch.initial_seed())
        return label_objective()(model, batch)

    run(Bag(), watched, epochs=3)
    run(Bag(), watched, epochs=3, seed=1)
    assert len(seeds) == len(set(seeds)) == 18


def run_weights(model, seed, noise):
    torch.manual_seed(noise)
    run(model, seed=seed, epochs=2)
    return model.state_dict()


def ids_of(sentences):
    tokens = sentences.tokens
    return [tuple(tokens.ids[a:b]) for a, b in pairwise(tokens.offsets)]


def test_selection_holds_out_a_part_of_train(tiny):
    summary = read_summary(tiny.tokens)
    whole, dev = read_encoded_split(tiny.tokens, TRAIN), read_encoded_split(tiny.tokens, SPLITS[1])
    scores = {s: np.arange(n)[:, None] * np.ones((1, 2)) for s, n in ((TRAIN, len(whole)), (SPLITS[1], len(dev)))}

    train, validation = train_and_validation_sets(
        tiny.tokens, summary, SelectionParams(holdout_fraction=0.2), None, scores
    )
    assert (len(train.tokens), len(validation.tokens)) == (80, 20)
    rows = [part.teacher_logits[:, 0].astype(int) for part in (train, validation)]
    assert sorted(np.concatenate(rows)) == list(range(100))
    everything = ids_of(EncodedDataset(whole, 0))
    for part, chosen in zip((train, validation), rows, strict=True):
        assert ids_of(part) == [everything[row] for row in chosen]
        assert np.array_equal(part.tokens.labels, whole.labels[chosen])
    counts = np.bincount(whole.labels)
    assert np.array_equal(np.bincount(validation.tokens.labels), np.round(counts * 0.2))
    again = train_and_validation_sets(tiny.tokens, summary, SelectionParams(holdout_fraction=0.2, holdout_seed=1))[1]
    assert ids_of(again) != ids_of(validation)

    train, validation = train_and_validation_sets(tiny.tokens, summary, SelectionParams(validation="dev"), None, scores)
    assert ids_of(train) == everything
    assert ids_of(validation) == ids_of(EncodedDataset(dev, 0))
    assert np.array_equal(validation.teacher_logits, scores[SPLITS[1]])


@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_the_stages_select_where_they_are_told(tiny, workplace, kind, monkeypatch):
    sizes = []

    def spy(model, train, validation, *rest):
        sizes.append((len(train.tokens), len(validation.tokens)))
        return fit(model, train, validation, *rest)

    monkeypatch.setattr(f"distilrnn.pipeline.{kind}.fit", spy)
    make = teach if kind == "teacher" else study
    for selection, wanted in (
        (SelectionParams(validation="dev"), (100, 40)),
        (SelectionParams(holdout_fraction=0.3), (70, 30)),
    ):
        make(tiny, workplace / selection.validation, selection=selection)
        assert sizes.pop() == wanted
        run = read_json(workplace / selection.validation / "run.json")
        assert run["validation"] == selection.validation
        curve = read_curve(workplace / selection.validation / "curves.csv")
        accuracies = curve["validation_accuracy"] * wanted[1]
        np.testing.assert_allclose(accuracies, accuracies.round(), atol=1e-6)
        best = int(np.argmax(curve["validation_mcc"]))
        assert run["best_epoch"] == best + 1
        assert run["validation_at_best"]["accuracy"] == curve["validation_accuracy"][best]
        assert run["train"]["loss"] == curve["train_loss"][best]


def test_class_weights_reach_the_loss(tiny, workplace):
    balanced = STUDYING.model_copy(update={"class_weights": "balanced"})
    study(tiny, workplace / "plain", taught=False)
    study(tiny, workplace / "balanced", taught=False, training=balanced)
    plain, weighted = (read_curve(workplace / name / "curves.csv") for name in ("plain", "balanced"))
    assert (plain["train_loss"] != weighted["train_loss"]).all()


def test_batches_are_padded_on_the_right():
    sentences = make_sentences()
    batch = sentences.batch(np.array([3, 0, 5]), "cpu")
    assert isinstance(batch, Batch)
    everything = ids_of(sentences)
    for ids, length, row in zip(batch.ids, batch.lengths, (3, 0, 5), strict=True):
        assert tuple(ids[:length].tolist()) == everything[row]
        assert not ids[length:].any()
    assert batch.ids.shape[1] == batch.lengths.max()
    assert EncodedDataset(sentences.tokens, 0, width=30).batch(np.array([1]), "cpu").ids.shape == (1, 30)
