"""LoRA against its equation, and against the reference experiment's parameter counts."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2Model
from transformers.pytorch_utils import Conv1D

from distilrnn.artifacts.files import write_json
from distilrnn.errors import InputError
from distilrnn.models.adapters import load_teacher, save_adapter
from distilrnn.models.bases import base_hash, load_body
from distilrnn.models.kernels.dropout import dropout_mask, seeded
from distilrnn.models.lora import LoRALinear, inject, linear_layers, match_target_modules, merge
from distilrnn.models.parameters import count_parameters, trainable
from distilrnn.models.student import Student
from distilrnn.models.teacher import Teacher, build_teacher, tune
from distilrnn.params.student import StudentModelParams
from distilrnn.params.teacher import TuningParams
from distilrnn.training.batch import Batch
from distilrnn.training.losses import label_objective
from headers import teacher_header

INPUTS, OUTPUTS, RANK = 7, 5, 3
MAPS = {"linear": lambda: nn.Linear(INPUTS, OUTPUTS), "conv1d": lambda: Conv1D(OUTPUTS, INPUTS)}


def make(kind, alpha=None, init="xavier", dropout=0.0):
    torch.manual_seed(1)
    adapted = LoRALinear(MAPS[kind](), RANK, alpha, init, dropout).double()
    if init == "zero":
        nn.init.normal_(adapted.V)  # as after some training: else there is nothing to see
    return adapted


def explicit_weight(adapted, kind, alpha):
    """W + s U V^T as [out, in], written out."""
    frozen = adapted.linear.weight if kind == "linear" else adapted.linear.weight.T
    scale = 1 if alpha is None else alpha / RANK
    return frozen + scale * torch.einsum("ir,or->oi", adapted.U, adapted.V)


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("init", ["xavier", "zero"])
@pytest.mark.parametrize("alpha", [None, 8.0])
def test_forward_and_merge_are_the_explicit_sum(kind, init, alpha):
    adapted = make(kind, alpha, init)
    x = torch.randn(4, 6, INPUTS, dtype=torch.float64)
    weight = explicit_weight(adapted, kind, alpha).detach().clone()
    expected = x @ weight.T + adapted.linear.bias
    torch.testing.assert_close(adapted(x), expected, rtol=1e-13, atol=1e-13)

    plain = adapted.merged()
    assert type(plain) is type(MAPS[kind]())
    merged = plain.weight if kind == "linear" else plain.weight.T
    torch.testing.assert_close(merged, weight, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(plain(x), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("kind", MAPS)
def test_gradients_are_those_of_the_explicit_sum(kind):
    adapted = make(kind, alpha=6.0)
    adapted.linear.requires_grad_(False)
    x = torch.randn(4, INPUTS, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(4, OUTPUTS, dtype=torch.float64)
    (adapted(x) * upstream).sum().backward()
    scale = 6.0 / RANK
    given = x.detach()
    torch.testing.assert_close(adapted.U.grad, scale * given.T @ upstream @ adapted.V.detach())
    torch.testing.assert_close(adapted.V.grad, scale * upstream.T @ given @ adapted.U.detach())
    torch.testing.assert_close(x.grad, upstream @ explicit_weight(adapted, kind, 6.0).detach())
    assert all(p.grad is None for p in adapted.linear.parameters())


def drop(x, p):
    kept, factor = dropout_mask(x, p)
    return x * -kept * factor


def test_dropout_is_on_the_adapters_input_alone():
    adapted = make("linear", alpha=6.0, dropout=0.5).train()
    x = torch.randn(20, INPUTS, dtype=torch.float64)
    torch.manual_seed(7)
    found = adapted(x)
    torch.manual_seed(7)
    dropped = drop(x, 0.5)
    assert not torch.equal(dropped, x)
    torch.testing.assert_close(found, adapted.linear(x) + 2.0 * dropped @ adapted.U @ adapted.V.T)
    torch.testing.assert_close(adapted.eval()(x), x @ explicit_weight(adapted, "linear", 6.0).T + adapted.linear.bias)


@pytest.mark.parametrize("kind", MAPS)
def test_gradients_pass_through_what_dropout_keeps_alone(kind):
    """Against torch's own gradients of the same product."""
    adapted = make(kind, alpha=6.0, dropout=0.5).train()
    x = torch.randn(20, INPUTS, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(20, OUTPUTS, dtype=torch.float64)
    wanted = [x, adapted.U, adapted.V]
    torch.manual_seed(7)
    found = torch.autograd.grad((adapted(x) * upstream).sum(), wanted)
    torch.manual_seed(7)
    plain = adapted.linear(x) + 2.0 * drop(x, 0.5) @ adapted.U @ adapted.V.T
    for one, other in zip(found, torch.autograd.grad((plain * upstream).sum(), wanted), strict=True):
        torch.testing.assert_close(one, other)


def test_no_dropout_keeps_everything():
    """Neither where p is 0 nor outside of training."""
    x = torch.randn(20, INPUTS, dtype=torch.float64)
    plain = make("linear")
    expected = x @ explicit_weight(plain, "linear", None).T + plain.linear.bias
    for adapted in (make("linear", dropout=0.0).train(), make("linear", dropout=0.5).eval()):
        torch.testing.assert_close(adapted(x), expected)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.99])
