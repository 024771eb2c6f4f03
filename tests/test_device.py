"""Pieces of work, side by side on a CPU's cores."""

import gc
import time

import pytest
import torch

from distilrnn.device import Device, resting_collector


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
    with resting_collector():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
