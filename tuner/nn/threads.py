"""Threads that share the large matrix products of this process.

A stack of products is cut into smaller stacks, a single product into blocks of columns, and each part is a call of BLAS
with one thread.  So the number of threads does not change a bit.  (BLAS's own threads do: they cut the sums, too.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Thread

import numpy as np

from tuner.nn.calls import Call


class Team:
    """Threads that run the parts of a call at the same time; ``threads`` counts the calling one."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self._parts: SimpleQueue[Call | None] = SimpleQueue()
        self._ended: SimpleQueue[Exception | None] = SimpleQueue()
        self._helpers = [Thread(target=self._help, daemon=True) for _ in range(threads - 1)]
        for helper in self._helpers:
            helper.start()

    def run(self, parts: Sequence[Call]) -> None:
        """Run all parts, here those that no other thread has begun; raises what a part raises."""
        for part in parts:
            self._parts.put(part)
        errors = []
        with suppress(Empty):
            while (mine := self._parts.get_nowait()) is not None:
                errors.append(_error_of(mine))
        errors += [self._ended.get() for _ in range(len(parts) - len(errors))]
        for error in errors:
            if error is not None:
                raise error

    def _help(self) -> None:
        with np.errstate(all="ignore"):  # overflow is reported as divergence
            while (part := self._parts.get()) is not None:
                self._ended.put(_error_of(part))

    def end(self) -> None:
        """End the other threads."""
        for _ in self._helpers:
            self._parts.put(None)
        for helper in self._helpers:
            helper.join()


def _error_of(part: Call) -> Exception | None:
    """Run a part, and return what it raises."""
    try:
        part()
    except Exception as error:
        return error
    return None


_teams = [Team()]


def team() -> Team:
    """Return the threads of this process."""
    return _teams[-1]


@contextmanager
def shared_by(threads: int) -> Iterator[None]:
    """Let the networks that are trained in this block use so many threads."""
    _teams.append(Team(threads))
    try:
        yield
    finally:
        _teams.pop().end()
