"""Teachers of several architectures: what is read, what is trained, and that files fit only where they belong."""

import gc
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from rich.console import Console
from transformers.models.gpt2.modeling_gpt2 import eager_attention_forward

from architectures import ARCHITECTURES, BIDIRECTIONAL
from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.tensors import load_arrays, load_tensors, read_header, save_tensors
from distilrnn.data.batching import epoch_batches
from distilrnn.data.corpus import SPLITS, TRAIN
from distilrnn.data.encoded import read_encoded_split, read_summary
from distilrnn.errors import InputError, RunError
from distilrnn.models.adapters import load_teacher, save_adapter
from distilrnn.models.bases import import_base, read_base
from distilrnn.models.kernels.attention import SHORT, short_attention
from distilrnn.models.kernels.last_token import last_token_modules
from distilrnn.models.lora import LoRALinear, linear_layers, merge
from distilrnn.models.parameters import trainable
from distilrnn.models.teacher import build_teacher, freeze_in_bf16, place
from distilrnn.params.base import BaseParams
from distilrnn.params.common import TrainingParams
from distilrnn.params.teacher import TuningParams
from distilrnn.pipeline.base import pretrain
from distilrnn.pipeline.logits import compute_logits
from distilrnn.pipeline.scoring import ScoringJob
from distilrnn.pipeline.tokens import tokenize_corpus
from distilrnn.runtime.device import Device
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.loop import TrainingRun, fit
from distilrnn.training.losses import label_objective
from distilrnn.training.predict import predict_logits
from distilrnn.training.progress import TrainingProgress
from headers import teacher_header
from tiny import BASE, CORPUS, TEACHING, TUNING, make_corpus, study, teach

MAPS_IN_A_BLOCK = {"gpt2": 4, "llama": 7, "gemma3": 7, "bert": 6, "distilbert": 6}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def base(request, tiny, tmp_path_factory):
    """A base of another architecture with random weights, brought in by the stage's own function."""
    config_class, settings = ARCHITECTURES[request.param]
    config = config_class(**settings)
    torch.manual_seed(0)
    auto = transformers.AutoModelForMaskedLM if request.param in BIDIRECTIONAL else transformers.AutoModelForCausalLM
    source = tmp_path_factory.mktemp("model")
    auto.from_config(config).save_pretrained(source)
    transformers.AutoTokenizer.from_pretrained(tiny.base).save_pretrained(source)
    folder = tmp_path_factory.mktemp("base") / request.param
    made = import_base(BaseParams(model=str(source)), folder)
    assert import_base(BaseParams(model=str(source)), folder)["hash"] == made["hash"]
    return folder


def random_sentences(count=9, longest=20):
    random = np.random.default_rng(0)
    lengths = torch.from_numpy(random.integers(1, longest + 1, count))
    lengths[0] = longest
    return torch.from_numpy(random.integers(1, 500, (count, longest))), lengths


