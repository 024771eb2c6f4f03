"""Dropout that costs little on a CPU, and whose random numbers are a thread's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor

BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""By bytes of a number: -1 has all bits, so that `and` keeps the number."""

_numbers: ContextVar[np.random.Generator] = ContextVar("numbers")


@contextmanager
def seeded(*seed: int) -> Iterator[None]:
    """Here, and in this thread alone, `keep` on a CPU draws from a generator of this seed.

    torch has one CPU generator for all threads: what one of them drew from it would depend on the others.
    """
    token = _numbers.set(_generator(seed))
    try:
        yield
    finally:
        _numbers.reset(token)


def dropout_mask(x: Tensor, p: float) -> tuple[Tensor, float]:
    """What dropout keeps of x, -1 or else 0, int8 in x's shape; and the factor that scales up what is kept.

    Several times faster on a CPU than torch's dropout, which draws one random number an element there. Four elements
    share 64 random bits: p is met to 1 in 65,536, and the factor belongs to what it really is. Outside of `seeded` it
    is seeded from torch's generator.
    """
    if x.device.type != "cpu":
        return torch.empty_like(x, dtype=torch.int8).bernoulli_(1 - p).neg_(), 1 / (1 - p)
    levels = min(max(round((1 - p) * 65536), 1), 65535)  # of 65,536 numbers, those that keep
    source = _numbers.get(None) or _generator((int(torch.randint(2**63 - 1, ())),))
    # Of this generator's ways to give bits, the one during which other threads go on.
    bits = source.integers(0, 2**64 - 1, -(-x.numel() // 4), np.uint64, endpoint=True).view(np.int16)[: x.numel()]
    least = levels - 32768  # that does not keep; in place, since memory costs more than the sums
    kept = torch.from_numpy(bits).view(x.shape).clamp_(least - 1, least).sub_(least)
    return kept.to(torch.int8), 65536 / levels


def apply_mask(x: Tensor, kept: Tensor) -> Tensor:
    """The numbers of x that are kept, and 0 elsewhere."""
    return (x.view(BITS[x.element_size()]) & kept).view(x.dtype)


def apply_mask_(x: Tensor, kept: Tensor) -> Tensor:
    """The same in place."""
    x.view(BITS[x.element_size()]).bitwise_and_(kept)
    return x


def _generator(seed: tuple[int, ...]) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))
