"""Drawing sentences from a causal language model, in batches."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np

from distilrnn.errors import InputError
from distilrnn.params.transfer import SampleSource


def sample_sentences(base: Path, source: SampleSource, beginnings: Sequence[str], seed: int) -> Iterator[str]:
    """`source.sentences` sentences drawn from the base, those that do not end in time left out.

    With `first_words`, each begins with the first words of a sentence of `beginnings`, drawn at random. A sentence ends
    with the tokenizer's end token or with a line. What is drawn in a batch depends on the seed and the batch alone.

    Raises:
        InputError: the base is no causal language model, or its tokenizer has no token to begin or end with.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from distilrnn.models.bases import is_bidirectional

    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    config = AutoConfig.from_pretrained(base, trust_remote_code=False)
    if is_bidirectional(config):
        raise InputError(
            f"{base.name}: is an encoder ({config.model_type}), from which no text can be drawn: set "
            "transfer.sources.<source>.base to a causal base, such as a GPT-2 or a Llama"
        )
    tokenizer = AutoTokenizer.from_pretrained(base, use_fast=True)
    end = tokenizer.eos_token_id
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else end
    if end is None or begin is None:
        raise InputError(f"{base.name}: its tokenizer has no token that ends a text: set another base to draw from")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, use_safetensors=True).to(device).eval()
    drawn = 0
    while drawn < source.sentences:
        size = min(source.batch_size, source.sentences - drawn)
        random = Random(f"{seed} {drawn}")
        prompts = [_beginning(random, beginnings, source.first_words) for _ in range(size)]
        ids = [[begin, *tokenizer.encode(prompt, add_special_tokens=False)] for prompt in prompts]
        torch.manual_seed(random.getrandbits(63))
        for row in _continued(model, ids, begin, end, source, device):
            text = tokenizer.decode(row, skip_special_tokens=True)
            yield text.strip().split("\n")[0]
        drawn += size


def _beginning(random: Random, sentences: Sequence[str], words: int) -> str:
    return " ".join(random.choice(sentences).split()[:words]) if words else ""


def _continued(
    model: "object", ids: list[list[int]], begin: int, end: int, source: SampleSource, device: str
) -> Iterator[np.ndarray]:
    """The token ids of each text that ends within the limit: prompts are padded on the left."""
    import torch

    width = max(map(len, ids))
    padded = torch.tensor([[begin] * (width - len(row)) + row for row in ids], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids], device=device)
    with torch.no_grad():
        found = model.generate(  # type: ignore[attr-defined]
            padded,
            attention_mask=mask,
            do_sample=True,
            temperature=source.temperature,
            top_p=source.top_p,
            top_k=0,
            max_new_tokens=max(1, source.longest - width + 1),
            eos_token_id=end,
            pad_token_id=end,
        )
    for row, given in zip(found.cpu().numpy(), ids, strict=True):
        text = row[width - len(given) + 1 :]
        ends = np.flatnonzero(text[len(given) - 1 :] == end)
        if len(ends):
            yield text[: len(given) - 1 + ends[0]]
