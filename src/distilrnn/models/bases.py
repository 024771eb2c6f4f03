"""Base language models: pre-trained here, copied from a directory, unpacked from GGUF, or downloaded from the hub.

Whatever its source, a base becomes one folder with config.json, model.safetensors, tokenizer.json,
tokenizer_config.json and base.json, so that everything downstream is the same and pinned by its hash.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from distilrnn.artifacts.files import file_hash, read_json, remove_half_written, write_json, writing
from distilrnn.errors import InputError, brief
from distilrnn.params.base import BaseParams

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from distilrnn.params.teacher import Pooling

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
COMMIT = re.compile(r"[0-9a-f]{40}")
POOLING_KEYS: dict[str, "Pooling"] = {
    "pooling_mode_cls_token": "first_token",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last_token",
    "cls": "first_token",
    "mean": "mean",
    "lasttoken": "last_token",
}
"""What sentence-transformers calls each pooling: its keys, or the values of `pooling_mode`."""
POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "n_ctx")
"""What configurations call the number of positions."""
DROPOUTS = ("dropout", "pdrop", "dropout_prob")


def import_base(params: BaseParams, output: Path) -> dict:
    """Bring a base that exists into `output`, and return its base.json.

    Raises:
        InputError: not a model, or a hub id without a pinned revision or without a network.
    """
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

    source, loading = locate(params.model, params.revision)
    loading["trust_remote_code"] = False  # left out, it is asked for at the terminal
    weights = {} if "gguf_file" in loading else {"use_safetensors": True}
    try:
        config = AutoConfig.from_pretrained(source, **loading)
    except Exception as error:  # a damaged folder makes transformers raise nearly anything
        raise _not_loaded(params.model, error) from None
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(
            f"{params.model}: is an encoder-decoder ({config.model_type}), whose decoder writes a second text: choose "
            "a causal model or an encoder"
        )
    try:
        auto = AutoModel if is_bidirectional(config) else AutoModelForCausalLM
        model = auto.from_pretrained(source, dtype=torch.float32, **loading, **weights)
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, **loading)
    except Exception as error:
        raise _not_loaded(params.model, error) from None
    if not tokenizer.encode("a", add_special_tokens=False):  # without its files, transformers makes an empty one
        raise InputError(f"{params.model}: has no tokenizer: add its tokenizer.json, or choose another model")
    return save_base(without_pooler(model), tokenizer, output, params, own_pooling(Path(source)))


def _not_loaded(model: str, error: Exception) -> InputError:
    return InputError(
        f"{model}: cannot be loaded as a model with a fast tokenizer ({brief(error)}): choose another model"
    )


def longest_text(body: "PreTrainedModel") -> int | None:
    """Tokens of the longest text that a base has positions for; None where nothing limits them.

    Where padding has a position of its own (RoBERTa, MPNet, XLM-R, ...), texts begin behind it, and the table has room
    for as many fewer.
    """
    from torch import nn

    config = body.config.get_text_config()
    limits = [getattr(config, name, None) for name in POSITIONS]
    limit = next((found for found in limits if isinstance(found, int) and found > 0), None)
    for name, module in body.named_modules():
        is_table = isinstance(module, nn.Embedding) and "position" in name.rpartition(".")[2]
        if limit is not None and is_table and module.num_embeddings == limit and module.padding_idx is not None:
            return limit - module.padding_idx - 1
    return limit


def own_pooling(folder: Path) -> "Pooling | None":
    """The pooling that a model was trained with, as sentence-transformers writes it; None where nothing says so.

    Read are the folder of modules.json's Pooling module (1_Pooling where that file is missing), else the module as
    the model card prints it. Combinations, such as mean and first token side by side, count as nothing.
    """
    place = "1_Pooling"
    with suppress(OSError, ValueError, AttributeError, TypeError):
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        place = next(m["path"] for m in modules if str(m.get("type", "")).endswith(".Pooling"))
    with suppress(OSError, ValueError, AttributeError, TypeError):
        settings = json.loads((folder / place / "config.json").read_text(encoding="utf-8"))
        mode = settings.get("pooling_mode")
        chosen = [mode] if isinstance(mode, str) else [k for k, v in settings.items() if v is True and "_mode_" in k]
        return POOLING_KEYS.get(chosen[0]) if len(chosen) == 1 else None
    with suppress(OSError, ValueError):
        card = (folder / "README.md").read_text(encoding="utf-8")
        printed = re.search(r"\bPooling\(\{(.*?)\}\)", card, re.DOTALL)
        chosen = re.findall(r"'(pooling_mode_\w+)': True", printed[1]) if printed else []
        return POOLING_KEYS.get(chosen[0]) if len(chosen) == 1 else None
    return None


def is_bidirectional(config: "PretrainedConfig") -> bool:
    """Whether every token sees the whole sentence (BERT and its kin), not only what stands before it."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING

    return type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)


