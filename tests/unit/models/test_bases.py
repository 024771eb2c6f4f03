"""Bases that are brought here from elsewhere: what is loaded, and what is refused before anything is written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from distilrnn.data.tokenizer import load_tokenizer
from distilrnn.errors import InputError
from distilrnn.models.bases import FILES, import_base, load_body, locate, read_base
from distilrnn.params.base import BaseParams


@pytest.fixture(scope="module", autouse=True)
def offline():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a tiny GPT-2 with its tokenizer."""
    from tokenizers import Tokenizer
    from tokenizers.implementations import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model") / "whole"
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=16, n_embd=8, n_layer=1, n_head=2)).save_pretrained(folder)
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(["It rains ."], vocab_size=300, special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer = Tokenizer.from_str(bpe.to_str())
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)
    return folder


@pytest.fixture
def model(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "model"))


def change(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_folder_is_brought_here_and_loads_again(model, tmp_path):
    base = import_base(BaseParams(model=str(model)), tmp_path / "base")
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == sorted([*FILES, "base.json"])
    assert base == read_base(tmp_path / "base")
    assert base["architecture"] == "GPT2LMHeadModel"
    assert base["parameters"] == 300 * 8 + 16 * 8 + 12 * 64 + 13 * 8 + 16
    assert load_tokenizer(tmp_path / "base").encode("It rains .").ids == load_tokenizer(model).encode("It rains .").ids
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        found, expected = (load_body(folder)(ids).last_hidden_state.numpy() for folder in (tmp_path / "base", model))
    assert np.array_equal(found, expected)


def test_same_bytes_from_another_folder(model, tmp_path):
    for name in ("one", "two"):
        import_base(BaseParams(model=str(shutil.copytree(model, tmp_path / f"model-{name}"))), tmp_path / name)
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in FILES)


def empty(model):
    for path in model.iterdir():
        path.unlink()


def pickled(model):
    (model / "model.safetensors").unlink()
    torch.save({"transformer.wte.weight": torch.zeros(300, 8)}, model / "pytorch_model.bin")


