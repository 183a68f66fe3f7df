"""The process of a custom trainer, as the search sees it: started once, kept between trials, ended where it must be."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any

from tuner.data.sources.memory import available_memory, show_bytes
from tuner.errors import UsageError
from tuner.inputs import Inputs
from tuner.mapped import Parcel
from tuner.outcomes import FailureCause
from tuner.trainer_child.function import TrainerFunction
from tuner.trainer_child.messages import (
    Ended,
    EpochErrors,
    Failed,
    Loaded,
    NewData,
    PredictCall,
    Predicted,
    Returned,
    TrainCall,
    TrainerData,
)
from tuner.trainers.trainer import ALWAYS_FREE, TrialError, print_output

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_END = 2.0
"""What a trainer has to end after SIGTERM, or after it was told to; then it is killed."""
SHARE_OF_MEMORY = 0.9
"""Of the free memory, what a trainer may take."""
LONGEST_LINE = 10_000

CODE = (
    "import sys; channel, parent, *sys.path[:] = sys.argv[1:]; "
    "from tuner.trainer_child.child import main; main(int(channel), int(parent))"
)


class TrainerProcess:
    """Runs one trainer's function in a process of its own; a process that died is started again.

    Pickled, and in a fork, it is one without a process yet.
    """

    def __init__(self, function: TrainerFunction) -> None:
        self.function = function
        self._running: _Running | None = None
        self._data: tuple[object, Parcel] | None = None

    def __reduce__(self) -> Any:
        return TrainerProcess, (self.function,)

    def start(self) -> None:
        """Import the function, unless it is.  Raises UsageError."""
        if self._running is None or not self._running.is_usable:
            self._running = None  # ends the process that cannot be used
            self._running = _Running(self.function)
            self._data = None

    def train(
        self,
        call: TrainCall,
        parts: Sequence[TrainerData],
        *,
        on_epoch: Callable[[EpochErrors], bool],
        should_stop: Callable[[], bool],
        on_output: Callable[[str], None],
    ) -> Returned | Ended | None:
        """Train a network; Ended if ``on_epoch`` returned False, None if ``should_stop()`` became true.

        Raises TrialError for what the trainer does wrong, and if its process ends.
        """
        self.start()
        assert self._running is not None
        running = self._running
        running.on_output = on_output
        try:
            if self._data is None or self._data[0] is not parts:
                self._data = (parts, Parcel(parts))
                running.send(NewData(self._data[1].content))
            running.send(call)
            answer = running.answer(on_epoch, should_stop)
        except BaseException:
            running.end()
            raise
        if isinstance(answer, Failed):
            raise TrialError(answer.reason)
        assert not isinstance(answer, Predicted)
        return answer

    def predict(self, saved: Sequence[Path], inputs: Sequence[Inputs], n_classes: int, n_targets: int) -> Predicted:
        """Each saved model's class probabilities, (n, n_classes), of inputs: one, or one each.  Raises TrialError."""
        self.start()
        assert self._running is not None
        parcel = Parcel(list(inputs))
        self._running.send(PredictCall(tuple(map(str, saved)), parcel.content, n_classes, n_targets))
        answer = self._running.answer(lambda _: True, lambda: False)
        if isinstance(answer, Failed):
            raise TrialError(answer.reason)
        assert isinstance(answer, Predicted)
        return answer

    @property
    def memory(self) -> int:
        """Bytes that the process takes."""
        return 0 if self._running is None else self._running.memory()


