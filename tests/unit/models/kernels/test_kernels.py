"""Every kernel against its plain form, over dtypes, shapes and seeds; and the switch that turns all off."""

import pytest
import torch
import transformers

from distilrnn.errors import InputError
from distilrnn.models.kernels import KERNELS, VARIABLE, is_on, switched_on
from distilrnn.models.kernels.attention import plain_attention, short_attention
from distilrnn.models.kernels.bidirectional import bidirectional_forward, plain_bidirectional
from distilrnn.models.kernels.dropout import apply_mask, apply_mask_, dropout_mask, plain_dropout_mask, seeded
from distilrnn.models.kernels.lora_linear import LoRALinearFunction, plain_lora_linear
from distilrnn.models.kernels.rnn import rnn_forward
from distilrnn.models.student import CELLS
from distilrnn.models.teacher import Teacher, tune
from distilrnn.params.teacher import TuningParams

TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 0.06}
"""Relative to the largest value; float64 meets softmax's and tanh's 32 bits."""
SHAPES = [(1, 3, 8), (4, 7, 16), (3, 1, 8)]
"""Sentences, tokens, width."""


def values(seed, dtype, *shapes):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


def lora(form):
    def compute(seed, dtype, sentences, tokens, width):
        x, W, b, U, V = values(seed, dtype, (sentences * tokens, width), (width, 12), (12,), (width, 2), (12, 2))
        with seeded(seed):
            mask, factor = dropout_mask(x, 0.3)
        return form(x, W.detach(), b.detach(), U, V, mask, 0.5 * factor), [x, U, V]

    return compute


def attention(form):
    def compute(seed, dtype, sentences, tokens, width):
        parts = values(seed, dtype, *[(sentences, 2, tokens, width)] * 3)
        mask = torch.full((tokens, tokens), -torch.inf, dtype=dtype).triu(1)[None, None]
        if form is plain_attention:
            return form(*parts, mask, 0.3), parts
        return form(torch.nn.Module(), *parts, mask, scaling=0.3)[0], parts

    return compute


def rnn(fast):
    def compute(seed, dtype, sentences, tokens, width):
        torch.manual_seed(seed)
        layer = torch.nn.RNN(width, 5, batch_first=True).to(dtype)
        (vectors,) = values(seed, dtype, (6, width))
        positions = torch.randint(0, 6, (sentences, tokens))
        states = rnn_forward(layer, vectors, positions) if fast else layer(vectors[positions])[0]
        return states, [vectors, *layer.parameters()]

    return compute


def bidirectional(cell, layers, form):
    def compute(seed, dtype, sentences, tokens, width):
        torch.manual_seed(seed)
        layer = CELLS[cell](width, 5, num_layers=layers, bidirectional=True, batch_first=True).to(dtype)
        (vectors,) = values(seed, dtype, (sentences, tokens, width))
        lengths = torch.randint(1, tokens + 1, (sentences,))
        real = (torch.arange(tokens) < lengths[:, None])[..., None]
        return torch.where(real, form(layer, vectors, lengths), 0.0), [vectors, *layer.parameters()]

    return compute


def teacher(shortcut):
    def compute(seed, dtype, sentences, tokens, width):
        torch.manual_seed(seed)
        config = transformers.GPT2Config(n_embd=width, n_layer=2, n_head=2, n_positions=16, vocab_size=50)
        made = Teacher(transformers.GPT2Model(config), 2)
        tune(made, TuningParams(rank=2, init="xavier", dropout=0.0))
        made.to(dtype).eval()
        made.reads_last_token_alone = shortcut
        ids, lengths = torch.randint(0, 50, (sentences, tokens)), torch.randint(1, tokens + 1, (sentences,))
        return made(ids, lengths), [p for p in made.parameters() if p.requires_grad]

    return compute


