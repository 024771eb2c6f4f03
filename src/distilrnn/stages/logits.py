"""Rule logits: the tuned teacher's judgement of every sentence, computed once for all students."""

import time
from pathlib import Path

from distilrnn.checkpoint import require_equal, write_json
from distilrnn.device import prepare
from distilrnn.logits import FILE, written_logits
from distilrnn.teacher import load_teacher, place
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
    place(teacher, device)
    most_tokens = device.most_tokens(teacher.head.in_features)
    counts = {split: found["sentences"] for split, found in summary["splits"].items()}
    names = {
        "corpus_hash": summary["corpus_hash"],
        "classes": summary["classes"],
        "system": header["tuning"]["mode"],
        "seed": header["seed"],
        "base_hash": header["base_hash"],
    }
    started = time.monotonic()
    with written_logits(output / FILE, counts, names) as logits:
        for split in counts:
            split_tokens = Sentences(read_tokens(tokens, split), summary["pad_id"])
            predict_logits(teacher, split_tokens, batch_size, device, most_tokens, into=logits[split])
    seconds, sentences = time.monotonic() - started, sum(counts.values())
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
