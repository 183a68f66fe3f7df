"""Interrupt work that does not check whether to stop."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tuner.trainer_child.messages import TrialEnded

SECONDS_BETWEEN_LOOKS = 0.2


@contextmanager
def interruptible(should_stop: Callable[[], bool], busy: threading.Lock) -> Iterator[None]:
    """Raise TrialEnded in the block, soon after ``should_stop()`` has become true, but not while ``busy`` is held.

    Another thread asks five times a second.  Python delivers the exception between two of its instructions: a long
    call into a library's C code ends first.
    """
    watcher = _Watcher(should_stop, threading.get_ident(), busy)
    watcher.start()
    try:
        yield
    finally:
        watcher.leave()


class _Watcher(threading.Thread):
    def __init__(self, should_stop: Callable[[], bool], target: int, busy: threading.Lock) -> None:
        super().__init__(daemon=True)
        self._should_stop = should_stop
        self._target = ctypes.c_ulong(target)
        self._left = threading.Event()
        self._busy = busy

    def run(self) -> None:
        while not self._left.wait(SECONDS_BETWEEN_LOOKS):
            if self._should_stop():
                with self._busy:
                    if not self._left.is_set():
                        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._target, ctypes.py_object(TrialEnded))
                return

    def leave(self) -> None:
        """End the watch; an exception that was sent and has not arrived yet arrives here.

        It is not taken back: CPython 3.11 would then wait for an exception for ever in every thread that is traced, as
        by a debugger or by coverage.
        """
        with self._busy:
            self._left.set()
        self.join()
