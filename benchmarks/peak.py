"""Run a command; write its seconds, those of a core, and its peak memory: `python peak.py FILE COMMAND...`.

A process of its own, and a small one: a child's peak as Linux counts it begins at that of the process that started it.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main(file: str, *command: str) -> int:
    """Run the command to its end, and return its exit code."""
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    cpu_seconds, peak_mb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6
    found = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak_mb}
    Path(file).write_text(json.dumps(found))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
