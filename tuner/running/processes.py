"""Run several workers on this machine, and replace one that dies."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from tuner import fork_server
from tuner.errors import SearchError, TunerError
from tuner.formatting import error_line
from tuner.mapped import Parcel
from tuner.printable import show_safely
from tuner.running.signals import StopSignal
from tuner.running.worker import Task, Worker
from tuner.storage import Database, Patience, parse_url, read_counts

DEATHS_IN_A_ROW = 3
SENT_ITS_ERROR = 70
"""Exit status of a worker process whose error the parent will raise."""
POLL_SECONDS = 0.05


def run_processes(
    database: Database, task: Task, workers: int, stop: StopSignal, on_progress: Callable[[], None]
) -> None:
    """Run a task on ``workers`` processes, which share the data's memory, until all have ended.

    A worker's error ends them all and is raised here; one that dies is replaced, unless three die in a row.
    """
    processes = _WorkerProcesses(database, task)
    processes.start(workers)
    while processes.running:
        time.sleep(POLL_SECONDS)
        if stop() or processes.has_failed:
            processes.dismiss()
        else:
            on_progress()
        processes.look_after()
    processes.raise_error()


@dataclass
class _WorkerProcesses:
    """The worker processes of one search."""

    database: Database
    task: Task
    running: list[tuple[BaseProcess, Connection]] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    error: TunerError | None = None
    is_dismissed: bool = False
    finished_at_last_death: int = -1

    @property
    def has_failed(self) -> bool:
        return self.error is not None or len(self.deaths) >= DEATHS_IN_A_ROW

    def __post_init__(self) -> None:
        dataset = replace(self.task.dataset, reader=None)  # no worker reads the rows again
        self.parcel = Parcel(replace(self.task, dataset=dataset))

    def start(self, workers: int) -> None:
        for _ in range(workers):
            receiver, sender = multiprocessing.Pipe(duplex=False)
            process = fork_server.fork(
                _work, self.database.address, self.database.patience.seconds, self.parcel.content, sender
            )
            sender.close()
            self.running.append((process, receiver))

    def dismiss(self) -> None:
        """Make all workers re-queue their trials and end."""
        if not self.is_dismissed:
            self.is_dismissed = True
            for process, _ in self.running:
                process.terminate()

    def look_after(self) -> None:
        """Collect the workers that ended, and replace those that died."""
        for entry in [entry for entry in self.running if not entry[0].is_alive()]:
            process, messages = entry
            self.running.remove(entry)
            process.join()
            if process.exitcode == SENT_ITS_ERROR:
                self.error = self.error or messages.recv()
            elif process.exitcode != 0 and not self.is_dismissed:
                self._record_death(process.exitcode or 0)
            messages.close()

    def _record_death(self, exit_code: int) -> None:
        finished = read_counts(self.database, self.task.study_id, self.task.budget.call).finished
        if finished > self.finished_at_last_death:
            self.deaths.clear()
        self.finished_at_last_death = finished
        self.deaths.append(_death(exit_code))
        if not self.has_failed:
            self.start(1)

    def raise_error(self) -> None:
        if self.error is not None:
            raise self.error
        if len(self.deaths) >= DEATHS_IN_A_ROW:
            raise SearchError(
                f"{len(self.deaths)} workers in a row died, the last one {self.deaths[-1]}. Use fewer workers or less "
                "memory, then continue with the same command"
            )


def _work(address: str, patience: float, task: bytes, messages: Connection) -> None:
    """A worker process: errors go to the parent, which shows them once."""
    show_safely()
    try:
        with (
            StopSignal(multiprocessing.parent_process()).listening() as stop,
            Database(parse_url(address), Patience(patience)) as database,
        ):
            database.stop = stop
            Worker(database, pickle.loads(task), stop).work()
    except TunerError as error:
        messages.send(error)
        sys.exit(SENT_ITS_ERROR)
    except Exception as error:
        messages.send(SearchError(f"internal error: {error_line(error)}"))
        sys.exit(SENT_ITS_ERROR)


def _death(exit_code: int) -> str:
    if exit_code >= 0:
        return f"with exit status {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
