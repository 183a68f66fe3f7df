"""Run a search until its budget is complete."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from signal import SIGINT
from typing import Any, TypeVar

from tuner.arguments import integer, number, one_of
from tuner.commands import command_text
from tuner.errors import ArgumentError, SearchError, Stop, StorageError, UnavailableError
from tuner.formatting import count, duration, value
from tuner.limits import MOST_CONFIRMED, MOST_PROCESSES
from tuner.outcomes import FailureGroup, TrialState, failure_groups
from tuner.reference_models import ALL, CHOICES
from tuner.running.cluster import run_on_cluster
from tuner.running.goal import Goal
from tuner.running.processes import run_processes
from tuner.running.signals import StopSignal
from tuner.running.task import Task
from tuner.running.worker import EndedEpoch, Worker, threads_of
from tuner.storage import (
    Budget,
    Counts,
    Database,
    EndedTrial,
    EndedTrials,
    History,
    Hold,
    HoldKind,
    Progress,
    mask,
    read_counts,
    read_failures,
    read_hold,
    read_progress,
    read_study,
    set_budget,
)
from tuner.workspace.creating import PreparedStudy

SECONDS_BETWEEN_REPORTS = 0.2
SECONDS_BETWEEN_LOOKS_IN = 1.0


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What one call of ``search`` asks for.

    ``trials``: run exactly this many more; ``total``: set the study's budget to this many in all; neither: complete
    its budget.  ``timeout``: seconds.  ``workers``: processes on this machine (default 1) or, with the address of
    a Dask ``scheduler``, the most Dask workers to use (default all).  ``references``: the reference models that a new
    study trains, "all", "fast" (the majority class and logistic regression) or "none".  ``confirm``: so many of the
    best trials are trained again once the budget is complete, with None as many as the definition says.
    """

    trials: int | None = None
    total: int | None = None
    workers: int | None = None
    timeout: float | None = None
    scheduler: str | None = None
    references: str = ALL
    confirm: int | None = None

    def __post_init__(self) -> None:
        if self.trials is not None and self.total is not None:
            raise ArgumentError(f"trials and total are mutually exclusive, got {self.trials} and {self.total}")
        for name, most in (("trials", math.inf), ("total", math.inf), ("workers", MOST_PROCESSES)):
            if getattr(self, name) is not None:
                integer(name, getattr(self, name), low=1, high=most)
        if self.timeout is not None:
            number("timeout", self.timeout, above=0)
        if self.confirm is not None:
            integer("confirm", self.confirm, low=0, high=MOST_CONFIRMED)
        one_of("references", self.references, CHOICES)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search did (``run``), and the state of its study; ``signal``: the signal that stopped it, if any.

    ``failures``: why trials of this call failed.  ``hold``: who paused or canceled the study.  ``error_name``: what
    its errors are called.  ``confirmed``: the best trial by all trainings, if the best were trained again;
    ``trained_again``: trainings that were done meanwhile.  ``left``: trials of ``--trials`` that were not run.
    """

    study: str
    words: list[str]
    storage: str
    seconds: float
    run: Counts
    progress: Progress
    signal: int | None = None
    timed_out: bool = False
    ended_early: str | None = None
    failures: Sequence[FailureGroup] = ()
    hold: Hold | None = None
    error_name: str = "error"
    confirmed: int | None = None
    trained_again: int = 0
    left: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As ``tuner search --json`` prints it."""
        best = self.progress.best
        return {
            "study": self.study,
            "storage": self.storage,
            "seconds": round(self.seconds, 3),
            "run": self.run.to_dict(),
            "trials": self.progress.counts.to_dict(),
            "hold": None if self.hold is None else asdict(self.hold),
            "failures": [group.to_dict() for group in self.failures],
            **({} if self.confirmed is None else {"confirmed": self.confirmed}),
            "best": None
            if best is None
            else {
                "number": best.number,
                "dev_error": best.dev_error,
                "train_error": best.train_error,
                "params": json.loads(best.hyperparameters),
            },
        }

    def raise_signal(self) -> None:
        """End the caller as the signal would have, if one stopped the search."""
        if self.signal == SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise SystemExit(128 + self.signal)

    @property
    def headlines(self) -> list[str]:
        """What this call did, and the study's progress; then why it ended early, and why trials failed."""
        run, counts = self.run, self.progress.counts
        done, total = run.finished, counts.finished
        if done == run.failed == 0 and self.hold is not None:
            lines = [f"nothing was run; {count(total, 'trial')} of {self.progress.budget:,}"]
        elif done == run.failed == self.trained_again == 0 and self.signal is None and not self.timed_out:
            why = self.ended_early or count(total, "trial")
            again = "" if self.confirmed is None else " and its best trials were trained again"
            lines = [
                f"nothing {'more ' if again else ''}to do: the study is finished ({why}){again}; --trials N adds N more"
            ]
        else:
            first = f"{count(done, 'trial')} in {duration(self.seconds)}{_details(run)}; "
            first += f"{total:,} of {max(total, self.progress.budget):,} in total"
            if self.trained_again:
                of = f"{self.progress.confirmations_done} of {count(self.progress.confirmations, 'training')}"
                first += f"; the best trials were trained again ({of})"
            if self.timed_out and self.left:
                first += f"; stopped by --timeout, {count(self.left, 'trial')} of --trials left"
            elif self.timed_out and (total < self.progress.budget or self.progress.is_confirming):
                first += "; stopped by --timeout, the same command continues"
            lines = [first]
            if self.ended_early and total < self.progress.budget:
                lines.append(f"ended early: {self.ended_early}")
        if self.hold is not None:
            more = ["resume", *self.words] if self.hold.stops_claims else ["search", *self.words, "--trials", "N"]
            lines.append(f"the study is {self.hold}; to go on: {command_text(*more)}")
        return [*lines, *(f"failed: {group}" for group in self.failures)]

    def lines(self) -> list[str]:
        """The result in a few lines, for a person."""
        best, unit = self.progress.best, self.progress.unit
        if best is None:
            return [*self.headlines, "no trial has a usable result yet"]
        params = ", ".join(f"{name} {value(of)}" for name, of in json.loads(best.hyperparameters).items())
        again = "" if self.confirmed is None else f"trained again: by all trainings trial {self.confirmed} is the best"
        return [
            *self.headlines,
            f"best: trial {best.number}, dev {self.error_name} {unit.text(best.dev_error)}, "
            f"train {self.error_name} {unit.text(best.train_error)}",
            f"      {params}",
            *filter(None, [again]),
        ]


