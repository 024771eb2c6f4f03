"""Pieces of work, side by side on a CPU's cores."""

import gc
import platform
import subprocess
import sys
import time

import pytest
import torch

from distilrnn.runtime.device import Device, gc_frozen


def run(threads, work, pieces):
    return list(Device("cpu", "fp32", threads).side_by_side(work, pieces))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_pieces(threads):
    def work(piece):
        time.sleep(0.002 * (piece % 3))
        return piece * piece

    assert run(threads, work, iter(range(40))) == [n * n for n in range(40)]
    assert run(threads, work, []) == []


def test_each_piece_has_one_core_and_the_caller_keeps_its_own():
    before = torch.get_num_threads()
    assert set(run(3, lambda _: torch.get_num_threads(), range(9))) == {1}
    assert torch.get_num_threads() == before


def test_pieces_are_taken_as_they_are_needed():
    taken = []

    def pieces():
        for piece in range(100):
            taken.append(piece)
            yield piece

    results = Device("cpu", "fp32", 2).side_by_side(lambda piece: piece, pieces())
    assert next(results) == 0
    assert len(taken) <= 5
    results.close()


def test_an_error_is_the_callers_and_ends_the_work():
    done = []

    def work(piece):
        if piece == 3:
            raise ValueError("piece 3")
        done.append(piece)

    with pytest.raises(ValueError, match="piece 3"):
        run(2, work, range(1000))
    assert len(done) < 20


def test_the_collector_is_as_before_afterwards():
    with gc_frozen():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


FAULTS = """
import resource, sys, threading, torch
from distilrnn.runtime.device import tune_malloc

if sys.argv[1] == "kept":
    tune_malloc()

def work():
    torch.set_num_threads(1)
    blocks = [torch.ones(1_000_000) for _ in range(50)]

for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators are left as they are")
def test_memory_that_is_freed_is_used_again():
    """200 MB in a thread, for the third time: without it each 4 KB are asked from the system anew."""
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", FAULTS, how], check=True, capture_output=True, text=True).stdout)
        for how in ("kept", "given back")
    )
    assert kept < 2_000
    assert given_back > 10 * kept


UNCHANGED = """
import ctypes, gc, os, sys, torch
before = dict(os.environ), torch.get_deterministic_debug_mode(), torch.get_num_threads(), gc.get_freeze_count()
calls = []
class Library:
    def __init__(self, *_): pass
    def __getattr__(self, name):
        calls.append(name)
        return lambda *_: 1
plain, ctypes.CDLL = ctypes.CDLL, Library
from distilrnn.runtime.device import configure_process, select_device
device = select_device("fp32")
if sys.argv[1] == "configured":
    configure_process(1)
after = dict(os.environ), torch.get_deterministic_debug_mode(), torch.get_num_threads(), gc.get_freeze_count()
print(before == after and "mallopt" not in calls)
"""


@pytest.mark.parametrize(("how", "same"), [("selected", "True"), ("configured", "False")])
def test_selecting_a_device_changes_nothing_of_the_process(how, same):
    done = subprocess.run([sys.executable, "-c", UNCHANGED, how], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == same