def test_padding_does_not_change_logits(base):
    teacher = build_teacher(base, 3, TuningParams(init="xavier"), 0).eval()
    assert teacher.bidirectional == (base.name in BIDIRECTIONAL)
    ids, lengths = random_sentences()
    with torch.no_grad():
        together = teacher(ids, lengths)
        alone = torch.cat([teacher(ids[i : i + 1, :n], lengths[i : i + 1]) for i, n in enumerate(lengths)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_the_head_reads_the_token_that_saw_the_sentence(base):
    teacher = build_teacher(base, 2, TuningParams(mode="probe"), 0).eval()
    ids, _ = random_sentences(count=1, longest=6)
    body = transformers.AutoModel.from_pretrained(base, dtype=torch.float32).eval()
    with torch.no_grad():
        states = body(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        wanted = states[0 if base.name in BIDIRECTIONAL else 5] @ teacher.head.weight.T
        found = teacher(ids, torch.tensor([6]))[0]
        changed = ids.clone()
        changed[0, 3] += 1  # a token in the middle: either must notice
        assert not torch.allclose(teacher(changed, torch.tensor([6]))[0], found, atol=1e-7)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_the_last_block_reads_one_token_a_sentence_and_nothing_changes(base):
    """Logits and gradients against the same teacher without the shortcut, with adapters and after they are merged."""
    teacher = build_teacher(base, 2, TuningParams(rank=2, init="xavier", dropout=0), 0)
    ids, lengths = random_sentences()

    def judged():
        teacher.zero_grad()
        logits = teacher(ids, lengths)
        logits.square().sum().backward()
        return [logits, *(p.grad.clone() for p in trainable(teacher).values())]

    def check():
        alone, seen = last_token_modules(teacher.body), []
        assert len(alone) == (0 if base.name in BIDIRECTIONAL else 2)
        watched = [m.register_forward_hook(lambda module, inputs, _: seen.append(inputs[0].shape[:2])) for m in alone]
        short = judged()
        assert seen == [(len(ids), 1)] * len(alone)
        teacher.reads_last_token_alone = False
        for found, wanted in zip(short, judged(), strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)
        assert seen[len(alone) :] == [tuple(ids.shape)] * len(alone)
        teacher.reads_last_token_alone = True
        for watch in watched:
            watch.remove()

    check()
    merge(teacher.body)
    check()


def test_bf16_on_a_cpu_attends_in_plain_products(base):
    teacher = build_teacher(base, 2, TuningParams(rank=2), 0).eval()
    ids, lengths = random_sentences()
    fp32, bf16 = Device("cpu", "fp32", 1), Device("cpu", "bf16", 1)
    with torch.no_grad():
        exact = place(teacher, fp32)(ids, lengths)
        assert teacher.body.config._attn_implementation == "sdpa"
        place(teacher, bf16)
        with bf16.autocast():
            close = teacher(ids, lengths)
    assert teacher.body.config._attn_implementation == (SHORT if base.name == "gpt2" else "eager")
    torch.testing.assert_close(close.float(), exact, rtol=0.1, atol=0.05)


def test_short_attention_is_eager_attention():
    """Values and gradients."""
    random = torch.Generator().manual_seed(0)
    mask = torch.zeros(5, 1, 7, 7, dtype=torch.float64)
    mask[:, :, :, 4:] = -torch.inf
    module = torch.nn.Module()

    def attended(attention):
        parts = [torch.randn(5, 3, 7, 8, dtype=torch.float64, generator=random.manual_seed(n)) for n in range(3)]
        parts = [part.requires_grad_() for part in parts]
        out, _ = attention(module, *parts, mask, scaling=0.3)
        return [out, *torch.autograd.grad(out.square().sum(), parts)]

    for found, wanted in zip(attended(short_attention), attended(eager_attention_forward), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)  # softmax has 32 bits


def test_a_placed_teacher_has_let_go_of_the_bases_file(base):
    """Weights that are used as loaded lie in the file, all of which then stays in memory beside those in bf16."""

    def mapped():
        return str(base / "model.safetensors") in Path("/proc/self/maps").read_text()

    gc.collect()  # other tests' teachers
    teacher = build_teacher(base, 2, TuningParams(rank=2), 0)
    assert mapped()
    place(teacher, Device("cpu", "bf16", 1))
    assert not mapped()


def test_results_do_not_depend_on_the_number_of_threads(tiny):
    summary = read_summary(tiny.tokens)

    def trained(threads):
        torch.set_num_threads(threads)
        device = Device("cpu", "fp32", threads)
        teacher = place(build_teacher(tiny.base, 2, TuningParams(rank=2, dropout=0.3), 0), device)
        sentences = EncodedDataset(read_encoded_split(tiny.tokens, TRAIN), summary.pad_id)
        params = TrainingParams(epochs=2, batch_size=16, learning_rate=0.01, precision="fp32")
        with TrainingProgress("teacher", 2, len(sentences.tokens), Console(file=io.StringIO())) as progress:
            fit(
                teacher,
                sentences,
                sentences,
                label_objective(),
                TrainingRun(params, 0, device, progress, max_tokens=40),
            )
        return trainable(teacher), predict_logits(teacher, sentences, 16, device, max_tokens=40)

    before = torch.get_num_threads()
    try:
        one, three = trained(1), trained(3)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one[0][name], three[0][name]) for name in one[0])
    assert np.array_equal(one[1], three[1])


def test_steps_side_by_side_are_adams(tiny):
    """Against torch's own plain Adam on whole batches."""
    made = [build_teacher(tiny.base, 2, TuningParams(rank=2, dropout=0.0), 0).eval() for _ in range(2)]
    device, sentences = Device("cpu", "fp32", 2), EncodedDataset(read_encoded_split(tiny.tokens, TRAIN), 0)
    for teacher in made:
        teacher.train = lambda mode=True, teacher=teacher: teacher  # the base's own dropout stays off
    params = TrainingParams(epochs=1, batch_size=16, learning_rate=0.01, precision="fp32")
    with TrainingProgress("teacher", 1, len(sentences.tokens), Console(file=io.StringIO())) as progress:
        fit(made[0], sentences, sentences, label_objective(), TrainingRun(params, 0, device, progress, max_tokens=40))
    weights = trainable(made[1])
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    adam = torch.optim.Adam(weights.values(), lr=params.learning_rate)
    for rows in epoch_batches(sentences.tokens.lengths, params.batch_size, "bucketed", 0, 1):
        adam.zero_grad()
        label_objective()(made[1], sentences.batch(rows, "cpu")).loss.backward()
        adam.step()
    for name, weight in trainable(made[0]).items():
        moved, wanted = weight - before[name], weights[name] - before[name]
        assert (moved - wanted).norm() < 0.01 * wanted.norm(), name


def test_all_linear_maps_get_an_adapter(base):
    plain = linear_layers(build_teacher(base, 2, TuningParams(mode="probe"), 0).body)
    teacher = build_teacher(base, 2, TuningParams(rank=2), 0)
    adapted = [n for n, m in teacher.body.named_modules() if isinstance(m, LoRALinear)]
    assert adapted == list(plain)
    assert len(adapted) == 2 * MAPS_IN_A_BLOCK[base.name]
    for name in trainable(teacher):
        assert name.endswith((".U", ".V")) or "norm" in name.lower() or ".ln_" in name or name == "head.weight", name
    assert any("norm" in name.lower() or ".ln_" in name for name in trainable(teacher))
    # Every trained tensor takes part: a gradient reaches it.
    ids, lengths = random_sentences()
    with torch.no_grad():
        for module in teacher.modules():
            if isinstance(module, LoRALinear):
                module.V.normal_()
    teacher.train()(ids, lengths).square().sum().backward()
    assert {n for n, p in trainable(teacher).items() if p.grad is None or not p.grad.any()} == set()


@pytest.mark.parametrize("mode", ["lora", "full", "probe"])
def test_saved_and_loaded_teachers_agree(base, mode, tmp_path):
    tuning = TuningParams(mode=mode, rank=2, alpha=3)
    teacher = build_teacher(base, 3, tuning, 5)
    with torch.no_grad():
        for parameter in trainable(teacher).values():
            parameter.add_(0.05 * torch.randn_like(parameter))
    expected = {"probe": 1, "full": sum(1 for _ in teacher.parameters())}.get(mode, len(trainable(teacher)))
    file = tmp_path / "adapter.safetensors"
    save_adapter(file, teacher, teacher_header(base, "abc", tuning))
    tensors, _ = load_tensors(file, "adapter")
    assert len(tensors) == expected
    loaded, found = load_teacher(base, file)
    assert found.classes == ["a", "b", "c"]
    assert not any(isinstance(m, LoRALinear) for m in loaded.modules())
    assert not loaded.training
    ids, lengths = random_sentences()
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids, lengths), teacher.eval()(ids, lengths), rtol=1e-4, atol=1e-5)


