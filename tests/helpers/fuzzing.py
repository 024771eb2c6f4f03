"""How many examples a fuzz test tries: a few in every run, as many as FUZZ_EXAMPLES says in a long one."""

import os

from hypothesis import settings


def fuzz(usual: int) -> settings:
    """Settings of hypothesis for a test that takes any bytes."""
    return settings(deadline=None, max_examples=int(os.environ.get("FUZZ_EXAMPLES", usual)))
