"""Rule transfer_logits: what the tuned teacher says of one shard of a pool."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.artifacts.files import require_equal, write_json
from distilrnn.artifacts.logits import FILE
from distilrnn.artifacts.tensors import streamed_tensors
from distilrnn.artifacts.transfer import shard_rows
from distilrnn.data.encoded import EncodedSplit, read_encoded_pool
from distilrnn.data.encoded import read_summary as read_tokens
from distilrnn.data.long_texts import text_limit
from distilrnn.models.adapters import load_teacher
from distilrnn.models.teacher import place
from distilrnn.orchestration.code import code_version
from distilrnn.runtime.device import configure_process, select_device
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.predict import predict_logits
from distilrnn.training.progress import ScoringProgress


def compute_transfer_logits(
    base: Path,
    adapter: Path,
    tokens: Path,
    pool: Path,
    output: Path,
    shard: tuple[int, int],
    batch_size: int,
    threads: int | None,
) -> dict[str, Any]:
    """Write logits.safetensors and run.json of a shard (its number from 0, and of how many), and return run.json.

    Sentences of more tokens than the base reads are cut, and counted.

    Raises:
        InputError: adapter, base and tokens do not belong together.
    """
    summary = read_tokens(tokens)
    teacher, header = load_teacher(base, adapter)
    require_equal(header["corpus_hash"], summary["corpus_hash"], adapter, "corpus")
    require_equal(header["tokenizer_hash"], summary["tokenizer_hash"], adapter, "tokenizer")
    encoded = read_encoded_pool(pool, summary)
    rows = shard_rows(len(encoded), *shard)
    offsets = np.asarray(encoded.offsets[rows.start : rows.stop + 1])
    ids = encoded.ids[offsets[0] : offsets[-1]]
    sentences = EncodedSplit(ids, offsets - offsets[0], encoded.labels[rows.start : rows.stop])
    room = None if text_limit(summary).policy == "windows" else teacher.context
    configure_process(threads)
    device = select_device(header["training"]["precision"])
    place(teacher, device)
    names = {
        "pool_hash": encoded.hash,
        "first_row": rows.start,
        "classes": summary["classes"],
        "corpus_hash": summary["corpus_hash"],
        "base_hash": header["base_hash"],
        "seed": header["seed"],
    }
    started = time.monotonic()
    shapes = {"logits": (np.dtype(np.float32), (len(rows), len(summary["classes"])))}
    counts = np.zeros(len(summary["classes"]), np.int64)
    with streamed_tensors(output / FILE, "transfer-logits", shapes, names) as arrays:
        if len(rows):
            dataset = EncodedDataset(sentences.cut(room), summary["pad_id"])
            max_tokens = device.max_tokens(teacher.head.in_features)
            predict_logits(
                teacher, dataset, batch_size, device, max_tokens, arrays["logits"], ScoringProgress(len(rows))
            )
            counts += np.bincount(arrays["logits"].argmax(1), minlength=len(counts))
    seconds = time.monotonic() - started
    run = {
        "code": code_version("transfer_logits"),
        "sentences": len(rows),
        "classes": dict(zip(summary["classes"], counts.tolist(), strict=True)),
        "cut": 0 if room is None else int((sentences.lengths > room).sum()),
        "seconds": round(seconds, 3),
        "sentences_per_second": round(len(rows) / max(seconds, 1e-9), 1),
        "precision": device.precision,
        "device": device.name,
        "gpu": device.gpu,
        "threads": device.threads,
    }
    write_json(output / "run.json", run)
    return run
