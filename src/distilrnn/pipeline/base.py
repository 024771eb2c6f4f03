"""The embedded base: a small GPT-2 with its own byte-level BPE, really pre-trained on the unlabelled sentences."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.implementations import ByteLevelBPETokenizer
from torch import nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from transformers.utils import logging

from distilrnn.data.encoded import EncodedSplit
from distilrnn.data.tokenizer import END_OF_TEXT
from distilrnn.errors import InputError
from distilrnn.models.bases import save_base
from distilrnn.orchestration.code import code_version
from distilrnn.params.base import BaseParams
from distilrnn.params.common import TrainingParams
from distilrnn.runtime.device import configure_process, select_device
from distilrnn.training.batch import Batch, EncodedDataset, Step, TokenObjective
from distilrnn.training.loop import TrainingRun, fit
from distilrnn.training.progress import TrainingProgress
from distilrnn.training.resume import ResumeFile

HELD_OUT = 0.02
"""Share of the unlabelled sentences on which the best epoch is chosen."""


def train_tokenizer(sentences: list[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE of at most `vocabulary` types, as GPT-2's is made (Radford et al. 2019)."""
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        iter(sentences), vocab_size=vocabulary, min_frequency=2, special_tokens=[END_OF_TEXT], show_progress=False
    )
    return Tokenizer.from_str(bpe.to_str())


def next_token_objective(model: nn.Module, batch: Batch) -> Step:
    """Mean cross-entropy of each next token, the end of the text included."""
    logits = model(batch.ids)  # [sentences, tokens, types]
    positions = torch.arange(batch.ids.shape[1] - 1, device=batch.ids.device)
    real = positions < (batch.lengths - 1)[:, None]
    logits, targets = logits[:, :-1][real], batch.ids[:, 1:][real]
    return Step(F.cross_entropy(logits, targets), (logits.argmax(-1) == targets).sum(), len(targets))


NEXT_TOKEN = TokenObjective(next_token_objective, lambda batch: int((batch.lengths - 1).sum()))


class _LanguageModel(nn.Module):
    def __init__(self, model: GPT2LMHeadModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=ids, use_cache=False).logits


def pretrain(unlabelled: Path, params: BaseParams, output: Path, threads: int | None) -> dict:
    """Pre-train the embedded base on a file of sentences into `output`, and return its base.json.

    Each sentence stands between end-of-text tokens. Raises InputError where there are too few sentences.
    """
    sentences = unlabelled.read_text(encoding="utf-8").splitlines()
    if len(sentences) < 100:
        raise InputError(
            f"{unlabelled}: has {len(sentences)} sentences, and pre-training needs 100: raise corpus.unlabelled_size, "
            "give more texts to learn from, or set bases.<base>.model to a model that is there"
        )
    tokenizer = train_tokenizer(sentences, params.vocabulary)
    end = cast(int, tokenizer.token_to_id(END_OF_TEXT))
    rows = [[end, *encoding.ids[: params.context - 2], end] for encoding in tokenizer.encode_batch(sentences)]
    lengths = np.array([len(row) for row in rows])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = EncodedSplit(np.concatenate([np.array(row) for row in rows]), offsets, np.zeros(len(rows), np.int64))
    held_out = max(1, round(len(rows) * HELD_OUT))
    train = EncodedDataset(tokens.select(np.arange(held_out, len(rows))), end)
    validation = EncodedDataset(tokens.select(np.arange(held_out)), end)

    logging.set_verbosity_error()  # no mask is needed: what is padded is never read
    configure_process(threads)
    device = select_device("fp32")
    torch.manual_seed(params.seed)
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=params.context,
        n_embd=params.width,
        n_layer=params.layers,
        n_head=params.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    model = GPT2LMHeadModel(config).to(device.name)
    training = TrainingParams(
        epochs=params.epochs, batch_size=params.batch_size, learning_rate=params.learning_rate, schedule="linear"
    )
    inputs = {"params": params.model_dump(), "sentences": sentences, "device": repr(device)}
    resume = ResumeFile(output, {**inputs, "code": code_version("base")})
    with TrainingProgress("base", params.epochs, len(train)) as progress:
        run = TrainingRun(training, params.seed, device, progress, resume=resume)
        fit(_LanguageModel(model), train, validation, NEXT_TOKEN, run)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT, pad_token=END_OF_TEXT
    )
    base = save_base(model, wrapped, output, params)
    resume.remove()
    return base
