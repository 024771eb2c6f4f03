"""Topic scoring: a teacher's pass over sentences, beside transformers with dynamic padding and the machine's limit."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.apart import Apart
from benchmarks.data import Data
from benchmarks.ours import RANK, arithmetic
from benchmarks.shapes import body
from benchmarks.sizes import Sizes
from benchmarks.timing import interleaved, multiply_rate, ratio, seconds, spread
from distilrnn.models.lora import merge
from distilrnn.models.teacher import Teacher, place, tune
from distilrnn.params.teacher import TuningParams
from distilrnn.runtime.device import configure_process, multiplies_bf16, select_device
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.predict import predict_logits

SHAPES = ("MiniLM", "SmolLM2-135M", "Gemma 3 270M")
BATCH = 64
PAD = 0


def _for_vocabulary(data: Data, vocabulary: int) -> Data:
    """The same sentences with ids that a model has; which ones they are changes no time."""
    return replace(data, rows=[[token % (vocabulary - 1) + 1 for token in row] for row in data.rows])


class OurScorer:
    """The teacher as the rules logits and transfer_logits run it, adapters merged."""

    def __init__(self, shape: str, data: Data, sizes: Sizes, threads: int, precision: str) -> None:
        configure_process(threads)
        self.device = select_device(precision)
        self.sizes, self.product = sizes, sizes.product
        self.teacher = Teacher(body(shape, sizes.tiny), 2)
        tune(self.teacher, TuningParams(rank=RANK))
        merge(self.teacher.body)
        place(self.teacher, self.device)
        self.data = _for_vocabulary(data, self.teacher.body.config.vocab_size)

    def score(self, number: int) -> float:
        """Seconds of a pass."""
        sentences = EncodedDataset(self._part(number).tokens, PAD)
        max_tokens = self.device.max_tokens(self.teacher.head.in_features)
        return seconds(lambda: predict_logits(self.teacher, sentences, BATCH, self.device, max_tokens))

    def share_of_limit(self, number: int, took: float) -> float:
        """What the real tokens' products would take at the measured rate, as a share of what was taken."""
        rate = multiply_rate(torch.bfloat16 if self.device.precision == "bf16" else torch.float32, size=self.product)
        return arithmetic(self.teacher, self._part(number), training=False) / rate / took

    def _part(self, number: int) -> Data:
        return self.data.batches(self.sizes.teacher_sentences, BATCH, number)


class PlainScorer:
    """transformers as its examples have it: batches in the corpus's order, padded to the longest, with a mask."""

    def __init__(self, shape: str, data: Data, sizes: Sizes, threads: int, precision: str) -> None:
        torch.set_num_threads(threads)
        self.sizes, self.bf16 = sizes, precision == "bf16"
        self.body = body(shape, sizes.tiny).eval()
        if self.bf16:
            self.body.to(torch.bfloat16)
        self.causal = hasattr(self.body.config, "num_key_value_heads")
        self.head = nn.Linear(self.body.config.hidden_size, 2, bias=False).to(self.body.dtype)
        self.data = _for_vocabulary(data, self.body.config.vocab_size)

    def score(self, number: int) -> float:
        """Seconds of a pass."""
        rows = self.data.part(self.sizes.teacher_sentences, number).rows
        return seconds(lambda: self._pass(rows))

    @torch.no_grad()
    def _pass(self, rows: list[list[int]]) -> np.ndarray:
        found = []
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            lengths = torch.tensor([len(row) for row in batch])
            ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in batch], True, PAD)
            mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
            found.append(self._logits(ids, mask, lengths))
        return torch.cat(found).float().numpy()

    def _logits(self, ids: Tensor, mask: Tensor, lengths: Tensor) -> Tensor:
        states = self.body(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.head(states[torch.arange(len(ids)), lengths - 1] if self.causal else states[:, 0])


def measure_scoring(data: Data, sizes: Sizes, threads: int) -> dict:
    """Sentences a second of each shape, ours and plain, in each format."""
    formats = ["fp32", *(["bf16"] if multiplies_bf16("cpu") else [])]
    return {
        "sentences": sizes.teacher_sentences,
        "batch": BATCH,
        "shapes": {shape: _one_shape(shape, data, sizes, threads, formats) for shape in SHAPES},
    }


def _one_shape(shape: str, data: Data, sizes: Sizes, threads: int, formats: list[str]) -> dict[str, Any]:
    ours = {f"ours, {precision}": Apart(OurScorer, shape, data, sizes, threads, precision) for precision in formats}
    plain = {f"plain, {precision}": Apart(PlainScorer, shape, data, sizes, threads, precision) for precision in formats}
    everyone = ours | plain
    try:
        measures = {name: lambda n, place=place: place.call("score", n) for name, place in everyone.items()}
        times = interleaved(measures, sizes.repeats, warm_up=sizes.repeats)
        shares = {
            name: spread([place.call("share_of_limit", number, took) for number, took in enumerate(times[name])])
            for name, place in ours.items()
        }
    finally:
        for place in everyone.values():
            place.__exit__()
    rates = {name: [sizes.teacher_sentences / value for value in values] for name, values in times.items()}
    fastest = f"ours, {formats[-1]}"
    return {
        "sentences_per_second": {name: spread(values) for name, values in rates.items()},
        "share_of_limit": shares,
        "ratios": {f"{fastest} / {name}": ratio(rates[fastest], rates[name]) for name in plain},
    }


def rows(figures: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """For the table."""
    for shape, of in figures["shapes"].items():
        for name, value in of["sentences_per_second"].items():
            range_ = f"{value['low']:.0f} to {value['high']:.0f}"
            yield f"scoring, {shape}: {name}", f"{value['median']:.0f} sentences/s", range_
        for name, value in of["share_of_limit"].items():
            low, median, high = (100 * value[key] for key in ("low", "median", "high"))
            yield (
                f"scoring, {shape}: {name}, real tokens' arithmetic",
                f"{median:.0f} % of the limit",
                f"{low:.0f} to {high:.0f}",
            )
        for name, value in of["ratios"].items():
            yield f"scoring, {shape}: {name}", f"{value['median']:.1f} ×", f"{value['low']:.1f} to {value['high']:.1f}"