FORMS = {
    "lora_linear": [(lora(LoRALinearFunction.apply), lora(plain_lora_linear))],
    "attention": [(attention(short_attention), attention(plain_attention))],
    "rnn": [(rnn(True), rnn(False))],
    "bidirectional": [
        (bidirectional(cell, layers, bidirectional_forward), bidirectional(cell, layers, plain_bidirectional))
        for cell in CELLS
        for layers in (1, 2)
    ],
    "last_token": [(teacher(True), teacher(False))],
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("kernel", FORMS)
def test_values_and_gradients_are_the_plain_forms(kernel, dtype, shape, seed):
    for fast, plain in FORMS[kernel]:
        results = []
        for form in (fast, plain):
            output, inputs = form(seed, dtype, *shape)
            upstream = torch.linspace(-1, 1, output.numel()).view(output.shape).to(dtype)
            gradients = torch.autograd.grad((output * upstream).sum(), inputs, allow_unused=True)
            results.append([output, *[g for g in gradients if g is not None]])
        assert len(results[0]) == len(results[1])
        for found, wanted in zip(*results, strict=True):
            assert found.dtype == wanted.dtype
            allowed = TOLERANCES[dtype] * max(1.0, float(wanted.detach().abs().max()))
            assert float((found - wanted).detach().abs().max()) <= allowed


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropouts_masks_keep_as_many_as_the_plain_form_and_apply_alike(p, dtype, seed):
    """Random masks cannot be equal: what they keep, and what applying them does, can."""
    (x,) = values(seed, dtype, (400, 97))
    with seeded(seed):
        fast, factor = dropout_mask(x, p)
    plain, plain_factor = plain_dropout_mask(x, p, torch.Generator().manual_seed(seed))
    assert fast.dtype == plain.dtype == torch.int8
    assert set(fast.unique().tolist()) == set(plain.unique().tolist()) == {-1, 0}
    for mask in (fast, plain):
        assert abs(float((mask != 0).double().mean()) - (1 - p)) < 0.01
        assert torch.equal(apply_mask(x.detach(), mask), x.detach() * (mask != 0))
        assert torch.equal(apply_mask_(x.detach().clone(), mask), x.detach() * (mask != 0))
    assert factor == pytest.approx(plain_factor, rel=1e-3)


def test_every_kernel_is_tested_here():
    assert {*FORMS, "dropout"} == set(KERNELS)


def test_one_switch_turns_all_off_and_a_list_turns_some_on(monkeypatch):
    assert all(map(is_on, KERNELS))
    monkeypatch.setenv(VARIABLE, "plain")
    assert not any(map(is_on, KERNELS))
    monkeypatch.setenv(VARIABLE, "dropout, rnn")
    assert [kernel for kernel in KERNELS if is_on(kernel)] == ["dropout", "rnn"]
    with pytest.raises(InputError, match=r"DISTILRNN_KERNELS: unknown kernel 'fast': set it to all, plain"):
        switched_on("fast")


def test_plain_is_plain(monkeypatch):
    """A teacher built with the switch off has none of the kernels in it, and learns the same."""
    found = []
    for setting in ("all", "plain"):
        monkeypatch.setenv(VARIABLE, setting)
        torch.manual_seed(0)
        config = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=16, vocab_size=50)
        made = Teacher(transformers.GPT2Model(config), 2)
        tune(made, TuningParams(rank=2, init="xavier", dropout=0.0))
        assert made.reads_last_token_alone == (setting == "all")
        logits = made.eval()(torch.arange(12).view(2, 6), torch.tensor([6, 3]))
        used = {type(node[0]).__name__ for node in _graph(logits.grad_fn)}
        assert any("LoRALinearFunction" in name for name in used) == (setting == "all")
        found.append(logits)
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def _graph(node, seen=None):
    seen = set() if seen is None else seen
    if node is not None and node not in seen:
        seen.add(node)
        yield (node,)
        for after, _ in node.next_functions:
            yield from _graph(after, seen)


def test_a_second_derivative_is_refused():
    """The backward pass takes what forward saved for constants: a second derivative would be wrong."""
    x, W, U, V = values(0, torch.float64, (5, 4), (4, 3), (4, 2), (3, 2))
    y = LoRALinearFunction.apply(x, W.detach(), None, U, V, None, 1.0)
    (first,) = torch.autograd.grad(y.square().sum(), U, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_attention_without_a_mask_is_refused_but_for_a_single_token():
    query, key, value = (torch.randn(2, 2, 4, 8) for _ in range(3))
    with pytest.raises(ValueError, match="attention among 4 tokens needs a mask"):
        short_attention(torch.nn.Module(), query, key, value, None)
    one = [part[:, :, :1] for part in (query, key, value)]
    torch.testing.assert_close(short_attention(torch.nn.Module(), *one, None)[0], one[2].transpose(1, 2))