def test_dropout_drops_each_element_alone_and_keeps_the_mean(p):
    """Shares within five standard errors; neighbours, which share random bits, do not go together."""
    torch.manual_seed(0)
    x = torch.ones(2000, 303)
    dropped = drop(x, p)
    zero = dropped == 0
    error = 5 * math.sqrt(p * (1 - p) / x.numel())
    assert abs(zero.double().mean() - p) <= error + 1e-5
    torch.testing.assert_close(dropped[~zero], torch.full_like(dropped[~zero], 1 / (1 - p)), rtol=2e-3, atol=0)
    assert abs(dropped.double().mean() - 1) <= error / (1 - p) + 1e-6
    for step in (1, 2, 3, 4):
        both = (zero.flatten()[:-step] & zero.flatten()[step:]).double().mean()
        assert abs(both - p * p) <= 6 * math.sqrt(p * p / x.numel()) + 1e-5


def test_dropout_in_a_thread_has_numbers_of_its_own():
    x = torch.ones(300, 300)

    def draw(seed):
        with seeded(7, seed):
            return [drop(x, 0.5) for _ in range(3)]

    calm = [draw(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(draw, range(6)))
    for one, other in zip(calm, together, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(calm[0][0], calm[1][0])
    assert not torch.equal(calm[0][0], calm[0][1])


def test_dropout_takes_its_numbers_from_torchs_generator():
    x = torch.ones(5, 7)
    first, second, other = (torch.manual_seed(seed) and drop(x, 0.5) for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.9])
def test_dropout_scales_by_the_share_that_it_really_keeps(p):
    dropped = drop(torch.ones(100, 100), p)
    assert dropped.unique().tolist() == [0, pytest.approx(65536 / round((1 - p) * 65536), rel=1e-7)]


def test_dropout_of_nearly_nothing_keeps_nearly_everything():
    assert (drop(torch.ones(100, 100), 1e-6) > 0).double().mean() > 0.99


def test_dropout_seldom_repeats_itself():
    torch.manual_seed(0)
    drawn = {tuple(drop(torch.ones(64), 0.5).tolist()) for _ in range(500)}
    assert len(drawn) == 500


def test_forward_in_bf16():
    adapted = make("linear", alpha=6.0).float()
    x = torch.randn(4, INPUTS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = adapted(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), adapted(x), rtol=0.05, atol=0.05)


def test_zero_initial_values_fill_their_bounds():
    adapted = LoRALinear(nn.Linear(400, 200), 4, None, "zero", 0.0)
    assert not adapted.V.any()
    assert 0.045 < adapted.U.max() <= 0.05
    assert -0.05 <= adapted.U.min() < -0.045
    assert abs(adapted.U.mean()) < 0.005


def test_inject_passes_the_settings_on():
    model = nn.Sequential(nn.Linear(8, 6))
    inject(model, TuningParams(rank=2, alpha=3.0, init="xavier", dropout=0.25))
    assert (model[0].scale, model[0].dropout, model[0].U.shape[1]) == (1.5, 0.25, 2)
    assert model[0].V.any()


def test_xavier_initial_values_fill_their_bounds():
    adapted = LoRALinear(nn.Linear(300, 200), 4, None, "xavier", 0.0)
    for matrix, side in ((adapted.U, 300), (adapted.V, 200)):
        bound = math.sqrt(6 / (side + 4))
        assert matrix.shape == (side, 4)
        assert 0.95 * bound < matrix.abs().max() <= bound
        assert abs(matrix.std() * math.sqrt(3) / bound - 1) < 0.1
    x = torch.randn(3, 300)
    assert not torch.equal(adapted(x), adapted.linear(x))


def test_zero_initial_values_leave_the_frozen_map_as_it_is():
    adapted = LoRALinear(nn.Linear(300, 200), 4, 16.0, "zero", 0.0)
    assert not adapted.V.any()
    assert 0.95 / math.sqrt(300) < adapted.U.abs().max() <= 1 / math.sqrt(300)
    x = torch.randn(3, 300)
    assert torch.equal(adapted(x), adapted.linear(x))


@pytest.mark.parametrize("kind", MAPS)
def test_rank_is_at_most_the_smaller_side(kind):
    assert LoRALinear(MAPS[kind](), OUTPUTS, None, "zero", 0.0).U.shape == (INPUTS, OUTPUTS)
    with pytest.raises(InputError, match=f"rank {OUTPUTS + 1} .* {INPUTS} × {OUTPUTS} layer: use at most {OUTPUTS}"):
        LoRALinear(MAPS[kind](), OUTPUTS + 1, None, "zero", 0.0)


def tiny_gpt2(layers=2):
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=50, n_positions=16, n_embd=8, n_layer=layers, n_head=2, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0
    )
    return GPT2Model(config)


