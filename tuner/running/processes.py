"""Run several workers on this machine, and replace one that dies."""

from __future__ import annotations

import math
import multiprocessing
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from tuner import fork_server
from tuner.errors import SearchError, TunerError
from tuner.formatting import error_line
from tuner.mapped import Parcel
from tuner.printable import show_safely
from tuner.running.confirmation_job import is_split_again
from tuner.running.signals import StopSignal
from tuner.running.task import Task
from tuner.running.worker import Worker
from tuner.storage import Database, Patience, parse_url, read_counts

DEATHS_IN_A_ROW = 3
SENT_ITS_ERROR = 70
"""Exit status of a worker process whose error the parent will raise."""
POLL_SECONDS = 0.05
ALIVE = "alive"
"""What a worker sends where it has nothing else to say."""


def run_processes(
    database: Database, task: Task, workers: int, stop: StopSignal, on_progress: Callable[[], None]
) -> None:
    """Run a task on ``workers`` processes, which share the data's memory, until all have ended.

    A worker's error ends them all and is raised here; one that dies is replaced, unless three die in a row.
    """
    if not is_split_again(task.dataset):
        task = replace(task, dataset=replace(task.dataset, reader=None))  # no worker reads the rows again
    parcel = Parcel(task)
    processes = WorkerProcesses(
        lambda sender: fork_server.fork(_work, database.address, database.patience.seconds, parcel.content, sender),
        lambda: read_counts(database, task.study_id, task.budget.call).finished,
    )
    processes.run(workers, stop, on_progress)


@dataclass
class WorkerProcesses:
    """Worker processes, and what they send.

    ``fork(sender)`` starts one, which sends its error, if any, as the last message; ``on_message`` is called with all
    others, ``on_death`` with how one died.  ``read_finished()``: trials finished so far.  ``one_ends_all``: an error of
    one worker ends the others.  ``silence``: seconds after which a worker that sends nothing, not even ALIVE, is
    killed: nothing else ends a call into C that does not return.
    """

    fork: Callable[[Connection], BaseProcess]
    read_finished: Callable[[], int]
    on_message: Callable[[Any], object] = lambda message: None
    on_death: Callable[[str], object] = lambda text: None
    one_ends_all: bool = True
    silence: float = math.inf
    running: list[tuple[BaseProcess, Connection]] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    error: TunerError | None = None
    is_dismissed: bool = False
    finished_at_last_death: int = -1
    looked: float = field(default_factory=time.monotonic)
    heard: dict[int, float] = field(default_factory=dict)

    def run(self, workers: int, stop: Callable[[], bool], on_progress: Callable[[], None] = lambda: None) -> None:
        """Start so many, and look after them until all have ended.  Raises the first one's error, or SearchError."""
        self._start(workers)
        while self.running:
            time.sleep(POLL_SECONDS)
            self.looked = time.monotonic()
            if stop() or self._has_died_too_often or (self.error is not None and self.one_ends_all):
                self._dismiss()
            else:
                on_progress()
            self._look_after()
        self._raise_error()

    @property
    def _has_died_too_often(self) -> bool:
        return len(self.deaths) >= DEATHS_IN_A_ROW

    def _start(self, workers: int) -> None:
        for _ in range(workers):
            receiver, sender = multiprocessing.Pipe(duplex=False)
            process = self.fork(sender)
            sender.close()
            self.running.append((process, receiver))
            self.heard[process.pid or 0] = time.monotonic()

    def _dismiss(self) -> None:
        """Make all workers re-queue their trials and end."""
        if not self.is_dismissed:
            self.is_dismissed = True
            for process, _ in self.running:
                process.terminate()

    def _look_after(self) -> None:
        """Read what workers sent, collect those that ended, and replace those that died."""
        for entry in list(self.running):
            process, messages = entry
            is_alive = process.is_alive()  # asked first: what it sent before it ended is read below
            if self._read(messages):
                self.heard[process.pid or 0] = time.monotonic()
            if is_alive:
                if time.monotonic() - self.heard[process.pid or 0] > self.silence:
                    process.kill()
                continue
            self.running.remove(entry)
            self.heard.pop(process.pid or 0)
            process.join()
            if process.exitcode not in (0, SENT_ITS_ERROR) and not self.is_dismissed:
                self._record_death(process.exitcode or 0)
            messages.close()

    def _read(self, messages: Connection) -> bool:
        """Take what a worker sent; returns whether that was anything."""
        has_sent = False
        with suppress(EOFError, OSError):
            while messages.poll():
                message, has_sent = messages.recv(), True
                if isinstance(message, TunerError):
                    self.error = self.error or message
                elif message != ALIVE:
                    self.on_message(message)
        return has_sent

    def _record_death(self, exit_code: int) -> None:
        finished = self.read_finished()
        if finished > self.finished_at_last_death:
            self.deaths.clear()
        self.finished_at_last_death = finished
        self.deaths.append(_death(exit_code))
        self.on_death(self.deaths[-1])
        if not self._has_died_too_often and (self.error is None or not self.one_ends_all):
            self._start(1)

    def _raise_error(self) -> None:
        if self.error is not None:
            raise self.error
        if self._has_died_too_often:
            raise SearchError(
                f"{len(self.deaths)} workers in a row died, the last one {self.deaths[-1]}. Use fewer workers or less "
                "memory, then continue with the same command"
            )


@contextmanager
def sending_errors(messages: Connection) -> Iterator[None]:
    """Send an error of the block to the parent, which shows it once, and end this process."""
    show_safely()
    try:
        yield
    except TunerError as error:
        messages.send(error)
        sys.exit(SENT_ITS_ERROR)
    except Exception as error:
        messages.send(SearchError(f"internal error: {error_line(error)}"))
        sys.exit(SENT_ITS_ERROR)


def _work(address: str, patience: float, task: bytes, messages: Connection) -> None:
    """A worker process."""
    with (
        sending_errors(messages),
        StopSignal(multiprocessing.parent_process()).listening() as stop,
        Database(parse_url(address), Patience(patience)) as database,
    ):
        database.stop = stop
        Worker(database, pickle.loads(task), stop).work()


def _death(exit_code: int) -> str:
    if exit_code >= 0:
        return f"with exit status {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
