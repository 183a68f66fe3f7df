"""``tuner worker``: run the open trials of a database, fairly across its studies.

A shared database holds studies of many people.  Whatever one of them does is that study's failure: it is set aside with
its reason and tried again after a pause, and the others go on.
"""

from __future__ import annotations

import math
import multiprocessing
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from multiprocessing.connection import Connection
from typing import Protocol

from threadpoolctl import threadpool_limits

from tuner import fork_server
from tuner.commands import command_text
from tuner.data import FileReader, load_dataset
from tuner.errors import DataError, InputError, SearchError, StorageError, TunerError, UnavailableError, UsageError
from tuner.formatting import error_line, one_line, shorten, some_of
from tuner.outcomes import FailureCause
from tuner.running.events import Event, OnEvent, training_event, trial_event
from tuner.running.notices import Notice, Notices
from tuner.running.outbox import CLOSE_SECONDS, STOPPED_SECONDS, close
from tuner.running.processes import ALIVE, WorkerProcesses, sending_errors
from tuner.running.signals import StopSignal
from tuner.running.systemd import Watchdog, notify, notify_status
from tuner.running.task import Task
from tuner.running.worker import LONGEST_PAUSE, Step, Worker, threads_of
from tuner.storage import (
    PATIENTLY,
    Budget,
    Database,
    OpenStudy,
    Patience,
    StoredStudy,
    get_study,
    open_database,
    open_studies,
    parse_url,
    read_encoding,
    set_aside,
    study_ids,
    waiting_for_database,
)
from tuner.study import hooks_in_force
from tuner.trainers import TrialEnded, interruptible, trainer_of
from tuner.trial import draw_dev_folds
from tuner.workspace.creating import refuse_read_differently
from tuner.workspace.locating import storage_url, stored_source

MOST_STUDIES = 8
"""Studies whose data are kept in memory at a time."""
SHARE_SECONDS = 10.0
"""Studies take turns; those that have had the worker for so much longer than others wait."""
FIRST_REST, LONGEST_REST = 5.0, 3600.0
"""Seconds until a study that was set aside is tried again; the rest doubles each time."""
REST_PER_SECOND = 10.0
"""The rest is at least this many times as long as the failed attempt, so that failures take little of the worker."""
SILENCE_SECONDS = 600.0
"""A study that neither ends its step nor asks whether to stop for so long is interrupted: reading data, at most."""
SECONDS_BETWEEN_SIGNS = 10.0
"""A worker process tells the one that looks after it that it lives."""
SILENCE_AFTER_SIGNAL = 3.0
"""The same once the worker was told to stop."""
LONGEST_REASON = 500
MOST_REASONS = 5
"""Things that are waited for, named in one line."""


@dataclass(frozen=True, slots=True)
class ServiceResult:
    """The trials a worker ran, by study; ``signal``: the signal that stopped it, if any."""

    storage: str
    served: dict[str, int]
    signal: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLimits:
    """What a worker allows each study, whatever its definition says, and which it serves for how long.

    ``memory``: bytes beyond those of an idle worker; None: what is free.  ``trial_seconds``: a trial that takes longer
    fails.  ``patterns``: of the names of studies it serves; none: all.  ``seconds``: until it ends.  ``trials``: so
    many are run in all.
    """

    memory: int | None = None
    trial_seconds: float = math.inf
    patterns: tuple[str, ...] = ()
    seconds: float = math.inf
    trials: int | None = None


class Quota(Protocol):
    """The trials that workers may still run: a semaphore of threads or processes."""

    def acquire(self, wait: bool, /) -> bool:
        """Take one; False if none is left."""

    def release(self) -> None:
        """Give one back that was not run."""


