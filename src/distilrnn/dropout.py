"""Dropout that costs little on a CPU, and whose random numbers are a thread's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor, nn

_bits: ContextVar[np.random.SFC64] = ContextVar("bits")


@contextmanager
def seeded(*seed: int) -> Iterator[None]:
    """Here, and in this thread alone, `Dropout` on a CPU draws from a generator of this seed.

    torch has one CPU generator for all threads: what one of them drew from it would depend on the others.
    """
    token = _bits.set(np.random.SFC64(seed))
    try:
        yield
    finally:
        _bits.reset(token)


class Dropout(nn.Dropout):
    """Dropout, several times faster on a CPU than torch's, which draws one random number an element there.

    Four elements share 64 random bits: p is met to 1 in 65,536, and kept elements are scaled by what it really is.
    Outside of `seeded` it is seeded from torch's generator.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[...] -> [...]: some elements zero, the others scaled up."""
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return super().forward(x)
        levels = min(round((1 - self.p) * 65536), 65535)  # of 65,536 numbers, those that keep
        source = _bits.get(None) or np.random.SFC64(int(torch.randint(2**63 - 1, ())))
        bits = source.random_raw(-(-x.numel() // 4)).view(np.int16)[: x.numel()]
        kept = torch.empty_like(x, memory_format=torch.contiguous_format)
        torch.lt(torch.from_numpy(bits).view(x.shape), levels - 32768, out=kept)
        return x * kept.mul_(65536 / max(levels, 1))