def without_pooler(model: "PreTrainedModel") -> "PreTrainedModel":
    """The model without BERT's pooler: nothing reads it, and where the weights lack it, it is random at each load."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model


def locate(model: str, revision: str | None) -> tuple[str, dict]:
    """The folder or hub id to load from, and the loading options; raises InputError."""
    path = Path(model)
    if path.is_dir():
        return str(path), {}
    if path.suffix == ".gguf":
        if not path.is_file():
            raise InputError(f"{model}: no such GGUF file: check bases.<base>.model")
        return str(path.parent), {"gguf_file": path.name}
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise InputError(f"{model}: no such model directory: check bases.<base>.model")
    if revision is None:
        raise InputError(
            f"{model}: no such directory, and as a hub id it has no revision: set bases.<base>.revision to a commit"
        )
    if not COMMIT.fullmatch(revision):
        raise InputError(
            f"{model}: its revision is {revision!r}: set bases.<base>.revision to a commit, 40 hexadecimal digits "
            "(branches and tags can move)"
        )
    return download(model, revision), {}


def download(model: str, revision: str) -> str:
    """The folder of a hub model at this commit, from the local cache or the hub; raises InputError."""
    from huggingface_hub import snapshot_download

    wanted = ["config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*", "vocab.json", "merges.txt"]
    wanted += ["modules.json", "*_Pooling/config.json", "README.md"]
    try:
        return snapshot_download(
            model, revision=revision, allow_patterns=[*wanted, "special_tokens_map.json", "*.model"]
        )
    except Exception as error:  # the hub's client raises requests', httpx's and its own errors
        raise InputError(
            f"{model}: cannot be downloaded at revision {revision} ({type(error).__name__}): "
            "set bases.<base>.model to a local model directory or GGUF file"
        ) from None


def save_base(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    output: Path,
    params: BaseParams,
    pooling: "Pooling | None" = None,
) -> dict:
    """Write a base's folder, the last file last, and return its base.json; `pooling` is the one it was trained with."""
    if getattr(model, "hf_quantizer", None) is not None:
        # GGUF weights are unpacked on loading; only the note that they were packed is left to remove.
        model.hf_quantizer = None
        del model.config.quantization_config
    from transformers.utils import logging

    logging.disable_progress_bar()
    with written_whole(output) as scratch:
        model.save_pretrained(scratch, max_shard_size="1TB")
        tokenizer.save_pretrained(scratch)
        _forget_paths(scratch / "tokenizer_config.json")
    parameters = sum(p.numel() for p in model.parameters())
    base = {
        "model": params.model,
        "revision": params.revision,
        "architecture": type(model).__name__,
        "parameters": parameters,
        "hash": base_hash(output),
        **({} if pooling is None else {"pooling": pooling}),
    }
    write_json(output / "base.json", base)
    return base


@contextmanager
def written_whole(output: Path) -> Iterator[Path]:
    """A scratch folder whose FILES move to `output` when all of them are there; raises RunError."""
    from safetensors import SafetensorError

    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        prefix = remove_half_written(output / "base")
        with tempfile.TemporaryDirectory(dir=output, prefix=prefix) as scratch:
            try:
                yield Path(scratch)
            except SafetensorError as error:
                number = re.search(r"os error (\d+)", str(error))
                raise OSError(int(number[1]) if number else 0, str(error)) from error
            for name in FILES:
                (Path(scratch) / name).chmod(0o644)  # the tensors' file is made readable to its owner alone
                (Path(scratch) / name).replace(output / name)


def _forget_paths(file: Path) -> None:
    """Remove the folder that the tokenizer was loaded from: the same base has the same bytes everywhere."""
    settings = json.loads(file.read_text())
    settings.pop("name_or_path", None)
    file.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def base_hash(folder: Path) -> str:
    """What adapters are keyed by: SHA-256 of the weights and of the config."""
    return f"{file_hash(folder / 'model.safetensors')}-{file_hash(folder / 'config.json')[:16]}"


def read_base(folder: Path) -> dict:
    """base.json of a base; raises InputError."""
    return read_json(folder / "base.json")


def recorded_pooling(folder: Path) -> "Pooling | None":
    """The pooling that a base was trained with, as its base.json says; None where it says nothing."""
    return read_base(folder).get("pooling") if (folder / "base.json").is_file() else None


def load_body(folder: Path) -> "PreTrainedModel":
    """The base without its language-model head, in fp32, every dropout of its own at 0; raises InputError."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        for key in list(config.to_dict()):
            if key.endswith(DROPOUTS) and isinstance(getattr(config, key), float):
                setattr(config, key, 0.0)
        loading = {"dtype": torch.float32, "trust_remote_code": False, "use_safetensors": True}
        return without_pooler(AutoModel.from_pretrained(folder, config=config, **loading))
    except Exception as error:  # a damaged folder makes transformers raise nearly anything
        raise InputError(
            f"{folder}: cannot be loaded as a base ({' '.join(str(error).split())[:200]}): make it again"
        ) from None