@pytest.mark.parametrize(
    ("targets", "wanted"),
    [
        (("all-linear",), ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]),
        (("c_attn",), ["attn.c_attn"]),
        (("c_proj",), ["attn.c_proj", "mlp.c_proj"]),
        (("attn.c_proj", "c_fc"), ["attn.c_proj", "mlp.c_fc"]),
        (("h.*.mlp.*",), ["mlp.c_fc", "mlp.c_proj"]),
    ],
)
def test_targets_choose_by_name(targets, wanted):
    body = tiny_gpt2()
    assert inject(body, TuningParams(rank=2, targets=targets)) == []
    names = [f"h.{block}.{name}" for block in (0, 1) for name in wanted]
    assert [n for n, m in body.named_modules() if isinstance(m, LoRALinear)] == names


def test_a_target_that_matches_nothing_is_refused():
    with pytest.raises(InputError, match=r"target 'q_proj' matches no linear layer.*h\.attn\.c_attn"):
        inject(tiny_gpt2(), TuningParams(targets=("c_attn", "q_proj")))
    with pytest.raises(InputError, match=r"use all-linear or patterns of h\.a, h\.b$"):
        match_target_modules(["h.0.a", "h.1.b", "h.1.a"], ["c"])
    with pytest.raises(InputError, match="'attn'"):
        match_target_modules(["h.0.attn.c_attn"], ["attn"])


def test_only_adapters_norms_and_head_are_trained():
    teacher = Teacher(tiny_gpt2(), classes=3)
    tune(teacher, TuningParams(rank=2))
    frozen = {n: p.detach().clone() for n, p in teacher.named_parameters() if not p.requires_grad}
    teacher(torch.randint(50, (4, 6)), torch.tensor([6, 3, 1, 5])).square().sum().backward()
    for name, parameter in teacher.named_parameters():
        trained = name.endswith((".U", ".V")) or ".ln_" in name or name == "head.weight"
        assert parameter.requires_grad == trained == (parameter.grad is not None), name
    assert frozen.keys() >= {"body.wte.weight", "body.wpe.weight", "body.h.0.attn.c_attn.linear.weight"}

    untouched = Teacher(tiny_gpt2(), classes=3)
    tune(untouched, TuningParams(rank=2, train_norms=False))
    assert all(n.endswith((".U", ".V")) or n == "head.weight" for n in trainable(untouched))


def test_merged_logits_equal_unmerged_ones():
    teacher = Teacher(tiny_gpt2(), classes=2)
    tune(teacher, TuningParams(rank=2, alpha=4, init="xavier", dropout=0.3))
    teacher.double().eval()
    ids, lengths = torch.randint(50, (5, 9)), torch.tensor([9, 1, 4, 7, 2])
    before = teacher(ids, lengths)
    names = list(linear_layers(teacher.body))
    merge(teacher.body)
    assert not any(isinstance(m, LoRALinear) for m in teacher.modules())
    assert [n + ".linear" for n in linear_layers(teacher.body)] == names
    torch.testing.assert_close(teacher(ids, lengths), before, rtol=1e-12, atol=1e-12)