def own_code(model):
    change(
        model / "config.json", model_type="own", auto_map={"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}
    )
    (model / "own.py").write_text(f"open({str(model / 'code-was-run')!r}, 'w')\n")


def no_tokenizer(model):
    for path in model.glob("tokenizer*"):
        path.unlink()


def cut_weights(model):
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


DAMAGED = {
    "an empty folder": (empty, "model_type"),
    "config no JSON": (lambda m: (m / "config.json").write_text("{"), "not a valid JSON file"),
    "config a list": (lambda m: (m / "config.json").write_text("[]"), ""),
    "config of no model": (lambda m: (m / "config.json").write_text("{}"), "model_type"),
    "config of wrong types": (lambda m: change(m / "config.json", n_embd="x"), "n_embd"),
    "config of another width": (lambda m: change(m / "config.json", n_embd=16), ""),
    "weights cut short": (cut_weights, ""),
    "weights of other bytes": (lambda m: (m / "model.safetensors").write_bytes(b"hello" * 99), ""),
    "no weights": (lambda m: (m / "model.safetensors").unlink(), "no file named model.safetensors"),
    "weights as a pickle": (pickled, "no file named model.safetensors"),
    "code of its own": (own_code, "custom code"),
    "tokenizer of nothing": (lambda m: (m / "tokenizer.json").write_text("{}"), ""),
    "tokenizer a list": (lambda m: (m / "tokenizer.json").write_text("[]"), ""),
    "tokenizer's settings a list": (lambda m: (m / "tokenizer_config.json").write_text("[]"), ""),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_model_is_one_sentence_and_nothing_is_written(model, tmp_path, capsys, monkeypatch, damage, words):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked"))
    damage(model)
    said = rf"^\S+: cannot be loaded as a model with a fast tokenizer \(.*{words}.*\): choose another model$"
    with pytest.raises(InputError, match=said) as refused:
        import_base(BaseParams(model=str(model)), tmp_path / "base")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "base").exists()
    assert not (model / "code-was-run").exists()


def test_model_without_a_tokenizer_is_refused(model, tmp_path):
    no_tokenizer(model)
    with pytest.raises(InputError, match=r"has no tokenizer: add its tokenizer\.json"):
        import_base(BaseParams(model=str(model)), tmp_path / "base")
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize("data", [b"", b"hello" * 99, b"GGUF\x03\0\0\0" + b"\xff" * 99])
def test_damaged_gguf_is_one_sentence(tmp_path, data):
    (tmp_path / "x.gguf").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.gguf: cannot be loaded as a model .*: choose another model$"):
        import_base(BaseParams(model=str(tmp_path / "x.gguf")), tmp_path / "base")
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize("damage", [cut_weights, pickled, own_code, empty], ids=lambda f: f.__name__)
def test_damaged_base_is_refused_by_what_needs_it(model, damage):
    damage(model)
    with pytest.raises(InputError, match=r"^\S+: cannot be loaded as a base \(.*\): make it again$"):
        load_body(model)
    assert not (model / "code-was-run").exists()


@pytest.mark.slow
def test_full_disk_is_one_sentence_and_nothing_is_left(model, tmp_path):
    code = (
        "import resource, sys; from pathlib import Path; from distilrnn import errors\n"
        "from distilrnn.models import bases; import transformers\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try: bases.import_base(bases.BaseParams(model=sys.argv[1]), Path(sys.argv[2]))\n"
        "except errors.RunError as failure: print(failure)\n"
    )
    command = [sys.executable, "-c", code, model, tmp_path / "base"]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert f"{tmp_path / 'base'}: could not be written (" in told.stdout
    assert "make room" in told.stdout
    assert told.stdout.count("\n") == 1
    assert list((tmp_path / "base").iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(model, tmp_path):
    left = tmp_path / "base" / ".writing.base.a1b2" / "model.safetensors"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    import_base(BaseParams(model=str(model)), tmp_path / "base")
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == sorted([*FILES, "base.json"])


@pytest.mark.parametrize("model", ["./nix", "/nix", "../nix", "~/nix", "a/b/c"])
def test_folder_that_is_not_there(model):
    with pytest.raises(InputError, match=r"no such model directory: check bases\.<base>\.model"):
        locate(model, "0" * 40)


def test_gguf_that_is_not_there():
    with pytest.raises(InputError, match=r"nix\.gguf: no such GGUF file: check bases\.<base>\.model"):
        locate("nix.gguf", None)


@pytest.mark.parametrize("model", ["gpt2", "openai-community/gpt2"])
def test_hub_id_without_a_revision(model, tmp_path):
    with pytest.raises(InputError, match=r"as a hub id it has no revision: set bases\.<base>\.revision to a commit"):
        import_base(BaseParams(model=model), tmp_path / "base")
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize("revision", ["main", "v1.0", "607a30d", "0" * 39, "0" * 41, "G" * 40, ""])
def test_hub_id_with_a_revision_that_can_change(tmp_path, revision):
    with pytest.raises(
        InputError, match=rf"^gpt2: its revision is '{revision}': set bases\.<base>\.revision to a commit"
    ):
        import_base(BaseParams(model="gpt2", revision=revision), tmp_path / "base")
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize(
    "error", [ConnectionError("no route"), TimeoutError(), OSError(101, "unreachable"), RuntimeError()]
)
def test_without_a_network_the_path_to_set_is_named(monkeypatch, tmp_path, error):
    import huggingface_hub

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    said = r"^gpt2: cannot be downloaded at revision 0+ \(\w+\): set bases\.<base>\.model to a local model directory"
    with pytest.raises(InputError, match=said):
        import_base(BaseParams(model="gpt2", revision="0" * 40), tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_hub_download_asks_for_the_revision_and_for_no_pickle(monkeypatch, model):
    import huggingface_hub

    asked = {}
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **more: asked.update(more) or str(model))
    assert locate("gpt2", "0" * 40) == (str(model), {})
    assert asked["revision"] == "0" * 40
    assert not any(
        pattern.endswith((".bin", ".pt", ".pth", ".py", ".pkl", "*"))
        for pattern in asked["allow_patterns"]
        if pattern != "tokenizer*"
    )
