"""Bases of several architectures through every stage: from a folder, the hub's cache or a GGUF file, then tuned."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from architectures import ARCHITECTURES, BIDIRECTIONAL
from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.tensors import load_arrays, load_tensors
from distilrnn.data.tokenizer import load_tokenizer
from distilrnn.errors import InputError
from distilrnn.inference import load_predictor
from distilrnn.models.bases import import_base, load_body
from distilrnn.params.base import BaseParams
from distilrnn.params.splits import DEV
from distilrnn.params.teacher import TuningParams
from distilrnn.pipeline.logits import compute_logits
from distilrnn.pipeline.scoring import ScoringJob
from distilrnn.pipeline.teacher import TeacherJob, train_teacher
from distilrnn.pipeline.tokens import tokenize_corpus
from tiny import SELECTION, TEACHING

LONGEST = 16
"""Tokens: the small models have 32 positions."""

LLAMA_MAPS = ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down")
PATTERNS = {
    "gpt2": (("attn.c_attn",), ["h.0.attn.c_attn", "h.1.attn.c_attn"]),
    "llama": (("layers.1.*_proj",), [f"layers.1.{name}_proj" for name in LLAMA_MAPS]),
    "gemma3": (("self_attn.o_proj",), ["layers.0.self_attn.o_proj", "layers.1.self_attn.o_proj"]),
    "bert": (("attention.self.query",), [f"encoder.layer.{block}.attention.self.query" for block in (0, 1)]),
    "distilbert": (("q_lin",), ["transformer.layer.0.attention.q_lin", "transformer.layer.1.attention.q_lin"]),
}
HEAD = {"head.weight"}


def make_model(name, tiny, folder):
    """A folder as the hub has it: config, weights and tokenizer of a small model with random weights."""
    config_class, settings = ARCHITECTURES[name]
    torch.manual_seed(0)
    auto = transformers.AutoModelForMaskedLM if name in BIDIRECTIONAL else transformers.AutoModelForCausalLM
    auto.from_config(config_class(**settings)).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(tiny.base).save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Place:
    """A base and its tokens, where the experiment has them."""

    folder: Path
    name: str

    @property
    def base(self):
        return self.folder / "bases" / self.name

    @property
    def tokens(self):
        return self.folder / "tokens" / self.name


@pytest.fixture(scope="module", params=ARCHITECTURES)
def place(request, tiny, tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("experiment"), request.param)
    source = make_model(request.param, tiny, tmp_path_factory.mktemp("model") / "with spaces")
    import_base(BaseParams(model=str(source)), made.base)
    tokenize_corpus(tiny.corpus, made.base, LONGEST, made.tokens)
    return made


def trained(place, output, **tuning):
    """What the stage writes, whether its logits are the predictor's, and the tensors that it kept."""
    params = TuningParams(rank=2, alpha=4, **tuning)
    training = TEACHING.model_copy(update={"epochs": 1})
    adapter = output / "adapter.safetensors"
    train_teacher(TeacherJob(place.base, place.tokens, params, training, SELECTION, seed=0, threads=1), output)
    compute_logits(ScoringJob(place.base, adapter, place.tokens, 32, 1), output / "logits")
    return adapter, load_tensors(adapter, "adapter")[0]


@pytest.mark.parametrize("mode", ["lora", "full", "probe"])
def test_every_mode_trains_and_predicts(place, tiny, workplace, mode):
    adapter, tensors = trained(place, workplace / "teacher", mode=mode)
    assert read_json(workplace / "teacher" / "run.json")["kind"] == "teacher"
    before = {f"body.{name}": value for name, value in load_body(place.base).state_dict().items()}
    if mode == "probe":
        assert set(tensors) == HEAD
    elif mode == "full":
        assert set(tensors) == HEAD | set(dict(load_body(place.base).named_parameters(prefix="body")))
        assert any(not torch.equal(before[name], value) for name, value in tensors.items() if name not in HEAD)
    else:
        assert any(value.any() for name, value in tensors.items() if name.endswith(".V"))
        assert set(tensors) > HEAD
    logits, _ = load_arrays(workplace / "teacher" / "logits" / "logits.safetensors", "logits")
    predictor = load_predictor(adapter, place.base)
    from distilrnn.data.corpus import read_split

    dev = [example.sentence for example in read_split(tiny.corpus / f"{DEV}.tsv")]
    of_logits = torch.softmax(torch.from_numpy(logits[f"{DEV}.logits"]), -1).numpy()
    np.testing.assert_allclose(predictor.probabilities(dev), of_logits, rtol=1e-3, atol=1e-5)