def _details(counts: Counts) -> str:
    parts = [f"{n} {name}" for name, n in asdict(counts).items() if n and name != TrialState.COMPLETE]
    return f" ({', '.join(parts)})" if parts else ""


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """What is shown while a search runs; ``allowed``: the finished trials it works toward, at least those there are.

    ``new``: trials (of any worker) finished in the ``seconds`` since the search began; ``ended``: those not yet
    reported.
    """

    progress: Progress
    allowed: int
    new: int = 0
    seconds: float = 0.0
    ended: Sequence[EndedTrial] = ()
    metric: str = "error"

    @property
    def done(self) -> int:
        """Finished trials of the study: complete and pruned ones."""
        return self.progress.counts.finished


Said = TypeVar("Said")
OnProgress = Callable[[SearchProgress], None]


def run_search(
    study: PreparedStudy,
    request: SearchRequest,
    on_progress: OnProgress | None = None,
    *,
    after_every_trial: bool = False,
    on_epoch: Callable[[EndedEpoch], object] | None = None,
) -> SearchResult:
    """Run trials until the request is met.  Raises SearchError if several trials in a row fail.

    SIGINT and SIGTERM re-queue the running trials and end the search (``SearchResult.signal``).  So does an error of
    ``on_progress``, which is raised again unless it is Stop.  ``on_progress`` is called a few times a second, with one
    worker ``after_every_trial`` too.  ``on_epoch`` is called after every epoch of one worker in this process.
    """
    began = time.monotonic()
    database, stored = study.database, study.stored
    if request.total is not None:
        set_budget(database, stored.study_id, request.total)
    task = Task(
        study_id=stored.study_id,
        trainer=study.trainer,
        dataset=study.dataset,
        dev_folds=study.dev_folds,
        budget=Budget(uuid.uuid4().hex, request.trials, database.read(database.now)),
        deadline=None if request.timeout is None else began + request.timeout,
        facts=stored.facts,
        references=request.references,
        track=study.track,
        hooks=study.hooks,
        threads=threads_of(study.definition, None if request.scheduler else request.workers or 1),
        confirm=study.definition.search.confirm if request.confirm is None else request.confirm,
    )
    stop = StopSignal()
    database.stop = stop
    before = read_progress(database, stored.study_id)
    watch = _ProgressReporter(database, task, request, on_progress, stop, before)
    watch.look(always=True)
    try:
        with stop.listening():
            if request.scheduler is not None:
                run_on_cluster(database, task, request.scheduler, request.workers, stop, watch.look)
            elif request.workers is None or request.workers == 1:
                _work_here(database, task, watch, stop, after_every_trial=after_every_trial, on_epoch=on_epoch)
            else:
                run_processes(database, task, request.workers, stop, watch.look)
        watch.look(always=True)
        if watch.error is not None:
            raise watch.error
        return _result(study, task, stop, began, before.confirmations_done)
    except UnavailableError as error:
        raise stop.stopped(error) or SearchError(str(error)) from error
    except StorageError as error:  # it was opened before, so the request is not at fault
        raise SearchError(str(error)) from error
    finally:
        database.close()


