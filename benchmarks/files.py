"""Corpora, tokens, teachers and logits on disk, for what is measured as whole processes."""

from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from benchmarks.data import END_OF_TEXT, VOCABULARY
from benchmarks.ours import gpt2
from benchmarks.sizes import Sizes
from distilrnn.artifacts.logits import FILE
from distilrnn.artifacts.tensors import streamed_tensors
from distilrnn.artifacts.transfer import read_pool, shard_name
from distilrnn.data.corpus import Example, iterate_split
from distilrnn.data.encoded import read_summary
from distilrnn.data.grammar import generate
from distilrnn.data.tokenizer import END_OF_TEXT as END
from distilrnn.data.tokenizer import load_tokenizer
from distilrnn.models.adapters import save_adapter
from distilrnn.models.bases import read_base, save_base
from distilrnn.models.teacher import build_teacher
from distilrnn.models.teacher_header import TeacherHeader
from distilrnn.params.base import BaseParams
from distilrnn.params.splits import SPLITS, TRAIN
from distilrnn.params.teacher import TuningParams
from distilrnn.pipeline.base import train_tokenizer

CLASSES = ["unacceptable", "acceptable"]
DEV = 100
"""Sentences of each dev split."""


def sentences_to_repeat(cola: Path | None) -> list[Example]:
    """CoLA's training sentences, or generated ones where it is not at hand."""
    if cola is not None:
        return list(iterate_split(cola / f"{TRAIN}.tsv", 2))
    return [Example(e.source, e.label, e.mark, e.sentence) for e in generate(0, 3000, 20, 0).train]


def make_tokenizer(folder: Path | None, examples: list[Example]) -> Tokenizer:
    """GPT-2's, or one trained here where it is not at hand."""
    return load_tokenizer(folder) if folder is not None else train_tokenizer([e.sentence for e in examples], 1000)


def write_rows(folder: Path, examples: list[Example], count: int, numbered: bool = False) -> None:
    """A corpus in CoLA's format with so many training sentences: the given ones again and again, then numbered.

    A number makes every sentence a sentence of its own, as they are in a real corpus of that size. `numbered`: also the
    first time, so that sentences do not get longer as they get more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        rows = count if split == TRAIN else DEV
        with (folder / f"{split}.tsv").open("w", encoding="utf-8") as file:
            for number, e in enumerate(islice(cycle(examples), rows)):
                again = numbered or number >= len(examples)
                text = f"{e.sentence} {number // len(examples)}" if again else e.sentence
                file.write(Example(e.source, e.label, e.mark, text).line())


def write_sentences(path: Path, examples: list[Example], count: int) -> None:
    """So many sentences, one a line: the given ones again and again, each with a number."""
    with path.open("w", encoding="utf-8") as file:
        for number, e in enumerate(islice(cycle(examples), count)):
            file.write(f"{e.sentence} {number // len(examples)}\n")


def write_pool_logits(folder: Path, pool: Path, tokens: Path) -> None:
    """Random logits of all sentences of a pool, as a single shard."""
    record, summary = read_pool(pool), read_summary(tokens)
    header = {"pool_hash": record.hash, "first_row": 0, "classes": summary.classes}
    shape = record.counts.sentences, len(summary.classes)
    random = np.random.default_rng(0)
    shard = folder / shard_name(1, 1) / FILE
    with streamed_tensors(shard, "transfer-logits", {"logits": (np.dtype(np.float32), shape)}, header) as arrays:
        random.standard_normal(out=arrays["logits"], dtype=np.float32)


def write_base(folder: Path, sizes: Sizes, tokenizer: Tokenizer) -> None:
    """A GPT-2 with random weights, as the rule base leaves it."""
    torch.manual_seed(0)
    config = gpt2(sizes)
    config.vocab_size = max(VOCABULARY, tokenizer.get_vocab_size())
    config.bos_token_id = config.eos_token_id = END_OF_TEXT
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)
    save_base(GPT2LMHeadModel(config), wrapped, folder, BaseParams(model="random"))


def write_adapter(path: Path, base: Path, tokens: Path) -> None:
    """An untrained teacher's adapter that belongs to these tokens."""
    summary, tuning = read_summary(tokens), TuningParams(init="xavier")
    header = TeacherHeader(
        base_hash=read_base(base)["hash"],
        corpus_hash=summary.corpus_hash,
        tokenizer_hash=summary.tokenizer_hash,
        classes=summary.classes,
        max_length=summary.max_length,
        pad_id=summary.pad_id,
        tuning=tuning,
        training={"precision": "fp32"},
        seed=0,
    )
    save_adapter(path, build_teacher(base, len(summary.classes), tuning, 0), header)
