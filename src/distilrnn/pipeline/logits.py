"""Rule logits: the tuned teacher's logits of every sentence, computed once for all students."""

from pathlib import Path

from distilrnn.artifacts.logits import FILE, written_logits
from distilrnn.data.encoded import read_encoded_split
from distilrnn.pipeline.scoring import ScoringJob, ScoringRecord
from distilrnn.training.progress import ScoringProgress


def compute_logits(job: ScoringJob, output: Path) -> ScoringRecord:
    """Write logits.safetensors and run.json into `output`, and return the latter.

    Raises:
        InputError: adapter, base and tokens do not belong together.
    """
    scorer = job.load()
    summary, header = scorer.summary, scorer.header
    counts = summary.counts(summary.splits)
    names = {
        "corpus_hash": summary.corpus_hash,
        "classes": summary.classes,
        "system": header.tuning.mode,
        "seed": header.seed,
        "base_hash": header.base_hash,
    }
    progress = ScoringProgress(sum(counts.values()))
    with written_logits(output / FILE, counts, names) as logits:
        for split in counts:
            scorer.score(read_encoded_split(job.tokens, split), logits[split], progress)
    run = scorer.record("logits", sum(counts.values()))
    run.write(output / "run.json")
    return run
