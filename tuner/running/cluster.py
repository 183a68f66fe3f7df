"""``--executor dask``: the workers run on a Dask cluster, one a Dask worker process; the database keeps the order."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tuner.errors import SearchError, StorageError, TunerError, UsageError
from tuner.formatting import error_line, one_line
from tuner.running.worker import Task, Worker
from tuner.storage import Database, parse_url, read_progress, shown, sqlite_file
from tuner.workspace.locating import storage_url

EXECUTORS = ("processes", "dask")
POLL_SECONDS = 0.2
CONNECT_SECONDS = 10
PUT_BACK_SECONDS = 3.0
"""How long a search that is stopped waits for its workers to put their trials back."""


def check_executor(executor: str, scheduler: str | None, storage: str | None) -> None:
    """Refuse what cannot work before anything is made.  Raises UsageError."""
    if executor not in EXECUTORS:
        raise UsageError(f"--executor {executor}: expected one of {', '.join(EXECUTORS)}")
    if executor != "dask":
        if scheduler is not None:
            raise UsageError(f"--scheduler {scheduler}: goes with --executor dask, got --executor {executor}")
        return
    if scheduler is None:
        raise UsageError("--executor dask needs --scheduler ADDRESS, like tcp://host:8786")
    url = storage_url(storage)
    if sqlite_file(url) is not None:
        raise UsageError(
            f"--executor dask cannot use {shown(url)}: SQLite is a file of one machine, whose locks do not reach the "
            "others; use --storage postgresql://USER@HOST/DATABASE"
        )
    connect(scheduler).close()


def connect(scheduler: str) -> Any:
    """A client of a Dask scheduler.  Raises UsageError where none answers."""
    try:
        distributed = importlib.import_module("distributed")
    except ModuleNotFoundError as error:
        raise UsageError(
            f'--executor dask: {error.name!r} is missing; install it with pip install "tuner-search[dask]"'
        ) from None
    try:
        return distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        reason = one_line(error)[:200]
        raise UsageError(f"--scheduler {scheduler}: no Dask scheduler answers there ({reason})") from None


def run_on_cluster(
    database: Database,
    task: Task,
    scheduler: str,
    workers: int | None,
    stop: Callable[[], bool],
    on_progress: Callable[[], None],
) -> None:
    """Run a task on all Dask workers, or at most so many, until it is done; those that come later are used too.

    A Dask worker that is lost loses nothing: its trial is taken over by another one, as from any dead worker.
    """
    client = connect(scheduler)
    dask_workers = _DaskWorkers(client, database.address, replace(task, deadline=None), task.deadline, workers)
    try:
        while not dask_workers.is_done:
            if stop() or dask_workers.time_is_up:
                break
            dask_workers.look_after()
            on_progress()
            time.sleep(POLL_SECONDS)
        if not dask_workers.is_done:
            dask_workers.dismiss()
            _wait_for_put_back(database, task)
    except (OSError, TimeoutError) as error:
        raise SearchError(
            f"--scheduler {scheduler}: the Dask scheduler was lost ({error}); go on with the same command"
        ) from error
    finally:
        with suppress(OSError, TimeoutError):
            client.close()


def _wait_for_put_back(database: Database, task: Task) -> None:
    end = time.monotonic() + PUT_BACK_SECONDS
    while time.monotonic() < end and read_progress(database, task.study_id).running:
        time.sleep(0.1)


@dataclass
class _DaskWorkers:
    """The Dask workers that run one search."""

    client: Any
    address: str
    task: Task
    deadline: float | None
    most: int | None
    running: dict[str, Any] = field(default_factory=dict)
    placed: dict[str, tuple[str, Any]] = field(default_factory=dict)
    started: int = 0

    @property
    def has_finished(self) -> bool:
        """Whether a worker has ended by itself, as it does when nothing is left to do or to wait for."""
        return any(future.status == "finished" for future in self.running.values())

    @property
    def is_done(self) -> bool:
        """Whether all have."""
        return bool(self.running) and all(future.status == "finished" for future in self.running.values())

    @property
    def time_is_up(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def look_after(self) -> None:
        """Hire who has come, let go of who is gone, and see who has finished."""
        there = set(self.client.nthreads())
        for worker in [worker for worker in self.running if worker not in there]:
            self.running.pop(worker).cancel()
        for worker in sorted(there - set(self.running)):
            if not self.has_finished and (self.most is None or len(self.running) < self.most):
                self.running[worker] = self._start(worker, there)
        for worker, future in list(self.running.items()):
            if future.status in ("error", "lost", "cancelled"):
                del self.running[worker]
                self._raise(future)

    def _start(self, worker: str, there: set[str]) -> Any:
        self.started += 1
        return self.client.submit(
            _work,
            self._data_for(worker, there),
            self.address,
            key=f"tuner-{self.task.budget.call}-{self.started}",
            workers=[worker],
            pure=False,
        )

    def _data_for(self, worker: str, there: set[str]) -> Any:
        """The task with its data, sent once to each machine; its other workers fetch them from the one that has."""
        host = worker.rpartition("://")[2].rpartition(":")[0]
        holder, future = self.placed.get(host, ("", None))
        if holder not in there:
            (future,) = self.client.scatter([self.task], workers=[worker], hash=False)
            self.placed[host] = (worker, future)
        return future

    def _raise(self, future: Any) -> None:
        """Raise a worker's own error; that it was lost on the way is none."""
        if future.status != "error":
            return
        error = future.exception()
        if isinstance(error, StorageError):
            raise SearchError(str(error)) from error
        if isinstance(error, TunerError):
            raise error
        if type(error).__name__ not in ("KilledWorker", "FutureCancelledError", "NoValidWorkerError"):
            raise SearchError(f"a Dask worker failed with {error_line(error)}") from error

    def dismiss(self) -> None:
        """Cancel what runs: the workers notice, and put their trials back."""
        for future in self.running.values():
            future.cancel()


def _work(task: Task, address: str) -> None:
    """What a Dask worker runs: one of our workers, until nothing is left to do or nobody wants it any more."""
    dask_worker = importlib.import_module("distributed").get_worker()
    key = dask_worker.get_current_task()

    def is_unwanted() -> bool:
        """Whether the search was stopped or is gone: its client's tasks are canceled then."""
        state = dask_worker.state.tasks.get(key)
        return state is None or state.state not in ("executing", "long-running")

    with Database(parse_url(address)) as database:
        Worker(database, task, is_unwanted).work()