def test_bf16_keeps_what_is_trained_in_fp32(base):
    teacher = build_teacher(base, 2, TuningParams(rank=2, targets=("*0*",)), 0).eval()
    ids, lengths = random_sentences()
    with torch.no_grad():
        exact = teacher(ids, lengths)
        freeze_in_bf16(teacher)
        with Device("cpu", "bf16", 1).autocast():
            close = teacher(ids, lengths)
    assert all(p.dtype == torch.float32 for p in trainable(teacher).values())
    assert all(m.weight.dtype == torch.bfloat16 for m in linear_layers(teacher.body).values())
    torch.testing.assert_close(close.float(), exact, rtol=0.1, atol=0.05)


def test_modes_freeze_what_they_say(tiny):
    probe, full = (build_teacher(tiny.base, 2, TuningParams(mode=mode), 0) for mode in ("probe", "full"))
    assert list(trainable(probe)) == ["head.weight"]
    assert len(trainable(full)) == sum(1 for _ in full.parameters())
    assert not any(isinstance(m, LoRALinear) for model in (probe, full) for m in model.modules())


def test_the_bases_own_dropout_is_off(tiny, tmp_path):
    config = json.loads((tiny.base / "config.json").read_text()) | {"resid_pdrop": 0.5, "embd_pdrop": 0.5}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((tiny.base / "model.safetensors").read_bytes())
    teacher = build_teacher(tmp_path, 2, TuningParams(mode="probe"), 0).train()
    assert all(m.p == 0 for m in teacher.modules() if isinstance(m, torch.nn.Dropout))


