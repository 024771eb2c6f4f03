"""Tiny random models of many architectures, and what is tried on each: `python tests/helpers/matrix.py` prints the
table of docs/own-teacher.md.
"""

import re
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.implementations import ByteLevelBPETokenizer

from distilrnn.errors import InputError
from distilrnn.export.huggingface import export_teacher
from distilrnn.export.peft import export_adapter
from distilrnn.models.adapters import load_teacher, save_adapter
from distilrnn.models.bases import import_base, is_bidirectional
from distilrnn.models.lora import linear_layers
from distilrnn.models.parameters import trainable
from distilrnn.models.teacher import Teacher, build_teacher
from distilrnn.params.base import BaseParams
from distilrnn.params.teacher import TuningParams
from headers import teacher_header

PLAIN = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
GROUPED = {**PLAIN, "num_key_value_heads": 1}
HEADS = {**GROUPED, "head_dim": 16}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
PADDED = {**PLAIN, "max_position_embeddings": 64}
POSITIONS = 64


@dataclass(frozen=True)
class Architecture:
    """A configuration, and what is to be expected of it."""

    config: str
    """Class of transformers."""
    settings: dict[str, Any] = field(default_factory=dict)
    bidirectional: bool = False
    limit: int | None = POSITIONS
    """Tokens of the longest text."""
    refused: str | None = None
    """Fragment of the sentence with which it is refused."""


def causal(config: str, settings: dict[str, Any] = GROUPED, **expected: Any) -> Architecture:
    return Architecture(config, settings, **expected)


def encoder(config: str, settings: dict[str, Any] = PLAIN, **expected: Any) -> Architecture:
    return Architecture(config, settings, bidirectional=True, **expected)


def seq2seq(config: str, **settings: Any) -> Architecture:
    return Architecture(config, settings, refused="is an encoder-decoder")


T5 = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2}
BART = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
}  # fmt: skip

MATRIX = {
    "gpt2": causal("GPT2Config", GPT2),
    "gpt-neo": causal(
        "GPTNeoConfig",
        {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 2,
            "intermediate_size": 48,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 4,
        },
    ),
    "gpt-neox": causal("GPTNeoXConfig", PLAIN),
    "gpt-j": causal("GPTJConfig", {**GPT2, "rotary_dim": 8}),
    "gpt-bigcode": causal("GPTBigCodeConfig", GPT2),
    "codegen": causal("CodeGenConfig", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "rotary_dim": 4}),
    "opt": causal(
        "OPTConfig",
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 48, "word_embed_proj_dim": 32},
    ),
    "biogpt": causal("BioGptConfig", PLAIN),
    "xglm": causal("XGLMConfig", {"d_model": 32, "num_layers": 2, "attention_heads": 2, "ffn_dim": 48}),
    "bloom": causal("BloomConfig", {"hidden_size": 32, "n_layer": 2, "n_head": 2}, limit=None),
    "falcon": causal("FalconConfig", {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}),
    "mpt": causal("MptConfig", {"d_model": 32, "n_layers": 2, "n_heads": 2, "max_seq_len": 64, "expansion_ratio": 2}),
    "llama": causal("LlamaConfig", HEADS),
    "mistral": causal("MistralConfig", {**HEADS, "sliding_window": 8}),
    "mixtral": causal("MixtralConfig", {**HEADS, "num_local_experts": 3}),
    "qwen2": causal("Qwen2Config"),
    "qwen3": causal("Qwen3Config", HEADS),
    "phi": causal("PhiConfig", PLAIN),
    "phi3": causal("Phi3Config", {**GROUPED, "pad_token_id": 0}),
    "gemma": causal("GemmaConfig", HEADS),
    "gemma2": causal("Gemma2Config", {**HEADS, "sliding_window": 4}),
    "gemma3": causal("Gemma3TextConfig", {**HEADS, "sliding_window": 4, "query_pre_attn_scalar": 16}),
    "stablelm": causal("StableLmConfig"),
    "starcoder2": causal("Starcoder2Config"),
    "olmo": causal("OlmoConfig"),
    "olmo2": causal("Olmo2Config"),
    "granite": causal("GraniteConfig"),
    "cohere": causal("CohereConfig"),
    "smollm3": causal("SmolLM3Config", {**GROUPED, "pad_token_id": 0}),
    "mamba": causal(
        "MambaConfig", {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4, "time_step_rank": 2}, limit=None
    ),
    "xlnet": Architecture(
        "XLNetConfig", {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 48}, bidirectional=True, limit=None
    ),
    "bert": encoder("BertConfig"),
    "distilbert": encoder("DistilBertConfig", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}),
    "electra": encoder("ElectraConfig", {**PLAIN, "embedding_size": 16}),
    "albert": encoder("AlbertConfig", {**PLAIN, "embedding_size": 16}),
    "roberta": encoder("RobertaConfig", limit=62),
    "xlm-roberta": encoder("XLMRobertaConfig", limit=62),
    "camembert": encoder("CamembertConfig", limit=62),
    "mpnet": encoder("MPNetConfig", limit=62),
    "deberta-v2": encoder("DebertaV2Config"),
    "modernbert": encoder("ModernBertConfig", {**PLAIN, "global_attn_every_n_layers": 2, "local_attention": 8}),
    "nomic-bert": encoder("NomicBertConfig"),
    "ernie": encoder("ErnieConfig"),
    "roformer": encoder("RoFormerConfig", {**PLAIN, "embedding_size": 32}),
    "fnet": encoder("FNetConfig", PLAIN, refused="does not run as a teacher|depend on its padding"),
    "t5": seq2seq("T5Config", **T5),
    "bart": seq2seq("BartConfig", **BART),
    "mbart": seq2seq("MBartConfig", **BART),
    "pegasus": seq2seq("PegasusConfig", **BART),
}


