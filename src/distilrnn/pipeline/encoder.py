"""Rule encoder: a student's embedding and recurrent layers, pre-trained as a language model, for all of its seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distilrnn.artifacts.curves import to_csv
from distilrnn.artifacts.files import write_atomically
from distilrnn.artifacts.records import FileRecord
from distilrnn.artifacts.tensors import save_tensors
from distilrnn.data.encoded import EncodedSplit, read_encoded_pool, read_summary, union, used_token_ids
from distilrnn.models.encoder import ENCODER_FILE, encoder_tensors
from distilrnn.orchestration.code import code_version
from distilrnn.params.common import HoldoutParams
from distilrnn.params.splits import TRAIN
from distilrnn.params.student import PretrainingParams, StudentModelParams
from distilrnn.pipeline.common import train_and_validation_sets
from distilrnn.pipeline.start import RANDOM, StartingPoint
from distilrnn.runtime.device import configure_process, select_device
from distilrnn.training.language_model import RecurrentLanguageModel, TextDataset, language_model_objective
from distilrnn.training.loop import TrainingRun, fit
from distilrnn.training.progress import TrainingProgress
from distilrnn.training.resume import ResumeFile

SEED = 0
"""Of the initial weights, dropout and the order of the sentences: one encoder serves all seeds."""


class EncoderRecord(FileRecord):
    """run.json."""

    code: str
    """The version of the code that made it."""
    sentences: int
    best_epoch: int | float
    validation_loss: float
    validation_perplexity: float
    seconds: float
    sentences_per_second: float
    precision: str
    device: str
    gpu: str | None
    threads: int


@dataclass(frozen=True)
class EncoderJob:
    """What an encoder reads, and how it is pre-trained."""

    tokens: Path
    """Folder of the tokenised corpus."""
    model: StudentModelParams
    pretraining: PretrainingParams
    selection: HoldoutParams
    pools: Sequence[Path] = ()
    """Folders of tokenised pools."""
    start: StartingPoint = RANDOM
    threads: int | None = None


def pretrain_encoder(job: EncoderJob, output: Path) -> EncoderRecord:
    """Pre-train on the sentences to learn from and on tokenised pools; write encoder.safetensors, curves.csv, run.json.

    The epoch of lowest loss on the validation sentences is kept. The embedding has rows for the ids of train and pools;
    it begins with the vectors that `start` names. Returns run.json; raises InputError.
    """
    tokens, model, pretraining, selection = job.tokens, job.model, job.pretraining, job.selection
    summary = read_summary(tokens)
    labelled, validation = train_and_validation_sets(tokens, summary, selection)
    encoded = [read_encoded_pool(pool, summary) for pool in job.pools]
    parts: list[EncodedSplit] = [labelled.tokens, *encoded]
    of_pools = [pool.token_ids for pool in encoded]
    token_ids = union(used_token_ids(tokens, [TRAIN]), validation.tokens.ids, [summary.pad_id], *of_pools)
    configure_process(job.threads)
    device = select_device(pretraining.precision)
    student = job.start.load(summary.tokenizer_hash, model, len(summary.classes)).student(token_ids, SEED)
    language_model = RecurrentLanguageModel(student, SEED).to(device.name)
    header = {
        "corpus_hash": summary.corpus_hash,
        "tokenizer_hash": summary.tokenizer_hash,
        "pool_hash": [pool.hash for pool in encoded],
        **job.start.header(),
        "model": model.model_dump(mode="json"),
        "pretraining": pretraining.model_dump(mode="json"),
        "selection": selection.model_dump(mode="json"),
    }
    text = TextDataset(parts, summary.pad_id)
    held_out = TextDataset([validation.tokens], summary.pad_id)
    objective = language_model_objective(summary.pad_id, pretraining.samples, _frequencies(parts, token_ids))
    code = code_version("encoder")
    resume = ResumeFile(output, {**header, "device": repr(device), "code": code})
    with TrainingProgress("encoder", pretraining.epochs, len(text)) as progress:
        run = TrainingRun(pretraining, SEED, device, progress, "loss", resume)
        history = fit(language_model, text, held_out, objective, run)
    save_tensors(output / ENCODER_FILE, "encoder", encoder_tensors(student), header)
    best = history.curves[history.best_row]
    record = EncoderRecord(
        code=code,
        sentences=len(text),
        best_epoch=best["epoch"],
        validation_loss=best["validation_loss"],
        validation_perplexity=round(math.exp(best["validation_loss"]), 2),
        seconds=round(history.seconds, 3),
        sentences_per_second=round(len(text) * history.curves[-1]["epoch"] / max(history.seconds, 1e-9), 1),
        **device.record(),
    )
    write_atomically(output / "curves.csv", to_csv(history.curves))
    record.write(output / "run.json")
    resume.remove()
    return record


def _frequencies(parts: Sequence[EncodedSplit], token_ids: np.ndarray) -> np.ndarray:
    """How often each of these ids occurs in train and in pools: float64 [token_ids]."""
    counts = np.zeros(len(token_ids))
    for part in parts:
        found, times = np.unique(part.ids, return_counts=True)
        counts[np.searchsorted(token_ids, found)] += times
    return counts
