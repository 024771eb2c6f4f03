"""Rule logits: the tuned teacher's judgement of every sentence, computed once for all students."""

import time
from pathlib import Path

from distilrnn.checkpoint import require_equal, write_json
from distilrnn.device import prepare
from distilrnn.logits import save_logits
from distilrnn.teacher import freeze_in_bf16, load_teacher
from distilrnn.tokens import read_summary, read_tokens
from distilrnn.training import Sentences, predict_logits


def compute_logits(base: Path, adapter: Path, tokens: Path, output: Path, batch_size: int, threads: int | None) -> dict:
    """Write logits.safetensors and run.json into `output`, and return the latter.

    Raises:
        BadInput: adapter, base and tokens do not belong together.
    """
    summary = read_summary(tokens)
    teacher, header = load_teacher(base, adapter)
    require_equal(header["corpus_hash"], summary["corpus_hash"], adapter, "corpus")
    require_equal(header["tokenizer_hash"], summary["tokenizer_hash"], adapter, "tokenizer")
    device = prepare(header["training"]["precision"], threads)
    teacher.to(device.name)
    if device.precision == "bf16":
        freeze_in_bf16(teacher)
    started, sentences, logits = time.monotonic(), 0, {}
    for split in summary["splits"]:
        split_tokens = read_tokens(tokens, split)
        sentences_of_split = Sentences(split_tokens, summary["pad_id"])
        logits[split] = predict_logits(
            teacher, sentences_of_split, batch_size, device, device.most_tokens(teacher.head.in_features)
        )
        sentences += len(split_tokens)
    seconds = time.monotonic() - started
    save_logits(
        output / "logits.safetensors",
        logits,
        {
            "corpus_hash": summary["corpus_hash"],
            "classes": summary["classes"],
            "system": header["tuning"]["mode"],
            "seed": header["seed"],
            "base_hash": header["base_hash"],
        },
    )
    run = {
        "sentences": sentences,
        "seconds": round(seconds, 3),
        "sentences_per_second": round(sentences / seconds, 1),
        "precision": device.precision,
        "device": device.name,
        "gpu": device.gpu,
        "threads": device.threads,
    }
    write_json(output / "run.json", run)
    return run