VOCABULARY, PAD = 300, 1
RANK = 4
NOT_EXPORTED = {"codegen", "xglm", "granite", "cohere", "mamba", "xlnet", "modernbert"}
"""Those for which transformers has no sequence classifier, or one whose head computes something else."""


@dataclass(frozen=True)
class Row:
    """What was seen of an architecture."""

    name: str
    kind: str
    limit: int | None
    shortcut: bool
    skipped: tuple[str, ...]
    exports: dict[str, bool]


def make_source(architecture: Architecture, folder: Path) -> None:
    """A random model of the architecture with a tokenizer, as `save_pretrained` writes it."""
    special = {f"{role}_token_id": PAD for role in ("pad", "bos", "eos", "cls", "sep", "decoder_start")}
    shape = {"vocab_size": VOCABULARY, **special, **architecture.settings}
    if architecture.limit is not None and "n_positions" not in shape and not architecture.refused:
        shape["max_position_embeddings"] = POSITIONS
    config = getattr(transformers, architecture.config)(**shape)
    torch.manual_seed(0)
    auto = transformers.AutoModel
    if not config.is_encoder_decoder and not is_bidirectional(config):
        auto = transformers.AutoModelForCausalLM
    auto.from_config(config, dtype=torch.float32).save_pretrained(folder)
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(["a text"], VOCABULARY, 1, show_progress=False, special_tokens=["<unk>", "<pad>"])
    tokenizer = Tokenizer.from_str(bpe.to_str())
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")
    fast.save_pretrained(folder)


