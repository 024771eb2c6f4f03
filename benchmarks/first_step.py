"""Run a script until its first optimizer step, and print the seconds since the process was launched.

`python first_step.py LAUNCHED SCRIPT ARGUMENTS...`, LAUNCHED being time.time() just before.
"""

import os
import runpy
import sys
import time

from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook


def main(launched: float, script: str, *arguments: str) -> None:
    """Run the script as Python would."""

    def stop(_optimizer: Optimizer, _args: tuple, _kwargs: dict) -> None:
        print(f"first step after {time.time() - launched:.4f} s", flush=True)
        os._exit(0)

    register_optimizer_step_post_hook(stop)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
