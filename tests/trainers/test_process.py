"""A custom trainer's own process: kept between trials, ended where it must be, and every death named."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import DEADLINE
from tuner.data import Table
from tuner.errors import UsageError
from tuner.inputs import Inputs
from tuner.trainer_child.function import TrainerFunction
from tuner.trainer_child.messages import Ended, Returned, TrainCall, TrainerData
from tuner.trainers import TrialError, process
from tuner.trainers.process import TrainerProcess

TRAINERS = """
import ctypes, os, signal, sys, threading, time
import numpy as np

def prints(params, data, seed, report):
    print("process", os.getpid(), "seed", seed)
    os.write(2, b"and from C\\n")
    return data.train.y, data.dev.y

def sleeps_in_c(params, data, seed, report):
    print("began", flush=True)
    ctypes.PyDLL(None).sleep(1000)  # with the interpreter's lock

def ignores_everything(params, data, seed, report):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("began")
    while True:
        try:
            report(1, 0.5, 0.5)
        except BaseException:
            time.sleep(0.01)

def exits(params, data, seed, report):
    os._exit(0)

def aborts(params, data, seed, report):
    os.abort()

def reads_nothing(params, data, seed, report):
    ctypes.string_at(0)

def is_killed(params, data, seed, report):
    os.kill(os.getpid(), signal.SIGKILL)

def allocates(params, data, seed, report):
    kept = []
    while True:
        kept.append(np.ones(1_000_000))
        time.sleep(0.01)

def writes(params, data, seed, report):
    data.dev.y[0] = 1

def cleans_up(params, data, seed, report):
    try:
        print("began", flush=True)
        time.sleep(1000)
    finally:
        open("cleaned", "w").close()
"""


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], TrainerProcess]:
    """The process of one of these trainers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trainers_of_this_test.py").write_text(TRAINERS, encoding="utf-8")
    return lambda name: TrainerProcess(TrainerFunction(f"trainers_of_this_test:{name}", (tmp_path,)))


def data() -> list[TrainerData]:
    """Two classes."""
    y = np.arange(6) % 2
    table = Table(Inputs.of(np.zeros((6, 2), np.float32)), y, np.arange(6))
    return [TrainerData(table, table, None, ("a", "b"), ("x", "y"), None)]


def train(
    trainer: TrainerProcess,
    parts: list[TrainerData] | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_output: Callable[[str], object] = lambda line: None,
) -> Returned | Ended | None:
    """One network, with seed 7; the first epoch that is reported is the last."""
    return trainer.train(
        TrainCall({}, 0, 7, 10),
        data() if parts is None else parts,
        on_epoch=lambda epoch: False,
        should_stop=should_stop,
        on_output=lambda line: on_output(line) and None,
    )


def test_one_process_runs_all_trials(trainer: Callable[[str], TrainerProcess]) -> None:
    """It is another one than the search's, and what it prints, in Python or in C, arrives line by line."""
    one, parts, lines = trainer("prints"), data(), []
    for _ in range(2):
        assert isinstance(train(one, parts, on_output=lines.append), Returned)
    del one
    first, second = (line for line in lines if line.startswith("process"))
    assert first == second
    assert first.endswith("seed 7")
    assert first.split()[1] != str(os.getpid())
    assert "and from C" in lines


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exits", "exits ended its process with exit status 0, expected it to return"),
        ("aborts", "was ended by SIGABRT"),
        ("reads_nothing", "was ended by SIGSEGV"),
        ("is_killed", r"was ended by SIGKILL \(out of memory\?\)"),
    ],
)
def test_a_death_is_a_failure_with_its_name(trainer: Callable[[str], TrainerProcess], name: str, expected: str) -> None:
    """The next trial has a new process."""
    one = trainer(name)
    for _ in range(2):
        with pytest.raises(TrialError, match=f"crashed: trainer trainers_of_this_test:.*{expected}"):
            train(one)


@pytest.mark.parametrize("name", ["sleeps_in_c", "cleans_up"])
def test_a_trainer_ends_when_told_to(trainer: Callable[[str], TrainerProcess], name: str) -> None:
    """By SIGTERM, which lets Python clean up, or by SIGKILL."""
    lines: list[str] = []
    began = time.monotonic()
    assert train(trainer(name), should_stop=lambda: "began" in lines, on_output=lines.append) is None
    assert time.monotonic() - began < DEADLINE
    assert Path("cleaned").exists() == (name == "cleans_up")


def test_a_trainer_that_does_not_end_when_told_to_is_killed(trainer: Callable[[str], TrainerProcess]) -> None:
    """Its trial has ended all the same."""
    one = trainer("ignores_everything")
    one.start()
    began = time.monotonic()
    assert isinstance(train(one), Ended)
    assert time.monotonic() - began < DEADLINE
    assert one.memory == 0


def test_a_trainer_may_not_take_all_memory(
    trainer: Callable[[str], TrainerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails before the system has to end processes."""
    monkeypatch.setattr(process, "available_memory", lambda: 100_000_000)
    with pytest.raises(TrialError, match=r"out of memory: trainer .*:allocates took .* MB, and 100 MB were free"):
        train(trainer("allocates"))


def test_no_trial_changes_the_data_of_the_next(trainer: Callable[[str], TrainerProcess]) -> None:
    """Small arrays, which are not mapped, cannot be written to either."""
    with pytest.raises(TrialError, match="assignment destination is read-only"):
        train(trainer("writes"))


def test_the_process_ends_with_its_owner(trainer: Callable[[str], TrainerProcess]) -> None:
    """Nothing is left behind."""
    one = trainer("prints")
    one.start()
    assert one._running is not None
    pid = one._running._process.pid
    del one
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_module_that_ends_its_process_cannot_be_imported(tmp_path: Path) -> None:
    """The search is told so before anything is made."""
    (tmp_path / "ends_while_imported.py").write_text("import os\nos._exit(3)\n", encoding="utf-8")
    function = TrainerFunction("ends_while_imported:fit", (tmp_path,))
    with pytest.raises(UsageError, match="ended its process with exit status 3"):
        TrainerProcess(function).start()
