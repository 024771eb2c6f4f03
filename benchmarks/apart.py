"""Contestants in processes of their own."""

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any


class Apart:
    """An object in a process of its own, which sleeps between calls.

    So no contestant has another's settings of torch, of the allocator or of libraries, nor the memory that it left. All
    are forked from one process that has imported what they need and has done nothing else.
    """

    def __init__(self, build: Callable[..., Any], *arguments: Any) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(["benchmarks.contestants", "benchmarks.scoring"])
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, build, arguments), daemon=True)
        self._process.start()
        other.close()

    def call(self, method: str, *arguments: Any) -> Any:
        """What the object's method returns, or raises there.

        Raises:
            EOFError: the process has ended.
        """
        self._connection.send((method, arguments))
        done, value = self._connection.recv()
        if not done:
            raise value
        return value

    def __enter__(self) -> "Apart":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()  # which ends the process
        self._process.join()


def _serve(connection: Connection, build: Callable[..., Any], arguments: tuple) -> None:
    built = None
    while True:
        try:
            method, values = connection.recv()
        except EOFError:
            return
        try:
            built = built or build(*arguments)
            connection.send((True, getattr(built, method)(*values)))
        except Exception as error:
            connection.send((False, error))