def run_service(
    storage: str | None,
    *,
    forever: bool,
    on_event: OnEvent,
    allow_trainers: tuple[str, ...] = (),
    limits: ServiceLimits = ServiceLimits(),
    patience: Patience = PATIENTLY,
    workers: int = 1,
) -> ServiceResult:
    """Run the open trials of a database; with ``forever``, the database is created if it does not exist.

    Studies with a custom trainer are run only if ``allow_trainers`` has it.  If there are several ``workers``, each is
    a process, to which the limits of memory and of a trial's time apply.
    """
    hooks = hooks_in_force({})  # of the environment: what a database names is not run
    with waiting_for_database(patience):
        database = open_database(storage_url(storage), create=forever)
        if limits.patterns and not forever:
            _require_match(database, limits.patterns)
    stop = StopSignal()
    database.stop = stop
    duty = Duty(forever, allow_trainers, limits, hooks, time.monotonic() + limits.seconds)
    served: dict[str, int] = {}

    def tell(event: Event) -> None:
        if event.is_end_of_trial:
            served[event.fields["study"]] = served.get(event.fields["study"], 0) + 1
        notify_status(event.text)
        on_event(event)

    notify("READY=1")
    tell(Event("started", f"worker on database {database.name}", {"storage": database.name}))
    try:
        with stop.listening():
            if workers == 1:
                duty.do(database, stop, tell)
            else:
                _run_processes(database, duty, workers, stop, tell, lambda: sum(served.values()))
    except UnavailableError as error:
        raise stop.stopped(error) or SearchError(str(error)) from error
    except StorageError as error:
        raise SearchError(str(error)) from error
    finally:
        notify("STOPPING=1")
        database.close()
    return ServiceResult(database.name, served, stop.number)


def _require_match(database: Database, patterns: Sequence[str]) -> None:
    """Raise UsageError unless one of the database's studies is served; a service waits for one."""
    names = [*study_ids(database)]
    if not any(fnmatchcase(name, pattern) for name in names for pattern in patterns):
        there = f"it holds {some_of(names)}" if names else "it holds none yet"
        raise UsageError(f"--studies: no study of {database.name} matches {' or '.join(map(repr, patterns))}; {there}")


@dataclass(frozen=True, slots=True)
class Duty:
    """What each worker of one service does, until ``ends`` (`time.monotonic`, one clock for all processes)."""

    forever: bool
    allow_trainers: tuple[str, ...]
    limits: ServiceLimits
    hooks: Mapping[str, str]
    ends: float

    def do(
        self,
        database: Database,
        stop: Callable[[], bool],
        on_event: OnEvent,
        quota: Quota | None = None,
        on_alive: Callable[[], object] = lambda: None,
    ) -> None:
        """Serve the database; ``quota``: what the workers of a service may still run together."""
        if quota is None and self.limits.trials is not None:
            quota = threading.Semaphore(self.limits.trials)
        notices = Notices(self.hooks)
        service = Service(
            database,
            lambda: stop() or time.monotonic() >= self.ends,
            on_event,
            self.allow_trainers,
            self.limits,
            notices,
            quota,
            on_alive=on_alive,
        )
        try:
            with Watchdog(service.is_alive), _memory_limit(self.limits.memory):
                service.work(forever=self.forever)
        finally:
            close(notices.outboxes, STOPPED_SECONDS if stop() else CLOSE_SECONDS)


def _run_processes(
    database: Database,
    duty: Duty,
    workers: int,
    stop: StopSignal,
    on_event: OnEvent,
    read_finished: Callable[[], int],
) -> None:
    """Run a service's workers as processes; systemd's watchdog hears of this one, which looks after them."""
    most = duty.limits.trials
    quota = None if most is None else multiprocessing.get_context("forkserver").Semaphore(most)
    processes = WorkerProcesses(
        lambda sender: fork_server.fork(_serve, database.address, database.patience.seconds, duty, quota, sender),
        read_finished,
        on_event,
        lambda death: on_event(Event("died", f"a worker died {death}")),
        one_ends_all=False,
        silence=2 * SILENCE_SECONDS + database.patience.seconds,
    )
    with Watchdog(lambda: time.monotonic() - processes.looked < SILENCE_SECONDS):
        processes.run(workers, stop)


def _serve(address: str, patience: float, duty: Duty, quota: Quota | None, messages: Connection) -> None:
    """A worker process of a service."""
    with (
        sending_errors(messages),
        StopSignal(multiprocessing.parent_process()).listening() as stop,
        Database(parse_url(address), Patience(patience)) as database,
    ):
        database.stop = stop
        duty.do(database, stop, messages.send, quota, partial(_tell_alive, messages))


