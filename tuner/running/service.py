"""``tuner worker``: run the open trials of a database, fairly across its studies."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from threadpoolctl import threadpool_limits

from tuner.data import load_dataset
from tuner.errors import InputError, SearchError, StorageError
from tuner.running.signals import StopSignal
from tuner.running.worker import LONGEST_PAUSE, Step, Task, Worker
from tuner.storage import Budget, Database, StoredStudy, StudyLine, get_study, open_database, study_lines
from tuner.trainers import trainer_of
from tuner.trial import draw_dev_folds
from tuner.workspace.locating import storage_url, stored_source

MOST_STUDIES = 8
"""Studies whose data are kept in memory at a time."""


@dataclass(frozen=True, slots=True)
class ServiceResult:
    """The trials a worker ran, by study; ``signal``: the signal that stopped it, if any."""

    storage: str
    served: dict[str, int]
    signal: int | None


def run_service(
    storage: str | None, *, forever: bool, on_event: Callable[[str], None], allow_trainers: tuple[str, ...] = ()
) -> ServiceResult:
    """Run the open trials of a database; with ``forever``, the database is created if it does not exist.

    Studies with a custom trainer are run only if ``allow_trainers`` has it.
    """
    database = open_database(storage_url(storage), create=forever)
    stop = StopSignal()
    service = Service(database, stop, on_event, allow_trainers)
    on_event(f"worker on database {database.name}")
    try:
        with stop.listening():
            service.work(forever=forever)
    except StorageError as error:
        raise SearchError(str(error)) from error
    finally:
        database.close()
    return ServiceResult(database.name, service.served, stop.number)


@dataclass
class Service:
    """Runs trials of all studies of a database that have budget left.

    ``on_event(text)`` is called for each study that is started or cannot be run; ``served``: trials run, by study.
    """

    database: Database
    stop: Callable[[], bool]
    on_event: Callable[[str], None] = lambda text: None
    allow_trainers: tuple[str, ...] = ()
    served: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._call = uuid.uuid4().hex
        self._workers: dict[str, tuple[tuple[str, str], Worker]] = {}
        self._last_served: dict[str, float] = {}
        self._refused: dict[str, str] = {}

    def work(self, *, forever: bool) -> None:
        """Until no study is open, or for ever; trials running elsewhere are waited for, dead ones taken over.

        Raises SearchError after three failures in a row, or where no open study can be run here.
        """
        with threadpool_limits(limits=1):
            while not self.stop():
                steps = self._serve_one()
                if Step.RAN in steps or Step.STOPPED in steps:
                    continue
                if not forever and Step.WAITING not in steps:
                    self._complain_of_refused()
                    return
                self._sleep(LONGEST_PAUSE)

    def _serve_one(self) -> set[Step]:
        """Run one trial of the study that has waited longest; the results of the attempts."""
        steps = set()
        for line in self._open_studies():
            worker = self._worker_of(line.name)
            if worker is None:
                continue
            step = worker.step()
            steps.add(step)
            if step in (Step.RAN, Step.STOPPED):
                self.served[line.name] = self.served.get(line.name, 0) + (step is Step.RAN)
                self._last_served[line.name] = time.monotonic()
                break
        return steps

    def _open_studies(self) -> list[StudyLine]:
        """Studies with budget left, those with the fewest workers first, then those this worker served longest ago."""
        lines = [line for line in study_lines(self.database) if line.finished < line.budget]
        return sorted(lines, key=lambda line: (line.running, self._last_served.get(line.name, 0.0)))

    def _worker_of(self, name: str) -> Worker | None:
        """The worker of a study, made again if its definition changed; None if its data cannot be used here."""
        try:
            stored = get_study(self.database, name)
            version = (stored.definition, stored.fingerprint)
            if name in self._workers and self._workers[name][0] == version:
                return self._workers[name][1]
            worker = self._make_worker(stored)
        except InputError as error:
            if self._refused.get(name) != str(error):
                self._refused[name] = str(error)
                self.on_event(f"study {name} cannot be run here: {error}")
            return None
        self._refused.pop(name, None)
        self._forget_idle()
        self._workers[name] = (version, worker)
        self.on_event(f"study {name}: data {stored.data_path}")
        return worker

    def _make_worker(self, stored: StoredStudy) -> Worker:
        source = stored_source(stored, self.database.name)
        definition = source.definition
        trainer = trainer_of(definition, allowed=self.allow_trainers)
        trainer.prepare()
        dataset = load_dataset(definition.data, source.folder)
        if dataset.fingerprint != stored.fingerprint:
            raise StorageError(f"{dataset.path} is not the file the study was made from. Copy the original file here")
        task = Task(
            study_id=stored.study_id,
            trainer=trainer,
            dataset=dataset,
            dev_folds=draw_dev_folds(len(dataset.dev_rows), dataset.dev_groups, definition.data.seed),
            budget=Budget(self._call),
            exploring_with=stored.facts.exploring,
        )
        return Worker(self.database, task, self.stop)

    def _forget_idle(self) -> None:
        """Drop the data of the studies served longest ago if there are too many."""
        while len(self._workers) >= MOST_STUDIES:
            del self._workers[min(self._workers, key=lambda name: self._last_served.get(name, 0.0))]

    def _complain_of_refused(self) -> None:
        if self._refused and not self.served:
            name, reason = next(iter(self._refused.items()))
            raise SearchError(f"no open study can be run here; {name}: {reason}")

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stop() and time.monotonic() < end:
            time.sleep(0.1)