class _Running:
    """One process."""

    def __init__(self, function: TrainerFunction) -> None:
        self.on_output: Callable[[str], None] = print_output
        self._name = function.name
        self._owner = os.getpid()
        here, there = socket.socketpair()
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-u", "-c", CODE, str(there.fileno()), str(self._owner), *map(str, sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                pass_fds=[there.fileno()],
                start_new_session=True,  # Ctrl-C is for the search, which ends this process and all that it started
            )
        self._connection = Connection(here.detach())
        assert self._process.stdout is not None
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._has_output = True
        self._line = b""
        weakref.finalize(self, _dismiss, self._process, self._connection, self._output, self._owner)
        try:
            self.send(function)
            loaded = self._next(lambda: False)
        except TrialError as error:
            raise UsageError(str(error)) from None
        except BaseException:
            self.end()
            raise
        assert isinstance(loaded, Loaded)
        if loaded.fault is not None:
            self.end()
            raise UsageError(loaded.fault)

    @property
    def is_usable(self) -> bool:
        """Whether it runs, and is this process's own."""
        return self._owner == os.getpid() and self._process.poll() is None

    def send(self, message: object) -> None:
        """Send it; a process that ended is noticed when its answer is read."""
        with suppress(ConnectionError):
            self._connection.send(message)

    def answer(
        self, on_epoch: Callable[[EpochErrors], bool], should_stop: Callable[[], bool]
    ) -> Returned | Predicted | Failed | Ended | None:
        """The answer to a call; None if it was to stop, which ends the process."""
        free = max(available_memory(), ALWAYS_FREE)
        before, looked = self.memory(), time.monotonic()

        def look() -> bool:
            nonlocal looked
            if time.monotonic() - looked >= SECONDS_BETWEEN_LOOKS:
                looked = time.monotonic()
                taken = self.memory() - before
                if taken > SHARE_OF_MEMORY * free:
                    raise TrialError(
                        f"{FailureCause.OUT_OF_MEMORY}: trainer {self._name} took {show_bytes(taken)}, and "
                        f"{show_bytes(free)} were free"
                    )
            return should_stop()

        while (message := self._next(look)) is not None:
            if isinstance(message, EpochErrors):
                goes_on = on_epoch(message)
                self.send(goes_on)
                if not goes_on:
                    return self._wait_until_ended()
            else:
                assert isinstance(message, Returned | Predicted | Failed)
                return message
        self.end()
        return None

    def _wait_until_ended(self) -> Ended:
        ends = time.monotonic() + SECONDS_TO_END
        with suppress(TrialError):  # it is over, whatever happens
            if self._next(lambda: time.monotonic() >= ends) is None:
                self.end()
        return Ended()

    def _next(self, should_stop: Callable[[], bool]) -> object:
        """The next message; None if it should stop.  Raises TrialError if the process ends."""
        while not should_stop():
            outputs = [self._output.fileno()] if self._has_output else []
            ready = wait([self._connection, *outputs], SECONDS_BETWEEN_LOOKS)
            self._read_output()
            has_ended = self._process.poll() is not None
            if self._connection in ready or self._connection.poll():
                try:
                    return self._connection.recv()
                except (EOFError, ConnectionError):
                    has_ended = True
            if has_ended:
                death = self._death()
                if should_stop():  # what stops the search may have ended this process, too
                    return None
                raise TrialError(death)
        return None

    def _death(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_BETWEEN_LOOKS)
        time.sleep(SECONDS_BETWEEN_LOOKS)  # a signal to all processes may arrive here last
        status = self._process.returncode
        self.end()
        if status is None:
            how = "closed its connection to the search"
        elif status >= 0:
            how = f"ended its process with exit status {status}, expected it to return"
        else:
            name = signal.Signals(-status).name
            how = f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        return f"{FailureCause.CRASHED}: trainer {self._name} {how}"

    def end(self) -> None:
        """End it: by SIGTERM, then by SIGKILL, with all processes that it started."""
        _signal(self._process, signal.SIGTERM)
        ends = time.monotonic() + SECONDS_TO_END
        while self._process.poll() is None and time.monotonic() < ends:
            time.sleep(0.01)
            self._read_output()
        _signal(self._process, signal.SIGKILL)
        self._process.wait()
        self._read_output()
        self._has_output = False
        self._connection.close()
        self._output.close()

    def memory(self) -> int:
        """Bytes that it does not share with other processes."""
        import psutil

        with suppress(psutil.Error):
            info = psutil.Process(self._process.pid).memory_info()
            return int(info.rss - info.shared)
        return 0

    def _read_output(self) -> None:
        """Hand on the lines it printed."""
        printed = self._output.read(1 << 16) if self._has_output else None
        if printed is None:
            return
        self._has_output = bool(printed)
        *lines, self._line = (self._line + printed.replace(b"\r", b"\n")).split(b"\n")
        if not printed or len(self._line) > LONGEST_LINE:
            lines, self._line = [*lines, self._line], b""
        for line in lines:
            if line.strip():
                self.on_output(line.decode(errors="backslashreplace").rstrip())


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _dismiss(process: subprocess.Popen[bytes], connection: Connection, output: IO[bytes], owner: int) -> None:
    """Let a process go that nobody asks any more: it ends as its connection does."""
    connection.close()
    output.close()
    if os.getpid() != owner:
        return
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        process.wait()
