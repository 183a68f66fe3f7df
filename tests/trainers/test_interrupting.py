"""Ending a function that does not ask: soon, in its own thread, and without a trace where nothing was to end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from tests.conftest import DEADLINE
from tuner.trainers.interrupting import TrialEnded, interruptible

TRACED = """
import sys, threading
from tuner.trainers.interrupting import interruptible

sys.settrace(lambda *_: None)
with interruptible(lambda: False, threading.Lock()):
    pass
(lambda: print("went on"))()
"""


def turn(seconds: float) -> None:
    """Keep Python busy for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_a_loop_without_end_is_ended() -> None:
    """Within a look or two of being told to stop."""
    began = time.monotonic()
    with pytest.raises(TrialEnded), interruptible(lambda: True, threading.Lock()):
        turn(1000)
    assert time.monotonic() < began + DEADLINE


def test_nothing_is_raised_while_the_lock_is_held() -> None:
    """What must not be torn apart is finished first."""
    busy, steps = threading.Lock(), []

    def work() -> None:
        with busy:
            turn(0.5)
            steps.append("finished")
        turn(60)
        steps.append("too far")

    with pytest.raises(TrialEnded), interruptible(lambda: True, busy):
        work()
    assert steps == ["finished"]


def test_a_block_that_ends_by_itself_leaves_no_watcher() -> None:
    """No thread, and no exception later on."""
    before = threading.active_count()
    with interruptible(lambda: False, threading.Lock()):
        pass
    assert threading.active_count() == before


def test_a_traced_program_goes_on_after_the_block() -> None:
    """A debugger or coverage traces the process: the next function is called all the same."""
    result = subprocess.run(
        [sys.executable, "-c", TRACED], capture_output=True, text=True, timeout=DEADLINE, check=True
    )
    assert result.stdout == "went on\n"
