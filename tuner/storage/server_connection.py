"""A connection to a PostgreSQL server whose every wait ends when the process is to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import psycopg

from tuner.storage.failures import SECONDS_AFTER_STOP


def connect(should_stop: Callable[[], bool], *arguments: Any, **named: Any) -> psycopg.Connection[Any]:
    """Connect as `psycopg.connect` does.

    A server that never answers, or a lock that is never free, would else keep the process until a network gives up.
    """
    connection = _Connection.connect(*arguments, **named)
    connection.should_stop = should_stop
    return connection


class _Connection(psycopg.Connection[Any]):
    should_stop: Callable[[], bool] | None = None

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **named: Any) -> Any:
        """Wait for the server as psycopg does, but not much longer than until the process is to stop."""
        return super().wait(gen if self.should_stop is None else self._until_stopped(gen), *arguments, **named)

    def _until_stopped(self, waiting: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        assert self.should_stop is not None
        ends: float | None = None
        try:
            request = next(waiting)
            while True:
                is_ready = yield request
                if ends is None and self.should_stop():
                    ends = time.monotonic() + SECONDS_AFTER_STOP
                if ends is not None and not is_ready and time.monotonic() >= ends:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("not waited for: the process is to stop")
                request = waiting.send(is_ready)
        except StopIteration as ended:
            return ended.value
