"""``--executor dask``: run one worker in each Dask worker process; the database coordinates them."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tuner.errors import SearchError, StorageError, TunerError, UsageError
from tuner.formatting import error_line, message_of, one_line
from tuner.running.task import Task
from tuner.running.worker import Worker
from tuner.storage import PATIENTLY, Database, parse_url, read_progress, shown, sqlite_file
from tuner.workspace.locating import storage_url

EXECUTORS = ("processes", "dask")
POLL_SECONDS = 0.2
CONNECT_SECONDS = 10
REQUEUE_SECONDS = 3.0
"""How long a stopped search waits for its workers to re-queue their trials."""


def check_executor(executor: str, scheduler: str | None, storage: str | None) -> None:
    """Raise UsageError for options that cannot work, before anything is created."""
    if executor not in EXECUTORS:
        raise UsageError(f"--executor {executor}: expected {' or '.join(EXECUTORS)}")
    if executor != "dask":
        if scheduler is not None:
            raise UsageError(f"--scheduler {scheduler}: needs --executor dask, got --executor {executor}")
        return
    if scheduler is None:
        raise UsageError("--executor dask needs --scheduler ADDRESS, like tcp://host:8786")
    url = storage_url(storage)
    if sqlite_file(url) is not None:
        raise UsageError(
            f"--executor dask cannot use {shown(url)}: SQLite works on one machine only; "
            "use --storage postgresql://USER@HOST/DATABASE"
        )
    connect(scheduler).close()


def connect(scheduler: str) -> Any:
    """Connect to a Dask scheduler.  Raises UsageError if none answers."""
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
        raise UsageError(f"--scheduler {scheduler}: no Dask scheduler answers ({reason})") from None


def run_on_cluster(
    database: Database,
    task: Task,
    scheduler: str,
    workers: int | None,
    stop: Callable[[], bool],
    on_progress: Callable[[], None],
) -> None:
    """Run a task on all Dask workers, or at most ``workers`` of them, until it is done; later ones may join.

    If a Dask worker is lost, another one takes over its trial.
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
            _wait_for_requeued(database, task)
    except (OSError, TimeoutError) as error:
        raise SearchError(
            f"--scheduler {scheduler}: lost the connection ({message_of(error)}). Continue with the same command"
        ) from error
    finally:
        with suppress(OSError, TimeoutError):
            client.close()


def _wait_for_requeued(database: Database, task: Task) -> None:
    end = time.monotonic() + REQUEUE_SECONDS
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
        """Whether a worker has ended because nothing is left to do."""
        return any(future.status == "finished" for future in self.running.values())

    @property
    def is_done(self) -> bool:
        """Whether all workers have ended."""
        return bool(self.running) and all(future.status == "finished" for future in self.running.values())

    @property
    def time_is_up(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def look_after(self) -> None:
        """Start work on new Dask workers, forget lost ones, and collect finished ones."""
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
        """The task with its data, sent once to each machine; its other workers fetch it from the first."""
        host = worker.rpartition("://")[2].rpartition(":")[0]
        holder, future = self.placed.get(host, ("", None))
        if holder not in there:
            (future,) = self.client.scatter([self.task], workers=[worker], hash=False)
            self.placed[host] = (worker, future)
        return future

    def _raise(self, future: Any) -> None:
        """Raise a worker's own error; a lost worker is not an error."""
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
        """Cancel the running workers, which then re-queue their trials."""
        for future in self.running.values():
            future.cancel()


def _work(task: Task, address: str) -> None:
    """Run one worker in a Dask worker process until nothing is left to do or it is canceled."""
    dask_worker = importlib.import_module("distributed").get_worker()
    key = dask_worker.get_current_task()

    def is_unwanted() -> bool:
        """Whether the search was stopped or its client is gone, which cancels its tasks."""
        state = dask_worker.state.tasks.get(key)
        return state is None or state.state not in ("executing", "long-running")

    with Database(parse_url(address), PATIENTLY) as database:
        database.stop = is_unwanted
        Worker(database, task, is_unwanted).work()