def test_targets_by_name_are_what_is_adapted(place, workplace):
    targets, wanted = PATTERNS[place.name]
    _, tensors = trained(place, workplace / "teacher", targets=targets, train_norms=False)
    assert sorted(tensors) == sorted([*HEAD, *(f"body.{name}.{matrix}" for name in wanted for matrix in "UV")])


def test_the_hubs_cache_is_read_without_a_network(tiny, tmp_path, monkeypatch):
    import huggingface_hub

    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "hub" / "models--acme--gemma-3-tiny" / "snapshots" / commit
    make_model("gemma3", tiny, snapshot)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    base = import_base(BaseParams(model="acme/gemma-3-tiny", revision=commit), tmp_path / "base")
    assert (base["model"], base["revision"], base["architecture"]) == ("acme/gemma-3-tiny", commit, "Gemma3ForCausalLM")
    ids = torch.arange(1, 9)[None]
    with torch.no_grad():
        found, expected = (load_body(folder)(ids).last_hidden_state for folder in (tmp_path / "base", snapshot))
    assert torch.equal(found, expected)
    with pytest.raises(InputError, match=r"cannot be downloaded at revision f+"):
        import_base(BaseParams(model="acme/gemma-3-tiny", revision="f" * 40), tmp_path / "other")


def as_gguf(source, path):
    """The Llama in a folder as a GGUF file in fp32, as llama.cpp's converter writes it."""
    import gguf

    config = json.loads((source / "config.json").read_text())
    heads, kv_heads, layers = (
        config[f"num_{what}"] for what in ("attention_heads", "key_value_heads", "hidden_layers")
    )
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    model, special = tokenizer["model"], [token["content"] for token in tokenizer["added_tokens"]]
    vocabulary = sorted(model["vocab"], key=model["vocab"].get)
    tokens = vocabulary + [f"<unused{i}>" for i in range(config["vocab_size"] - len(vocabulary))]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(layers)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]])
    writer.add_eos_token_id(tokens.index(special[0]))
    writer.add_bos_token_id(tokens.index(special[0]))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, layers)
    for name, tensor in transformers.AutoModelForCausalLM.from_pretrained(source).state_dict().items():
        values = tensor.float().numpy()
        for part, count in (("q_proj", heads), ("k_proj", kv_heads)):
            if part in name:  # llama.cpp turns pairs of neighbours, transformers the two halves
                values = values.reshape(count, 2, -1, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_is_the_model_that_it_was_made_of(tiny, workplace):
    source = make_model("llama", tiny, workplace / "model")
    as_gguf(source, workplace / "tiny.gguf")
    base = import_base(BaseParams(model="tiny.gguf"), workplace / "bases" / "llama")
    assert base["architecture"] == "LlamaForCausalLM"
    ids = torch.arange(1, 9)[None]
    with torch.no_grad():
        found, expected = (
            load_body(folder)(ids).last_hidden_state for folder in (workplace / "bases" / "llama", source)
        )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    sentence = "The king sings, doesn't he ."
    ours, its = (load_tokenizer(folder).encode(sentence) for folder in (workplace / "bases" / "llama", source))
    assert ours.ids == its.ids
    assert len(ours.ids) > 5
    made = Place(workplace, "llama")
    tokenize_corpus(tiny.corpus, made.base, LONGEST, made.tokens)
    _, tensors = trained(made, workplace / "teacher")
    assert any(value.any() for name, value in tensors.items() if name.endswith(".V"))