def _result(study: PreparedStudy, task: Task, stop: StopSignal, began: float, trained_before: int) -> SearchResult:
    """Read back what the call did.  Raises SearchError if the study is held because its trials fail."""
    database, stored, call = study.database, study.stored, task.budget.call
    hold = read_hold(database, stored.study_id)
    if hold is not None and hold.kind is HoldKind.FAILING:
        raise SearchError(f"{hold}. Fix the cause, then: {command_text('resume', *study.words)}")
    run, progress = read_counts(database, stored.study_id, call), read_progress(database, stored.study_id)
    return SearchResult(
        study=stored.name,
        words=study.words,
        storage=mask(database.url),
        seconds=time.monotonic() - began,
        run=run,
        progress=progress,
        signal=stop.number,
        timed_out=task.deadline is not None and time.monotonic() >= task.deadline,
        ended_early=_reason_to_end(database, task),
        failures=failure_groups(read_failures(database, stored.study_id, call)),
        hold=hold if task.budget.stopped_by(hold) else None,
        error_name=stored.error_name,
        confirmed=_confirmed(database, stored.name) if task.confirm else None,
        trained_again=progress.confirmations_done - trained_before,
        left=max((task.budget.extra or 0) - run.finished, 0),
    )


def _confirmed(database: Database, name: str) -> int | None:
    """The best trial by all trainings; None as long as some of them are to be done."""
    record = read_study(database, name)
    return record.best.number if record.confirmed and record.best is not None else None


def _work_here(
    database: Database,
    task: Task,
    watch: _ProgressReporter,
    stop: StopSignal,
    *,
    after_every_trial: bool,
    on_epoch: Callable[[EndedEpoch], object] | None,
) -> None:
    """Run the task in this process."""
    Worker(
        database,
        task,
        lambda: watch.look_in() or stop(),
        on_trial=partial(watch.look, always=after_every_trial),
        on_epoch=None if on_epoch is None else partial(watch.tell, on_epoch),
    ).work()


def _reason_to_end(database: Database, task: Task) -> str | None:
    goal = Goal(task.definition)
    if not goal.is_set:
        return None
    history = History(database, task.study_id, task.definition.searched_space.distributions)
    history.refresh()
    return goal.reached(history)


class _ProgressReporter:
    """Reads the progress and reports it, a few times a second."""

    def __init__(
        self,
        database: Database,
        task: Task,
        request: SearchRequest,
        on_progress: OnProgress | None,
        stop: StopSignal,
        before: Progress,
    ) -> None:
        self._database = database
        self._stop = stop
        self.error: Exception | None = None
        self._study_id = task.study_id
        self._extra = request.trials
        self._metric = task.definition.search.metric
        self._on_progress = on_progress
        self._began = self._last = time.monotonic()
        self._done_before = before.counts.finished
        if on_progress is not None:
            self._ended = EndedTrials(database, task.study_id)

    def look(self, always: bool = False) -> None:
        """Report after a trial or while processes run; a database that cannot be read does not end the search."""
        now = time.monotonic()
        if (
            self._on_progress is None
            or self._stop.requested
            or (now - self._last < SECONDS_BETWEEN_REPORTS and not always)
        ):
            return
        self._last = now
        with suppress(StorageError):
            report = self._report(now)
            self.tell(self._on_progress, report)

    def tell(self, listener: Callable[[Said], object], said: Said) -> None:
        """Call a listener; an error there ends the search, not the trial that may be running around this call."""
        if self._stop.requested:
            return
        try:
            listener(said)
        except Stop:
            self._stop.requested = True
        except Exception as error:
            self._stop.requested, self.error = True, error

    def look_in(self) -> bool:
        """Report during a trial, less often.  Returns False, to be used in a stop condition."""
        if self._on_progress is not None and time.monotonic() - self._last >= SECONDS_BETWEEN_LOOKS_IN:
            self.look()
        return False

    def _report(self, now: float) -> SearchProgress:
        progress = read_progress(self._database, self._study_id)
        finished = progress.counts.finished
        return SearchProgress(
            progress=progress,
            allowed=max(progress.budget if self._extra is None else self._done_before + self._extra, finished),
            new=finished - self._done_before,
            seconds=now - self._began,
            ended=self._ended.new(),
            metric=self._metric,
        )
