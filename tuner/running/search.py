"""A search: workers on this machine until the budget is complete, and what came of it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from tuner.errors import SearchError, TunerError
from tuner.running.preparing import PreparedStudy
from tuner.running.worker import POLL_SECONDS, StopSignal, Task, Worker
from tuner.storage import Budget, Counts, Database, Progress, mask, raise_budget, read_counts, read_progress

DEATHS = 3
FAILED = 70
"""Exit status of a worker process that sent its error to the parent."""
SECONDS_BETWEEN_REPORTS = 0.2


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What one call of ``search`` asks for.

    ``trials``: exactly so many more by this call; ``total``: raise the study's budget to so many in all; neither:
    complete the
    study's budget.  ``timeout`` in seconds.
    """

    trials: int | None = None
    total: int | None = None
    workers: int = 1
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search did (``run``) and where the study stands; ``signal`` is what stopped it, if something did."""

    study: str
    storage: str
    seconds: float
    run: Counts
    progress: Progress
    signal: int | None = None
    timed_out: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As ``tuner search --json`` prints it."""
        best = self.progress.best
        return {
            "study": self.study,
            "storage": self.storage,
            "seconds": round(self.seconds, 3),
            "run": asdict(self.run),
            "trials": asdict(self.progress.counts),
            "best": None
            if best is None
            else {
                "number": best.number,
                "dev_error": best.dev_error,
                "train_error": best.train_error,
                "params": json.loads(best.hyperparameters),
            },
        }

    def text(self) -> str:
        """The result in a few lines, for a person."""
        run, counts, best = self.run, self.progress.counts, self.progress.best
        done = run.complete + run.pruned
        total = counts.complete + counts.pruned
        if done == run.failed == 0 and self.signal is None and not self.timed_out:
            first = f"nothing to do: the study is finished ({total} trials); --trials N adds N more"
        else:
            first = f"{done} trials in {self.seconds:.1f} s{_details(run)}; {total} of {self.progress.budget} in all"
        if best is None:
            return f"{first}\nno trial has a usable result yet"
        params = ", ".join(f"{name} {_short(value)}" for name, value in json.loads(best.hyperparameters).items())
        return (
            f"{first}\nbest: trial {best.number}, dev error {best.dev_error:.2%}, train error {best.train_error:.2%}\n"
            f"      {params}"
        )


def _details(counts: Counts) -> str:
    parts = [f"{n} {name}" for name, n in asdict(counts).items() if n and name != "complete"]
    return f" ({', '.join(parts)})" if parts else ""


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Report:
    """What is shown while a search runs; ``allowed`` is the number of finished trials it works towards."""

    progress: Progress
    allowed: int
    workers: int


OnProgress = Callable[[Report], None]


def run_search(study: PreparedStudy, request: SearchRequest, on_progress: OnProgress | None = None) -> SearchResult:
    """Run trials until the request is met.  Raises SearchError where trials fail one after the other.

    SIGINT and SIGTERM put the running trials back and end the search; ``SearchResult.signal`` tells.
    """
    began = time.monotonic()
    database, stored = study.database, study.stored
    if request.total is not None:
        raise_budget(database, stored.study_id, to=request.total)
    call = uuid.uuid4().hex
    task = Task(
        study_id=stored.study_id,
        definition=study.definition,
        dataset=study.dataset,
        dev_folds=study.dev_folds,
        budget=Budget(call, request.trials),
        deadline=None if request.timeout is None else began + request.timeout,
    )
    before = read_progress(database, stored.study_id)
    watch = _Watch(database, task, request, before, on_progress)
    with StopSignal().listening() as stop:
        if request.workers == 1:
            Worker(database, task, stop, watch.look).work()
        else:
            _run_processes(database, task, request.workers, stop, watch)
    watch.look(always=True)
    return SearchResult(
        study=stored.name,
        storage=mask(database.url),
        seconds=time.monotonic() - began,
        run=read_counts(database, stored.study_id, call),
        progress=read_progress(database, stored.study_id),
        signal=stop.number,
        timed_out=task.deadline is not None and time.monotonic() >= task.deadline,
    )


class _Watch:
    """Reads the progress for whoever shows it, not more often than an eye can follow."""

    def __init__(
        self, database: Database, task: Task, request: SearchRequest, before: Progress, on_progress: OnProgress | None
    ) -> None:
        self._database = database
        self._task = task
        self._request = request
        self._counted_before = before.counts.complete + before.counts.pruned
        self._on_progress = on_progress
        self._last = 0.0

    def look(self, always: bool = False) -> None:
        now = time.monotonic()
        if self._on_progress is None or (now - self._last < SECONDS_BETWEEN_REPORTS and not always):
            return
        self._last = now
        progress = read_progress(self._database, self._task.study_id)
        extra = self._request.trials
        allowed = progress.budget if extra is None else self._counted_before + extra
        self._on_progress(Report(progress, allowed, self._request.workers))


def _run_processes(database: Database, task: Task, workers: int, stop: StopSignal, watch: _Watch) -> None:
    """Fork the workers (they share the data's memory), follow them, and replace one that dies; three deaths end it."""
    database.close()  # connections must not cross a fork
    context = multiprocessing.get_context("fork")
    running = [_start(context, database, task) for _ in range(workers)]
    deaths: list[str] = []
    error: TunerError | None = None
    told = False
    while running:
        time.sleep(POLL_SECONDS / 5)
        watch.look()
        if (stop or error or len(deaths) >= DEATHS) and not told:
            told = True
            for process, _ in running:
                os.kill(process.pid or 0, signal.SIGTERM)
        for entry in [entry for entry in running if not entry[0].is_alive()]:
            running.remove(entry)
            process, messages = entry
            process.join()
            if process.exitcode == FAILED:
                error = error or messages.recv()
            elif process.exitcode != 0:
                deaths.append(_death(process.exitcode or 0))
                if not told and len(deaths) < DEATHS:
                    running.append(_start(context, database, task))
    if error is not None:
        raise error
    if len(deaths) >= DEATHS:
        raise SearchError(
            f"{len(deaths)} workers died, the last one {deaths[-1]}; use fewer workers or less memory, "
            f"then go on with: tuner search {task.definition.name}"
        )


def _start(context: Any, database: Database, task: Task) -> tuple[BaseProcess, Connection]:
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(database, task, sender), daemon=True)
    process.start()
    sender.close()
    return process, receiver


def _work(database: Database, task: Task, messages: Connection) -> None:
    """A worker process: errors go to the parent, which prints them once."""
    try:
        with StopSignal().listening() as stop:
            Worker(Database(database.url), task, stop).work()
    except TunerError as error:
        messages.send(error)
        sys.exit(FAILED)


def _death(exit_code: int) -> str:
    if exit_code >= 0:
        return f"with exit status {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
