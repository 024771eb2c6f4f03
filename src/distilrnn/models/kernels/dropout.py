"""Dropout that costs little on a CPU, and whose random numbers are a thread's own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distilrnn.models.kernels import is_on

BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""By bytes of a number: -1 has all bits, so that `and` keeps the number."""

_numbers: ContextVar[np.random.Generator | None] = ContextVar("numbers")


@contextmanager
def seeded(*seed: int) -> Iterator[None]:
    """Here, and in this thread alone, `dropout_mask` on a CPU draws from a generator of this seed.

    torch has one CPU generator for all threads: what one of them drew from it would depend on the others.
    """
    token = _numbers.set(_generator(seed))
    try:
        yield
    finally:
        _numbers.reset(token)


@contextmanager
def drawing_from(state: Mapping[str, Any] | None) -> Iterator[None]:
    """Here, and in this thread alone, `dropout_mask` on a CPU repeats what was drawn after `generator_state`."""
    source = None
    if state is not None:
        source = _generator((0,))
        source.bit_generator.state = state
    token = _numbers.set(source)
    try:
        yield
    finally:
        _numbers.reset(token)


def generator_state() -> Mapping[str, Any] | None:
    """The state of this thread's generator; None outside of `seeded`."""
    source = _numbers.get(None)
    return None if source is None else source.bit_generator.state


def dropout_mask(x: Tensor, p: float) -> tuple[Tensor, float]:
    """Dropout mask of x's shape, int8: -1 (all bits set) where kept, 0 where dropped; and the factor for kept elements.

    Several times faster on a CPU than torch's dropout, which draws one random number an element there. Four elements
    share 64 random bits: p is met to 1 in 65,536, and the factor belongs to what it really is. Outside of `seeded` it
    is seeded from torch's generator.

    An example, p = 0.25. Each element has a random int16, -32768 to 32767. It is kept where that is one of the lowest
    (1 - 0.25) 65536 = 49152, which end at 16383. Clamped to 16383 .. 16384 and less 16384, a kept element's number
    becomes -1 and another's 0: two passes in place, where a comparison and a conversion write to new memory. In two's
    complement -1 has all bits set, so `&` with it keeps a float as it is, and `&` with 0 makes it 0.0.
    """
    if x.device.type != "cpu":
        return torch.empty_like(x, dtype=torch.int8).bernoulli_(1 - p).neg_(), 1 / (1 - p)
    source = _numbers.get(None) or _generator((int(torch.randint(2**63 - 1, ())),))
    if not is_on("dropout"):
        return plain_dropout_mask(x, p, torch.Generator().manual_seed(int(source.integers(2**63 - 1))))
    levels = min(max(round((1 - p) * 65536), 1), 65535)  # of 65,536 numbers, those that keep
    # Of this generator's ways to give bits, the one during which other threads go on.
    bits = source.integers(0, 2**64 - 1, -(-x.numel() // 4), np.uint64, endpoint=True).view(np.int16)[: x.numel()]
    dropping = levels - 32768  # the lowest number that drops
    mask = torch.from_numpy(bits).view(x.shape).clamp_(dropping - 1, dropping).sub_(dropping)
    return mask.to(torch.int8), 65536 / levels


def plain_dropout_mask(x: Tensor, p: float, generator: torch.Generator) -> tuple[Tensor, float]:
    """The same kind of mask, with one of torch's random numbers an element."""
    return torch.empty(x.shape, dtype=torch.int8).bernoulli_(1 - p, generator=generator).neg_(), 1 / (1 - p)


def apply_mask(x: Tensor, mask: Tensor) -> Tensor:
    """The elements of x that the mask keeps, and 0 elsewhere."""
    return (x.view(BITS[x.element_size()]) & mask).view(x.dtype)


def apply_mask_(x: Tensor, mask: Tensor) -> Tensor:
    """The same in place."""
    x.view(BITS[x.element_size()]).bitwise_and_(mask)
    return x


def _generator(seed: tuple[int, ...]) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))
