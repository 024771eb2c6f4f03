"""Operations that are faster on a CPU than their plain torch form, with the same result, each beside its plain form.

`DISTILRNN_KERNELS=plain` turns all of them off: what is then still wrong is not theirs. A comma-separated list turns on
those alone, which is how the benchmark topic `kernels` tells what each brings.
"""

import os
from functools import cache

from distilrnn.errors import InputError

VARIABLE = "DISTILRNN_KERNELS"
KERNELS = ("lora_linear", "dropout", "attention", "last_token", "rnn", "bidirectional")


def is_on(kernel: str) -> bool:
    """Whether a kernel takes the place of its plain form; raises InputError."""
    return kernel in switched_on(os.environ.get(VARIABLE, ""))


@cache
def switched_on(setting: str) -> tuple[str, ...]:
    """The kernels that a value of DISTILRNN_KERNELS turns on.

    Raises:
        InputError: it names something that is no kernel.
    """
    if setting in ("", "all"):
        return KERNELS
    if setting == "plain":
        return ()
    names = [name.strip() for name in setting.split(",")]
    unknown = [name for name in names if name not in KERNELS]
    if unknown:
        raise InputError(
            f"{VARIABLE}: unknown kernel {unknown[0]!r}: set it to all, plain, or some of {', '.join(KERNELS)}"
        )
    return tuple(name for name in KERNELS if name in names)
