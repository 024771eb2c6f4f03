"""Rule transfer_logits: the tuned teacher's logits of one shard of a pool."""

from pathlib import Path

import numpy as np

from distilrnn.artifacts.logits import FILE
from distilrnn.artifacts.tensors import streamed_tensors
from distilrnn.artifacts.transfer import shard_rows
from distilrnn.data.encoded import EncodedSplit, read_encoded_pool
from distilrnn.pipeline.scoring import ScoringJob, ScoringRecord
from distilrnn.training.progress import ScoringProgress


def compute_transfer_logits(job: ScoringJob, pool: Path, output: Path, shard: tuple[int, int]) -> ScoringRecord:
    """Write logits.safetensors and run.json of a shard (its number from 0, and of how many), and return run.json.

    `pool` is the folder of the tokenised pool. Sentences of more tokens than the base reads are cut, and counted.

    Raises:
        InputError: adapter, base and tokens do not belong together.
    """
    scorer = job.load()
    summary, classes = scorer.summary, scorer.summary.classes
    encoded = read_encoded_pool(pool, summary)
    rows = shard_rows(len(encoded), *shard)
    offsets = np.asarray(encoded.offsets[rows.start : rows.stop + 1])
    ids = encoded.ids[offsets[0] : offsets[-1]]
    sentences = EncodedSplit(ids, offsets - offsets[0], encoded.labels[rows.start : rows.stop])
    room = None if summary.text_limit.policy == "windows" else scorer.teacher.context
    names = {
        "pool_hash": encoded.hash,
        "first_row": rows.start,
        "classes": classes,
        "corpus_hash": summary.corpus_hash,
        "base_hash": scorer.header.base_hash,
        "seed": scorer.header.seed,
    }
    shapes = {"logits": (np.dtype(np.float32), (len(rows), len(classes)))}
    counts = np.zeros(len(classes), np.int64)
    with streamed_tensors(output / FILE, "transfer-logits", shapes, names) as arrays:
        if len(rows):
            scorer.score(sentences.cut(room), arrays["logits"], ScoringProgress(len(rows)))
            counts += np.bincount(arrays["logits"].argmax(1), minlength=len(counts))
    seen = {
        "classes": dict(zip(classes, counts.tolist(), strict=True)),
        "cut": 0 if room is None else int((sentences.lengths > room).sum()),
    }
    run = scorer.record("transfer_logits", len(rows), seen)
    run.write(output / "run.json")
    return run