def _tell_alive(messages: Connection) -> None:
    with suppress(OSError):  # the parent is gone, which ends this process in its own way
        messages.send(ALIVE)


@contextmanager
def _memory_limit(more: int | None) -> Iterator[None]:
    """Allow this process so many more bytes within the block: an allocation beyond them raises MemoryError."""
    if more is None:
        yield
        return
    import resource

    import psutil

    before = resource.getrlimit(resource.RLIMIT_AS)
    allowed = psutil.Process().memory_info().vms + more
    ceilings = [limit for limit in before if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([allowed, *ceilings]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@dataclass(frozen=True, slots=True)
class _SetAside:
    """Why a study is not run now, until when (`time.monotonic`), and whether more than its input is at fault.

    ``resumed``: when somebody had last resumed it.
    """

    study: str
    reason: str
    rest: float
    until: float
    is_failure: bool
    resumed: float | None


@dataclass
class Service:
    """Runs trials of all studies of a database that have budget left.

    ``on_event`` is called with all that it does; ``served``: trials run, by study.  ``on_alive`` is called now and
    then as long as it works or waits.
    """

    database: Database
    stop: Callable[[], bool]
    on_event: OnEvent = lambda event: None
    allow_trainers: tuple[str, ...] = ()
    limits: ServiceLimits = ServiceLimits()
    notices: Notices = field(default_factory=lambda: Notices({}))
    quota: Quota | None = None
    served: dict[str, int] = field(default_factory=dict)
    on_alive: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self._told = -math.inf
        self._call = uuid.uuid4().hex
        self._workers: dict[int, tuple[tuple[str, str], Worker]] = {}
        self._last_served: dict[int, float] = {}
        self._seconds: dict[int, float] = {}
        self._failures: dict[int, list[str]] = {}  # in a row; they outlive the data in memory
        self._set_aside: dict[int, _SetAside] = {}
        self._noted: dict[int, str | None] = {}
        self._note_life()
        self._waits_for: list[str] = []

    def work(self, *, forever: bool) -> None:
        """Until no study is open, or for ever; trials running elsewhere are waited for, dead ones taken over.

        Raises SearchError at the end if a study failed, or if no open study can be run here.
        """
        with threadpool_limits(limits=1):
            while not self.stop() and (self.quota is None or self.quota.acquire(False)):
                steps = self._serve_one()
                if self.quota is not None and Step.RAN not in steps.values():
                    self.quota.release()
                if Step.RAN in steps.values() or Step.STOPPED in steps.values():
                    self._waits_for = []
                    continue
                is_done = not forever and Step.WAITING not in steps.values()
                self._tell_why_idle(steps, is_done=is_done)
                if is_done:
                    self._complain_of_set_aside()
                    return
                self._sleep(LONGEST_PAUSE)

    def _note_life(self) -> None:
        self._heard = time.monotonic()
        if self._heard - self._told > SECONDS_BETWEEN_SIGNS:
            self._told = self._heard
            self.on_alive()

    def is_alive(self) -> bool:
        """Whether it did something in a time in which a silent study would have been interrupted."""
        return time.monotonic() - self._heard < 2 * SILENCE_SECONDS

    def _tell_why_idle(self, steps: Mapping[str, Step], *, is_done: bool = False) -> None:
        """Say what is waited for, or was not run, once, so that a silent log does not look like a fault."""
        reasons = [f"trials of {study} that run elsewhere" for study, step in steps.items() if step is Step.WAITING]
        reasons += [f"{one.name}, which is {one.hold}" for one in self._matching_studies() if one.is_held]
        if not is_done:
            reasons += [f"{one.study}, which cannot be run here ({one.reason})" for one in self._set_aside.values()]
        if not reasons and not is_done:
            of = f" of studies that match {' or '.join(self.limits.patterns)}" if self.limits.patterns else ""
            reasons = [f"new trials{of} (add some with: {command_text('submit', 'STUDY', '--trials', 'N')})"]
        if reasons != self._waits_for:
            self._waits_for = reasons
            text = f"{'not run:' if is_done else 'waiting for'} {some_of(reasons, MOST_REASONS)}"
            self.on_event(Event("left" if is_done else "waiting", text, {"for": reasons}))

    def _serve_one(self) -> dict[str, Step]:
        """Run one trial of the study whose turn it is; the results of the attempts by study."""
        self._note_life()
        steps = {}
        for study in self._open_studies():
            began = time.monotonic()
            try:
                step = self._serve(study)
            except UnavailableError:
                raise  # of the database, which all studies share
            except (Exception, SystemExit, TrialEnded) as error:  # whatever a study does is its own failure
                if self.stop():
                    return {study.name: Step.STOPPED}
                self._put_aside(study, error, time.monotonic() - began)
                continue
            finally:
                self._seconds[study.study_id] += time.monotonic() - began
            steps[study.name] = step
            if step in (Step.RAN, Step.STOPPED):
                self._note_served(study, has_run=step is Step.RAN)
                break
        return steps

    def _open_studies(self) -> list[OpenStudy]:
        """The studies that may be served now, in turn.

        Highest priority first, then fewest workers, least of this worker's time, longest ago.
        """
        studies = [study for study in self._matching_studies() if not study.is_held and not self._rests(study)]
        least = min((self._seconds[one.study_id] for one in studies if one.study_id in self._seconds), default=0.0)
        for study in studies:
            self._seconds.setdefault(study.study_id, least)
        return sorted(
            studies,
            key=lambda study: (
                -study.priority,
                study.running,
                self._seconds[study.study_id] // SHARE_SECONDS,
                self._last_served.get(study.study_id, 0.0),
            ),
        )

    def _matching_studies(self) -> list[OpenStudy]:
        """The studies with budget left that this worker is to serve."""
        patterns = self.limits.patterns or ("*",)
        studies = open_studies(self.database)
        return [study for study in studies if any(fnmatchcase(study.name, pattern) for pattern in patterns)]

    def _rests(self, study: OpenStudy) -> bool:
        """Whether this worker has set a study aside; not after somebody resumed it."""
        aside = self._set_aside.get(study.study_id)
        if aside is not None and aside.resumed != study.resumed:
            del self._set_aside[study.study_id]
            self._failures.get(study.study_id, []).clear()
            self._noted.pop(study.study_id, None)
            return False
        return aside is not None and aside.until > time.monotonic()

    def _gives_way(self, study_id: int) -> bool:
        """Whether another study waits that comes before this one or has the same priority."""
        studies = self._open_studies()
        priority = max((study.priority for study in studies if study.study_id == study_id), default=-math.inf)
        return any(study.study_id != study_id and study.priority >= priority for study in studies)

    def _serve(self, study: OpenStudy) -> Step:
        """Run one trial of a study.  Raises TrialEnded if it keeps the worker from stopping, or is silent for long."""
        self._note_life()
        with interruptible(self._is_stuck, threading.Lock()):
            worker = self._worker_of(study)
            self._note_life()
            return worker.step()

    def _is_stuck(self) -> bool:
        silence = time.monotonic() - self._heard
        return silence > (SILENCE_AFTER_SIGNAL if self.stop() else SILENCE_SECONDS)

    def _should_stop(self) -> bool:
        self._note_life()
        return self.stop()

    def _worker_of(self, study: OpenStudy) -> Worker:
        """The worker of a study, made again if its definition changed."""
        stored = get_study(self.database, study.name)
        version = (stored.definition, stored.fingerprint)
        if study.study_id in self._workers and self._workers[study.study_id][0] == version:
            return self._workers[study.study_id][1]
        worker = self._make_worker(stored)
        self._forget_idle()
        self._workers[study.study_id] = (version, worker)
        about = {"study": study.name, "data": stored.data_path}
        self.on_event(Event("study", f"study {study.name}: data {stored.data_path}", about))
        return worker

    def _make_worker(self, stored: StoredStudy) -> Worker:
        source = stored_source(stored, self.database.name)
        definition = source.definition
        trainer = trainer_of(definition, allowed=self.allow_trainers)
        trainer.prepare()
        for path in FileReader(definition.data, source.folder).paths().values():
            if not path.is_file():  # a pipe or a device may never end
                raise DataError(f"{path}: expected a regular file")
        dataset = load_dataset(definition.data, source.folder, forms=definition.forms)
        if dataset.fingerprint != stored.fingerprint:
            raise StorageError(f"{dataset.path} is not the file the study was made from. Copy the original file here")
        refuse_read_differently(stored.name, read_encoding(self.database, stored.study_id), dataset.encoding)
        task = Task(
            study_id=stored.study_id,
            trainer=trainer,
            dataset=dataset.counting(stored.counted_by),
            dev_folds=draw_dev_folds(len(dataset.dev_rows), dataset.dev_groups, definition.data.seed),
            budget=Budget(self._call),
            facts=stored.facts,
            threads=threads_of(definition, None),
            confirm=definition.search.confirm,
        )
        return Worker(
            self.database,
            task,
            self._should_stop,
            most_seconds=self.limits.trial_seconds,
            gives_way=lambda: self._gives_way(stored.study_id),
            failures=self._failures.setdefault(stored.study_id, []),
            notices=self.notices,
            on_ended=lambda trial: self.on_event(trial_event(stored, trial, definition.search.metric)),
            on_trained_again=lambda of: self.on_event(training_event(stored, of, definition.search.metric)),
        )

    def _forget_idle(self) -> None:
        """Drop the data of the studies served longest ago if there are too many."""
        while len(self._workers) >= MOST_STUDIES:
            del self._workers[min(self._workers, key=lambda study_id: self._last_served.get(study_id, 0.0))]

    def _note_served(self, study: OpenStudy, *, has_run: bool) -> None:
        self.served[study.name] = self.served.get(study.name, 0) + has_run
        self._last_served[study.study_id] = time.monotonic()
        if has_run and not self._failures[study.study_id]:
            self._set_aside.pop(study.study_id, None)
            self._note(study, None)

    def _put_aside(self, study: OpenStudy, error: BaseException, seconds: float) -> None:
        """Leave a study for a while, the longer the more often it failed, and let everyone read why."""
        reason = _reason(error)
        self._workers.pop(study.study_id, None)
        before = self._set_aside.get(study.study_id)
        rest = FIRST_REST if before is None else min(2 * before.rest, LONGEST_REST)
        rest = max(rest, REST_PER_SECOND * seconds)
        until = time.monotonic() + rest
        self._set_aside[study.study_id] = _SetAside(
            study.name, reason, rest, until, not isinstance(error, InputError), study.resumed
        )
        if before is None or before.reason != reason:
            text = f"study {study.name} cannot be run here: {reason}"
            self.on_event(Event("set_aside", text, {"study": study.name, "reason": reason}))
            self.notices.send(Notice("on_failure", study.name, text.removeprefix("study ")))
        self._note(study, reason)

    def _note(self, study: OpenStudy, reason: str | None) -> None:
        """Keep in the database why the study was set aside, or that it runs."""
        if self._noted.get(study.study_id, "") != reason:
            with suppress(StorageError):
                set_aside(self.database, study.study_id, reason)
                self._noted[study.study_id] = reason

    def _complain_of_set_aside(self) -> None:
        for one in self._set_aside.values():
            if one.is_failure:
                raise SearchError(f"study {one.study} cannot be run here: {one.reason}")
        for one in self._set_aside.values():
            if not self.served:
                raise SearchError(f"no open study can be run here; {one.study}: {one.reason}")

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stop() and time.monotonic() < end:
            time.sleep(0.1)


def _reason(error: BaseException) -> str:
    """Why a study was set aside, in one line."""
    if isinstance(error, TunerError):
        return shorten(one_line(error), LONGEST_REASON)
    if isinstance(error, MemoryError):
        return str(FailureCause.OUT_OF_MEMORY)
    if isinstance(error, TrialEnded):
        return f"it did not respond for {SILENCE_SECONDS:g} s"
    return shorten(error_line(error), LONGEST_REASON)