REFERENCE_COUNTS = {
    "gpt2": {
        "shape": {},
        "base": 124439808,
        "lora": 589824,
        "layer_norm": 38400,
        "score": 1536,
        "total": 125031168,
        "trainable": 629760,
    },
    "gpt2-medium": {
        "shape": {"n_embd": 1024, "n_layer": 24, "n_head": 16},
        "base": 354823168,
        "lora": 1572864,
        "layer_norm": 100352,
        "score": 2048,
        "total": 356398080,
        "trainable": 1675264,
    },
}
REFERENCE_TUNING = TuningParams(rank=4, init="xavier", alpha=None, dropout=0.1, train_norms=True)


def assert_counts(teacher, wanted):
    adapters = sum(p.numel() for n, p in teacher.named_parameters() if n.endswith((".U", ".V")))
    norms = sum(p.numel() for n, p in trainable(teacher).items() if ".ln_" in n)
    assert adapters == wanted["lora"]
    assert norms == wanted["layer_norm"]
    assert teacher.head.weight.numel() == wanted["score"]
    assert count_parameters(teacher) == {"total": wanted["total"], "trainable": wanted["trainable"]}
    assert wanted["total"] - wanted["lora"] - wanted["score"] == wanted["base"]


@pytest.mark.parametrize("name", REFERENCE_COUNTS)
def test_parameter_counts_are_the_references(name):
    wanted = REFERENCE_COUNTS[name]
    with torch.device("meta"):  # shapes without memory
        body = GPT2Model(GPT2Config(**wanted["shape"]))
        teacher = Teacher(body, classes=2)
        tune(teacher, REFERENCE_TUNING)
    assert sum(p.numel() for n, p in body.named_parameters() if not n.endswith((".U", ".V"))) == wanted["base"]
    assert_counts(teacher, wanted)


def test_parameter_counts_of_the_rnn_are_the_references():
    student = Student(torch.arange(0, 50257, 5000).numpy(), 2, StudentModelParams(), 0)
    assert sum(p.numel() for p in student.recurrent.parameters()) == 1181184
    assert sum(p.numel() for p in student.head.parameters()) == 1538
    counts = student.count_parameters(50257)
    assert counts["total"] == counts["trainable"] == 39780098 == 38597376 + 1181184 + 1538


@pytest.mark.slow
def test_full_size_rnn_has_the_references_parameters():
    student = Student(torch.arange(50257).numpy(), 2, StudentModelParams(), 0)
    assert student.embedding.weight.numel() == 38597376
    assert sum(p.numel() for p in student.parameters()) == 39780098


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCE_COUNTS)
def test_full_size_training_step_and_round_trip(name, tmp_path):
    """Random weights of the real shape: a step moves what is trained and nothing else, and the file brings it back."""
    wanted = REFERENCE_COUNTS[name]
    torch.manual_seed(0)
    base = tmp_path / "base"
    GPT2Model(GPT2Config(**wanted["shape"])).save_pretrained(base)
    write_json(base / "base.json", {"hash": base_hash(base)})
    teacher = build_teacher(base, 2, REFERENCE_TUNING, seed=0)
    assert_counts(teacher, wanted)

    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(50257, (4, 12), generator=generator)
    batch = Batch(ids, torch.tensor([12, 3, 7, 1]), torch.tensor([0, 1, 1, 0]), None)
    before = {n: p.detach().clone() for n, p in trainable(teacher).items()}
    frozen = {n: p._version for n, p in teacher.named_parameters() if not p.requires_grad}
    adam = torch.optim.AdamW(trainable(teacher).values(), lr=1e-3, weight_decay=0.0)
    teacher.train()
    loss = label_objective()(teacher, batch).loss
    loss.backward()
    adam.step()
    assert all(not torch.equal(before[n], p) for n, p in trainable(teacher).items())
    assert frozen == {n: p._version for n, p in teacher.named_parameters() if not p.requires_grad}
    assert all(p.grad is None for p in teacher.parameters() if not p.requires_grad)

    file = tmp_path / "adapter.safetensors"
    save_adapter(file, teacher, teacher_header(base, ["no", "yes"], REFERENCE_TUNING))
    assert wanted["trainable"] * 4 < file.stat().st_size < wanted["trainable"] * 4 + 100_000
    with torch.no_grad():
        expected = teacher.eval()(batch.ids, batch.lengths)
        del teacher
        loaded, _ = load_teacher(base, file)
        torch.testing.assert_close(loaded(batch.ids, batch.lengths), expected, rtol=1e-4, atol=1e-4)
    assert sum(p.numel() for p in load_body(base).parameters()) == wanted["base"]
