"""The objectives and their gradients against closed forms in float64."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from distilrnn.params.student import DistilParams
from distilrnn.training.batch import Batch
from distilrnn.training.distillation import distil_objective, distillation_kl, logit_mse
from distilrnn.training.losses import class_weights, label_objective

TEMPERATURES = [0.5, 1.0, 2.0, 7.0]


def make_logits(batch=6, classes=3, scale=3.0):
    random = np.random.default_rng(0)
    return scale * random.normal(size=(batch, classes)), scale * random.normal(size=(batch, classes))


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_kl_is_the_closed_form(temperature, classes):
    student, teacher = make_logits(classes=classes)
    found = distillation_kl(torch.tensor(student), torch.tensor(teacher), temperature)
    p = softmax(teacher / temperature, axis=1)
    each = (p * (log_softmax(teacher / temperature, axis=1) - log_softmax(student / temperature, axis=1))).sum(1)
    assert found.item() == pytest.approx(temperature**2 * each.mean(), rel=1e-12)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_gradient_of_kl_is_the_closed_form(temperature):
    student, teacher = make_logits()
    leaf = torch.tensor(student, requires_grad=True)
    distillation_kl(leaf, torch.tensor(teacher), temperature).backward()
    closed = temperature * (softmax(student / temperature, 1) - softmax(teacher / temperature, 1)) / len(student)
    np.testing.assert_allclose(leaf.grad.numpy(), closed, rtol=1e-11, atol=1e-15)


def test_the_gradient_keeps_its_size_at_high_temperature():
    """For T to infinity the gradient is the centred difference of the logits over classes x batch (Hinton, 2015)."""
    student, teacher = make_logits()
    leaf = torch.tensor(student, requires_grad=True)
    distillation_kl(leaf, torch.tensor(teacher), 1e5).backward()
    difference = student - teacher
    limit = (difference - difference.mean(1, keepdims=True)) / student.size
    np.testing.assert_allclose(leaf.grad.numpy(), limit, rtol=1e-3, atol=1e-6)


def test_kl_is_a_mean_over_sentences_not_over_logits():
    student, teacher = (torch.tensor(z) for z in make_logits())
    once = distillation_kl(student, teacher, 2.0)
    twice = distillation_kl(torch.cat([student, student]), torch.cat([teacher, teacher]), 2.0)
    singles = torch.stack([distillation_kl(student[i : i + 1], teacher[i : i + 1], 2.0) for i in range(len(student))])
    torch.testing.assert_close(twice, once)
    torch.testing.assert_close(singles.mean(), once)
    assert distillation_kl(teacher, teacher, 2.0).item() == pytest.approx(0, abs=1e-12)


def test_mse_and_its_gradient():
    student, teacher = make_logits()
    leaf = torch.tensor(student, requires_grad=True)
    loss = logit_mse(leaf, torch.tensor(teacher))
    loss.backward()
    assert loss.item() == pytest.approx(((student - teacher) ** 2).mean(), rel=1e-12)
    np.testing.assert_allclose(leaf.grad.numpy(), 2 * (student - teacher) / student.size, rtol=1e-12)


class Fixed(nn.Module):
    """A 'model' that answers with given logits."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, ids, lengths):
        return self.logits


LABELS = np.array([0, 1, 2, 2, 0, 1])


def make_batch(teacher):
    ones = torch.ones(len(LABELS), dtype=torch.long)
    return Batch(ones[:, None], ones, torch.tensor(LABELS), torch.tensor(teacher, dtype=torch.float32))


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.5]])
@pytest.mark.parametrize("label_weight", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_labels_are_mixed_in_by_their_weight(loss, label_weight, weights):
    student, teacher = make_logits()
    params = DistilParams(loss=loss, temperature=3.0, label_weight=label_weight)
    step = distil_objective(params, None if weights is None else torch.tensor(weights))(
        Fixed(student), make_batch(teacher)
    )
    nll = -log_softmax(student, axis=1)[np.arange(len(LABELS)), LABELS]
    hard = (nll * (1 if weights is None else np.array(weights)[LABELS])).mean()
    p = softmax(teacher / 3, axis=1)
    kl = 9 * (p * (log_softmax(teacher / 3, axis=1) - log_softmax(student / 3, axis=1))).sum(1).mean()
    soft = kl if loss == "kl" else ((student - teacher) ** 2).mean()
    assert step.loss.item() == pytest.approx((1 - label_weight) * soft + label_weight * hard, rel=1e-5)
    assert step.count == len(LABELS)
    assert step.correct.item() == (student.argmax(1) == LABELS).sum()


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.5]])
def test_label_objective_is_weighted_cross_entropy(weights):
    student, teacher = make_logits()
    step = label_objective(None if weights is None else torch.tensor(weights))(Fixed(student), make_batch(teacher))
    nll = -log_softmax(student, axis=1)[np.arange(len(LABELS)), LABELS]
    expected = (nll * (1 if weights is None else np.array(weights)[LABELS])).mean()
    assert step.loss.item() == pytest.approx(expected, rel=1e-6)
    assert step.correct.item() == (student.argmax(1) == LABELS).sum()


def test_balanced_class_weights_are_scikit_learns():
    labels = np.repeat([0, 1, 2], [3, 10, 27])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(class_weights(labels, 3).numpy(), expected, rtol=1e-6)
    assert class_weights(labels, 3)[labels].mean().item() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("objective", [label_objective, lambda: distil_objective(DistilParams())])
def test_the_model_is_asked_about_the_batch(objective):
    student, teacher = make_logits()
    batch, asked = make_batch(teacher), []

    class Asked(Fixed):
        def forward(self, ids, lengths):
            asked.append((ids, lengths))
            return self.logits

    objective()(Asked(student), batch)
    assert asked == [(batch.ids, batch.lengths)]