def test_the_seed_makes_adapters_and_head(tiny):
    same = [build_teacher(tiny.base, 2, TUNING, seed).state_dict() for seed in (1, 1, 2)]
    assert all(torch.equal(same[0][n], same[1][n]) for n in same[0])
    assert not torch.equal(same[0]["head.weight"], same[2]["head.weight"])
    assert not torch.equal(same[0]["body.h.0.mlp.c_fc.U"], same[2]["body.h.0.mlp.c_fc.U"])


def test_stage_writes_what_it_promises(tiny):
    header, run = read_header(tiny.adapter, "adapter"), read_json(tiny.teacher / "run.json")
    summary = read_summary(tiny.tokens)
    tensors, _ = load_tensors(tiny.adapter, "adapter")
    assert header["base_hash"] == read_base(tiny.base)["hash"]
    assert header["corpus_hash"] == run["corpus_hash"] == summary.corpus_hash
    assert header["tuning"] == TUNING.model_dump(mode="json")
    assert run["kind"] == "teacher"
    assert run["parameters"]["trainable"] == sum(t.numel() for t in tensors.values())
    assert run["best_epoch"] == header["best_epoch"]
    assert run["checkpoint_bytes"] == tiny.adapter.stat().st_size
    body = build_teacher(tiny.base, 2, TuningParams(mode="probe"), 0).body
    assert run["parameters"]["total"] == sum(p.numel() for p in body.parameters()) + sum(
        t.numel() for n, t in tensors.items() if n.endswith((".U", ".V")) or n == "head.weight"
    )


def test_the_stage_trains_in_bf16(tiny, workplace):
    training = TEACHING.model_copy(update={"precision": "bf16"})
    teach(tiny, workplace / "teacher", training=training, tuning=TuningParams(rank=2, train_norms=False))
    run = read_json(workplace / "teacher" / "run.json")
    assert run["precision"] == "bf16"
    tensors, _ = load_tensors(workplace / "teacher" / "adapter.safetensors", "adapter")
    assert all(t.dtype == torch.float32 and t.isfinite().all() for t in tensors.values())
    adapter = workplace / "teacher" / "adapter.safetensors"
    compute_logits(ScoringJob(tiny.base, adapter, tiny.tokens, 16, 1), workplace / "logits")
    assert read_json(workplace / "logits" / "run.json")["precision"] == "bf16"


def test_logits_are_the_tuned_teachers_for_every_sentence(tiny):
    logits, header = load_arrays(tiny.logits, "logits")
    assert header["corpus_hash"] == read_json(tiny.tokens / "tokens.json")["corpus_hash"]
    teacher, adapter = load_teacher(tiny.base, tiny.adapter)
    assert (header["base_hash"], header["seed"]) == (adapter.base_hash, adapter.seed)
    for split in SPLITS:
        tokens = read_encoded_split(tiny.tokens, split)
        found = logits[f"{split}.logits"]
        assert np.array_equal(logits[f"{split}.ids"], np.arange(len(tokens)))
        assert found.dtype == np.float32
        with torch.no_grad():
            for row in (0, 7, len(tokens) - 1):
                ids = torch.tensor(tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]])[None]
                alone = teacher(ids, torch.tensor([ids.shape[1]]))[0].numpy()
                np.testing.assert_allclose(found[row], alone, rtol=1e-4, atol=1e-5)