def texts(longest: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids, padded, and lengths of four random texts."""
    lengths = torch.tensor([longest, 7, 2, 9])
    ids = torch.randint(2, VOCABULARY, (4, longest), generator=torch.Generator().manual_seed(0))
    return torch.where(torch.arange(longest) < lengths[:, None], ids, PAD), lengths


@torch.no_grad()
def logits(teacher: Teacher) -> torch.Tensor:
    """Of `texts`, and the same for each text alone."""
    ids, lengths = texts()
    together = teacher.eval()(ids, lengths)
    alone = torch.cat([teacher(ids[i : i + 1, :n], lengths[i : i + 1]) for i, n in enumerate(lengths.tolist())])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    return together


def tunings(base: Path) -> dict[str, TuningParams]:
    """Every mode, LoRA on all linear layers and on two patterns."""
    names = list(linear_layers(build_teacher(base, 3, TuningParams(mode="probe"), 0).body))
    patterns = tuple(dict.fromkeys(".".join(name.split(".")[-2:]) for name in names))[:2]
    lora = {"rank": RANK, "alpha": 8, "dropout": 0.0}
    return {
        "lora": TuningParams(**lora),
        "patterns": TuningParams(**{**lora, "rank": 2, "targets": patterns}),
        "full": TuningParams(mode="full"),
        "probe": TuningParams(mode="probe"),
    }


def run(name: str, folder: Path) -> Row | None:
    """Try everything on an architecture; None where it is refused as it should be. Raises AssertionError."""
    architecture = MATRIX[name]
    make_source(architecture, folder / "source")
    try:
        import_base(BaseParams(model=str(folder / "source")), folder / "base")
        first = build_teacher(folder / "base", 3, TuningParams(mode="probe"), 0)
    except InputError as error:
        assert architecture.refused is not None, error
        assert re.search(architecture.refused, str(error)), error
        assert "\n" not in str(error)
        return None
    assert architecture.refused is None, f"{name} is not refused"
    assert first.bidirectional == architecture.bidirectional
    check_limit(first, architecture)
    for mode, tuning in tunings(folder / "base").items():
        teacher = check_tuning(folder, mode, tuning)
        if mode == "lora":
            skipped = tuple(re.findall(r"[\w.]+_proj", " ".join(teacher.notes)))
            shortcut = teacher.reads_last_token_alone
    kind = "encoder" if architecture.bidirectional else "causal"
    found = {library: check_export(folder, library, name) for library in ("huggingface", "peft")}
    return Row(name, kind, first.context, shortcut, skipped, found)


@torch.no_grad()
def check_limit(teacher: Teacher, architecture: Architecture) -> None:
    """The longest text that is accepted runs, and one token more is refused with a sentence."""
    assert teacher.context == architecture.limit
    longest = 200 if teacher.context is None else teacher.context
    ids = torch.randint(2, VOCABULARY, (1, longest + 1))
    assert teacher.eval()(ids[:, :longest], torch.tensor([longest])).isfinite().all()
    if teacher.context is not None:
        try:
            teacher(ids, torch.tensor([longest + 1]))
        except InputError as error:
            assert f"{longest + 1} tokens is longer than the {longest}" in str(error)
        else:
            raise AssertionError("one token more is not refused")


def check_tuning(folder: Path, mode: str, tuning: TuningParams) -> Teacher:
    """Padding and the shortcut change nothing, gradients reach all, and what is saved is what is loaded, merged."""
    base = folder / "base"
    teacher = build_teacher(base, 3, tuning, 0)
    ids, lengths = texts()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in trainable(teacher).values():
            weight += 0.05 * torch.randn(weight.shape, generator=generator)
    found = logits(teacher)
    with torch.no_grad():
        shortcut, teacher.reads_last_token_alone = teacher.reads_last_token_alone, False
        torch.testing.assert_close(teacher(ids, lengths), found, rtol=1e-4, atol=1e-5)
        teacher.reads_last_token_alone = shortcut
    teacher.train()(ids, lengths).square().sum().backward()
    assert teacher.head.weight.grad.any()
    header = teacher_header(base, "abc", tuning, pad_id=PAD, pooling=teacher.pooling)
    save_adapter(folder / mode / "adapter.safetensors", teacher, header)
    loaded, _ = load_teacher(base, folder / mode / "adapter.safetensors")
    torch.testing.assert_close(logits(loaded), found, rtol=1e-3, atol=1e-4)
    return teacher


@torch.no_grad()
def check_export(folder: Path, library: str, name: str) -> bool:
    """Whether the adapter is exported; the other library then has the same logits."""
    base, adapter = folder / "base", folder / "lora" / "adapter.safetensors"
    output = folder / library
    try:
        (export_teacher if library == "huggingface" else export_adapter)(adapter, base, output)
    except InputError as error:
        assert name in NOT_EXPORTED, error
        assert "\n" not in str(error)
        assert not output.exists()
        return False
    assert name not in NOT_EXPORTED, "exported against expectation"
    auto = transformers.AutoModelForSequenceClassification
    if library == "huggingface":
        model = auto.from_pretrained(output, dtype=torch.float32)
    else:
        from peft import PeftModel

        model = auto.from_pretrained(base, num_labels=3, pad_token_id=PAD, dtype=torch.float32)
        model = PeftModel.from_pretrained(model, output)
    ids, lengths = texts()
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    found = model.eval()(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(found, load_teacher(base, adapter)[0](ids, lengths), rtol=0, atol=1e-4)
    return True


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    marks = {True: "yes", False: "no"}
    lines = [
        "| architecture | kind | longest text | last-token shortcut | all-linear leaves out | transformers | peft |",
        "|---|---|--:|---|---|---|---|",
    ]
    for row in rows:
        limit = "any" if row.limit is None else f"{row.limit} of {POSITIONS}"
        shortcut = "–" if row.kind == "encoder" else marks[row.shortcut]
        skipped = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in row.skipped)) or "–"
        exports = " | ".join(marks[row.exports[library]] for library in ("huggingface", "peft"))
        lines.append(f"| {row.name} | {row.kind} | {limit} | {shortcut} | {skipped} | {exports} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the whole matrix, and print the table."""
    transformers.logging.set_verbosity_error()
    rows = []
    for name in MATRIX:
        with tempfile.TemporaryDirectory() as folder:
            try:
                row = run(name, Path(folder))
            except Exception as error:
                print(f"{name}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
                continue
            if row is not None:
                rows.append(row)
            print(name, "refused" if row is None else "right", file=sys.stderr)
    print(table(rows), end="")


if __name__ == "__main__":
    main()
