"""A process without threads that forks worker processes: this one may have any number of threads.

multiprocessing's server, started with what workers import, and without ``__main__``: a script that searches needs no
guard.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

PRELOADED = ["tuner.running.processes"]
OF_THE_SERVER = {
    "PYTHONSAFEPATH": "1",  # a file in the current folder must not stand in for a library
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1"),
}


def start() -> None:
    """Start the server if it does not run; it imports while this process goes on."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    with _environment(OF_THE_SERVER):
        forkserver.ensure_running()


def fork(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Call a function of a module in a new process, with this one's environment."""
    start()
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_run, args=(dict(os.environ), target, arguments), daemon=True)
    with _without_main():
        process.start()
    return process


def _run(environment: dict[str, str], target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(*arguments)


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        for name in changes:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


@contextmanager
def _without_main() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
