"""Rule logits: the tuned teacher's judgement of every sentence, computed once for all students."""

import time
from pathlib import Path

from distilrnn.artifacts.files import require_equal, write_json
from distilrnn.artifacts.logits import FILE, written_logits
from distilrnn.data.encoded import read_encoded_split, read_summary
from distilrnn.models.adapters import load_teacher
from distilrnn.models.teacher import place
from distilrnn.orchestration.code import code_version
from distilrnn.runtime.device import configure_process, select_device
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.predict import predict_logits
from distilrnn.training.progress import ScoringProgress


def compute_logits(base: Path, adapter: Path, tokens: Path, output: Path, batch_size: int, threads: int | None) -> dict:
    """Write logits.safetensors and run.json into `output`, and return the latter.

    Raises:
        InputError: adapter, base and tokens do not belong together.
    """
    summary = read_summary(tokens)
    teacher, header = load_teacher(base, adapter)
    require_equal(header["corpus_hash"], summary["corpus_hash"], adapter, "corpus")
    require_equal(header["tokenizer_hash"], summary["tokenizer_hash"], adapter, "tokenizer")
    configure_process(threads)
    device = select_device(header["training"]["precision"])
    place(teacher, device)
    max_tokens = device.max_tokens(teacher.head.in_features)
    counts = {split: found["sentences"] for split, found in summary["splits"].items()}
    names = {
        "corpus_hash": summary["corpus_hash"],
        "classes": summary["classes"],
        "system": header["tuning"]["mode"],
        "seed": header["seed"],
        "base_hash": header["base_hash"],
    }
    started = time.monotonic()
    progress = ScoringProgress(sum(counts.values()))
    with written_logits(output / FILE, counts, names) as logits:
        for split in counts:
            split_tokens = EncodedDataset(read_encoded_split(tokens, split), summary["pad_id"])
            predict_logits(teacher, split_tokens, batch_size, device, max_tokens, logits[split], progress)
    seconds, sentences = time.monotonic() - started, sum(counts.values())
    run = {
        "code": code_version("logits"),
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