def test_logits_do_not_depend_on_the_batch_size(tiny, workplace):
    compute_logits(ScoringJob(tiny.base, tiny.adapter, tiny.tokens, 5, 1), workplace)
    few, _ = load_arrays(workplace / "logits.safetensors", "logits")
    many, _ = load_arrays(tiny.logits, "logits")
    for name, values in many.items():
        np.testing.assert_allclose(few[name], values, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def strangers(tiny, tmp_path_factory):
    """Another base of the same shape, another corpus, and its tokens by the first base's tokenizer."""
    folder = tmp_path_factory.mktemp("strangers")
    make_corpus(folder / "corpus", CORPUS.model_copy(update={"seed": 1}))
    pretrain(tiny.corpus / "unlabelled.txt", BASE.model_copy(update={"seed": 1}), folder / "base", 1)
    tokenize_corpus(folder / "corpus", tiny.base, None, folder / "tokens")
    tokenize_corpus(tiny.corpus, tiny.base, 6, folder / "cut")
    return folder


def test_an_adapter_fits_its_own_base_alone(tiny, strangers, workplace):
    with pytest.raises(InputError, match=r"adapter\.safetensors: made with another base"):
        load_teacher(strangers / "base", tiny.adapter)
    with pytest.raises(InputError, match="another base"):
        compute_logits(ScoringJob(strangers / "base", tiny.adapter, tiny.tokens, 16, 1), workplace / "out")
    assert not (workplace / "out").exists()


def test_an_adapter_with_another_corpus_is_refused(tiny, strangers, workplace):
    with pytest.raises(InputError, match="another corpus"):
        compute_logits(ScoringJob(tiny.base, tiny.adapter, strangers / "tokens", 16, 1), workplace / "out")
    assert not (workplace / "out").exists()


def test_an_adapter_with_another_tokenizer_is_refused(tiny, strangers, workplace):
    tokenize_corpus(tiny.corpus, strangers / "base", None, workplace / "tokens")
    tokenizer = json.loads((workplace / "tokens" / "tokens.json").read_text()) | {"tokenizer_hash": "another"}
    (workplace / "tokens" / "tokens.json").write_text(json.dumps(tokenizer))
    with pytest.raises(InputError, match="another tokenizer"):
        compute_logits(ScoringJob(tiny.base, tiny.adapter, workplace / "tokens", 16, 1), workplace / "out")


def test_logits_of_another_corpus_are_refused(tiny, strangers, workplace):
    with pytest.raises(InputError, match=r"logits\.safetensors: made with another corpus"):
        study(tiny, workplace / "out", tokens=strangers / "tokens")
    assert not (workplace / "out").exists()


def test_a_students_logits_teach_nobody(tiny, workplace):
    with pytest.raises(InputError, match=f"no logits of {TRAIN}"):
        study(tiny, workplace / "out", taught=tiny.student / "logits.safetensors")
    assert not (workplace / "out").exists()


def test_files_of_another_kind_are_refused(tiny):
    with pytest.raises(InputError, match="holds a student file; expected adapter"):
        load_teacher(tiny.base, tiny.student / "student.safetensors")
    with pytest.raises(InputError, match="holds a logits"):
        load_teacher(tiny.base, tiny.logits)


def test_an_adapter_of_another_shape_is_refused(tiny, tmp_path):
    tensors, header = load_tensors(tiny.adapter, "adapter")
    header = {k: v for k, v in header.items() if k not in ("kind", "format")}
    file = tmp_path / "adapter.safetensors"
    for wrong in (
        {n: t for n, t in tensors.items() if n != "head.weight"},
        tensors | {"head.weight": torch.zeros(3, 32)},
        tensors | {"more": torch.zeros(1)},
    ):
        save_tensors(file, "adapter", wrong, header)
        with pytest.raises(InputError, match="does not fit its base"):
            load_teacher(tiny.base, file)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_a_truncated_adapter_is_refused(tiny, tmp_path, share):
    whole = tiny.adapter.read_bytes()
    (tmp_path / "adapter.safetensors").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="damaged"):
        load_teacher(tiny.base, tmp_path / "adapter.safetensors")


def test_a_rank_larger_than_a_layer_is_refused(tiny, workplace):
    with pytest.raises(InputError, match="LoRA rank 33 exceeds the smaller side of a 32 × 96 layer: use at most 32"):
        teach(tiny, workplace / "out", tuning=TuningParams(rank=33))
    assert not (workplace / "out").exists()


def test_sentences_longer_than_the_base_are_refused(tiny, workplace):
    """GPT-2 has an embedding a position: beyond the last there is nothing to read."""
    short = BASE.model_copy(update={"context": 16})
    pretrain(tiny.corpus / "unlabelled.txt", short, workplace / "base", 1)
    tokenize_corpus(tiny.corpus, workplace / "base", None, workplace / "tokens")

    class Short:
        base, tokens = workplace / "base", workplace / "tokens"

    with pytest.raises(InputError, match=r"longer than the 16 that the base reads: set tokenize\.max_length to 16"):
        teach(Short, workplace / "out")
    assert not (workplace / "out").exists()
    tokenize_corpus(tiny.corpus, workplace / "base", 16, workplace / "tokens")
    teach(Short, workplace / "out", training=TEACHING.model_copy(update={"epochs": 1}))
    assert read_json(workplace / "out" / "run.json")["epochs"] == 1


def test_predictions_of_a_teacher_are_refused_where_a_logit_is_not_finite(tiny):
    teacher, _ = load_teacher(tiny.base, tiny.adapter)
    with torch.no_grad():
        teacher.head.weight[0, 0] = torch.inf
    with pytest.raises(RunError, match="not finite"):
        predict_logits(teacher, EncodedDataset(read_encoded_split(tiny.tokens, TRAIN), 0), 16, Device("cpu", "fp32", 1))
