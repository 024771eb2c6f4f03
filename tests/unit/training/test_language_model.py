"""Pre-training of the encoder: what each direction may see, the tied and the sampled softmax, the data set."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distilrnn.data.encoded import EncodedSplit
from distilrnn.models.student import Student
from distilrnn.params.student import StudentModelParams
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.language_model import RecurrentLanguageModel, TextDataset, language_model_objective

PAD = 9


def split(*sentences):
    offsets = np.cumsum([0, *map(len, sentences)])
    return EncodedSplit(np.concatenate(sentences), offsets, np.zeros(len(sentences), np.int64))


def model_of(bidirectional, cell="gru", token_ids=range(10)):
    params = StudentModelParams(cell=cell, embedding=6, hidden=5, bidirectional=bidirectional)
    return RecurrentLanguageModel(Student(np.array(token_ids), 2, params, 0), 0).double()


@pytest.mark.parametrize("bidirectional", [False, True])
def test_targets_are_the_next_and_the_previous_words_and_the_ends(bidirectional):
    model = model_of(bidirectional)
    batch = EncodedDataset(split([1, 2, 3], [4, 5]), PAD).batch(np.array([0, 1]), "cpu")
    vectors, targets = model(batch.ids, batch.lengths, torch.tensor([PAD]))
    following = [2, 3, PAD, 5, PAD]
    previous = [PAD, 1, 2, PAD, 4]
    assert targets.tolist() == (following + previous if bidirectional else following)
    assert vectors.shape == (len(targets), 6)


def test_no_direction_sees_the_word_that_it_predicts():
    model = model_of(True)
    ids = torch.tensor([[1, 2, 3, 4]])
    lengths, end = torch.tensor([4]), torch.tensor([PAD])
    vectors = model(ids, lengths, end)[0]
    for position in range(4):
        changed = ids.clone()
        changed[0, position] = 7
        other = model(changed, lengths, end)[0]
        same = (other == vectors).all(1).tolist()
        # Forward vectors 0..3 see what stands at or before them, backward ones what stands at or behind them.
        assert same == [place < position for place in range(4)] + [place > position for place in range(4)]


def test_the_loss_is_the_cross_entropy_with_tied_weights():
    model = model_of(False)
    batch = EncodedDataset(split([1, 2, 3], [4, 5]), PAD).batch(np.array([0, 1]), "cpu")
    step = language_model_objective(PAD, None, np.ones(10))(model, batch)
    student = model.student
    states = [student.recurrent(student.embedding(torch.tensor([ids])))[0][0] for ids in ([1, 2, 3], [4, 5])]
    logits = model.projections[0](torch.cat(states)) @ student.embedding.weight.T + model.bias
    expected = F.cross_entropy(logits, torch.tensor([2, 3, PAD, 5, PAD]))
    torch.testing.assert_close(step.loss, expected.float(), rtol=1e-5, atol=1e-6)
    assert step.count == 5
    step.loss.backward()
    assert model.student.head.weight.grad is None
    assert model.student.embedding.weight.grad.abs().sum(1).min() > 0


def test_a_compact_vocabulary_has_rows_not_ids():
    model = model_of(False, token_ids=[1, 4, 7, PAD])
    batch = EncodedDataset(split([1, 7, 4]), PAD).batch(np.array([0]), "cpu")
    assert model(batch.ids, batch.lengths, torch.tensor([PAD]))[1].tolist() == [2, 1, 3]


def test_the_sampled_softmax_tends_to_the_full_one():
    torch.manual_seed(0)
    model = model_of(False)
    batch = EncodedDataset(split([1, 2, 3], [4, 5]), PAD).batch(np.array([0, 1]), "cpu")
    frequencies = np.arange(10.0)
    full = language_model_objective(PAD, None, frequencies)(model, batch).loss
    few, many = (
        np.mean([language_model_objective(PAD, n, frequencies)(model, batch).loss.item() for _ in range(30)])
        for n in (4, 3000)
    )
    assert abs(many - full.item()) < 0.05 < abs(few - full.item())
    model.eval()
    assert torch.equal(language_model_objective(PAD, 4, frequencies)(model, batch).loss, full)


def test_several_files_are_one_set():
    first, second = split([1, 2], [3]), split([4, 5, 6])
    text = TextDataset([first, second], PAD)
    assert text.lengths.tolist() == [2, 1, 3]
    batch = text.batch(np.array([2, 0]), "cpu")
    assert batch.ids.tolist() == [[4, 5, 6], [1, 2, PAD]]
    assert batch.lengths.tolist() == [3, 2]
