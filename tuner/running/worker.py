"""One worker: claim, draw, run, record, until there is nothing left to do or it is told to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from optuna.trial import TrialState
from threadpoolctl import threadpool_limits

from tuner.data import Dataset
from tuner.errors import SearchError, StorageError
from tuner.running.sampling import Pruning, draw
from tuner.storage import (
    HEARTBEAT_SECONDS,
    OUT_OF_MEMORY,
    WALL_LIMIT,
    Budget,
    Claim,
    Database,
    Drawn,
    History,
    NetworkRecord,
    Outcome,
    Owner,
    Standing,
    claim_trial,
    fail,
    put_back,
    read_drawn,
    renew,
    write_drawn,
    write_outcome,
)
from tuner.study import StudyDefinition
from tuner.trial import TrialResult, TrialSettings, run_trial

FAILURES_IN_A_ROW = 3
CHECKPOINT_SECONDS = 60.0
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Task:
    """What a worker needs to know of a study."""

    study_id: int
    definition: StudyDefinition
    dataset: Dataset
    dev_folds: Any
    budget: Budget
    deadline: float | None = None

    @property
    def settings(self) -> TrialSettings:
        """What all trials have in common."""
        training = self.definition.training
        return TrialSettings(
            stopping=training.stopping,
            metric=self.definition.search.metric,
            seeds=training.seeds,
            output=self.definition.network.output,
            penalty_per=training.penalty_per,
            rungs=self.definition.rungs,
        )


@dataclass
class StopSignal:
    """Set by SIGINT or SIGTERM; everything that lasts asks it."""

    number: int | None = None

    def __bool__(self) -> bool:
        return self.number is not None

    @contextmanager
    def listening(self) -> Iterator[StopSignal]:
        """Catch the two signals while the block runs (in the main thread; elsewhere Python allows no handlers).

        A second one takes its usual effect, for who cannot wait.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def note(number: int, _: FrameType | None) -> None:
            self.number = number
            signal.signal(number, before[signal.Signals(number)])

        for number in before:
            signal.signal(number, note)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Heartbeat:
    """A thread that renews the claim of the trial at hand; ``lost`` once somebody else has taken the trial over."""

    def __init__(self, database: Database, claim: Claim, seconds: float = HEARTBEAT_SECONDS) -> None:
        self._database = database
        self._claim = claim
        self._seconds = seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
        self.lost = False

    def _beat(self) -> None:
        while not self._done.wait(self._seconds):
            try:
                self.lost = not renew(self._database, self._claim)
            except StorageError:
                continue  # the expiry is four beats away: the next one may get through
            if self.lost:
                return

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


@dataclass
class Worker:
    """Runs trials of one study, one after the other.

    ``on_trial()`` is called after each; ``stop`` ends the work at once, the trial at hand put back.
    """

    database: Database
    task: Task
    stop: StopSignal
    on_trial: Callable[[], None] = lambda: None
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        definition = self.task.definition
        self._distributions = definition.searched_space.distributions
        self._history = History(self.database, self.task.study_id, self._distributions)
        self._owner = Owner.this_process()

    def work(self) -> None:
        """Until the budget is complete, the time is up, or somebody says stop.  Raises SearchError after three
        failures.
        """
        with threadpool_limits(limits=1):
            while not self._should_end():
                claim, standing = self._claim()
                if claim is not None:
                    self._run(claim)
                    self.on_trial()
                elif standing.is_complete:
                    return
                else:
                    time.sleep(POLL_SECONDS)  # trials run elsewhere: wait for them, take over the dead

    def _claim(self) -> tuple[Claim | None, Standing]:
        return claim_trial(
            self.database,
            self.task.study_id,
            self.task.budget,
            max_attempts=self.task.definition.search.max_attempts,
            owner=self._owner,
        )

    def _should_end(self) -> bool:
        return self._must_stop() or self._goal_is_reached()

    def _time_is_up(self) -> bool:
        return self.task.deadline is not None and time.monotonic() >= self.task.deadline

    def _goal_is_reached(self) -> bool:
        """Whether ``target_error`` or ``stop_after_no_progress`` ends the study early."""
        search = self.task.definition.search
        if search.target_error is None and search.stop_after_no_progress is None:
            return False
        self._history.refresh()
        best, since = float("inf"), 0
        for trial in self._history.finished:
            value = trial.value if trial.state is TrialState.COMPLETE else None
            better = value is not None and value < best
            best, since = (value, 0) if value is not None and better else (best, since + 1)
        reached = search.target_error is not None and best <= search.target_error
        return reached or (search.stop_after_no_progress is not None and since >= search.stop_after_no_progress)

    def _run(self, claim: Claim) -> None:
        """One trial, from the draw to the record; whatever happens, its claim has ended afterwards."""
        began = time.monotonic()
        with Heartbeat(self.database, claim) as heartbeat:
            drawn = self._draw(claim)
            if drawn is None:
                return
            pruning = Pruning(self.task.definition, self._history, claim.number, drawn)
            try:
                result = run_trial(
                    self.task.dataset,
                    self.task.definition.searched_space.hyperparameters(drawn.hyperparameters),
                    self.task.settings,
                    seed=drawn.seed,
                    dev_folds=self.task.dev_folds,
                    prune=pruning,
                    should_stop=lambda: heartbeat.lost or self._must_stop() or self._is_over(began),
                    checkpoint=claim.checkpoint,
                )
            except MemoryError:
                self._failed(claim, OUT_OF_MEMORY)
            except Exception as error:
                self._failed(claim, f"{type(error).__name__}: {error}")
            else:
                self._end(claim, result, pruning.attributes, began)

    def _end(self, claim: Claim, result: TrialResult, attributes: dict[str, Any], began: float) -> None:
        """Record the result, or put the trial back; where it was taken over meanwhile, neither has an effect."""
        if result.stop_reason != "interrupted":
            write_outcome(self.database, claim, self.task.study_id, outcome_of(result, self.task.dataset, attributes))
            self.failures.clear()
        elif self._is_over(began):
            limit = self.task.definition.search.trial_timeout
            self._failed(claim, f"{WALL_LIMIT}: longer than trial_timeout = {limit:g} s")
        else:
            lasted = time.monotonic() - began > CHECKPOINT_SECONDS
            put_back(self.database, claim, result.checkpoint if lasted else claim.checkpoint)

    def _must_stop(self) -> bool:
        return bool(self.stop) or self._time_is_up()

    def _is_over(self, began: float) -> bool:
        """Whether a trial has lasted longer than ``trial_timeout`` allows."""
        limit = self.task.definition.search.trial_timeout
        return limit is not None and time.monotonic() - began > limit

    def _draw(self, claim: Claim) -> Drawn | None:
        """What the trial runs with: as drawn by an earlier attempt, or drawn now; None if the claim was lost
        meanwhile.
        """
        before, given = read_drawn(self.database, claim.trial_id, self._distributions)
        if before is not None:
            return before
        self._history.refresh()
        drawn = draw(self.task.definition, self._history, claim.number, given)
        held = write_drawn(self.database, claim, self.task.study_id, drawn, self._distributions)
        return drawn if held else None

    def _failed(self, claim: Claim, reason: str) -> None:
        fail(self.database, claim, reason)
        self.failures.append(reason)
        if len(self.failures) >= FAILURES_IN_A_ROW:
            raise SearchError(
                f"{FAILURES_IN_A_ROW} trials in a row failed, the last one (trial {claim.number}) with {reason}; "
                f"mend the cause, then go on with: tuner search {self.task.definition.name}"
            )


def outcome_of(result: TrialResult, dataset: Dataset, attributes: dict[str, Any]) -> Outcome:
    """A trial's result as it is recorded."""
    parts = dataset.parts
    networks = []
    for k, network in enumerate(result.networks):
        part = parts[k] if len(parts) > 1 else parts[0]
        n_train, n_dev = len(part.train), len(part.dev)
        networks.append(
            NetworkRecord(
                stop_reason=network.stop_reason,
                best_epoch=network.best_epoch,
                epochs=network.epochs,
                updates=network.updates,
                n_train=n_train,
                train_wrong=round(network.train_error * n_train),
                train_cost=network.train_cost,
                n_dev=n_dev,
                dev_wrong=int(network.dev_wrong.sum()),
                dev_cost=network.dev_cost,
                dev_bits=network.dev_wrong,
                curve=network.curve,
                dev_fold_wrong=result.dev_fold_wrong[k],
                n_train_dev=None if dataset.train_dev is None else len(dataset.train_dev),
                train_dev_wrong=None if result.train_dev_wrong is None else result.train_dev_wrong[k],
            )
        )
    return Outcome(
        value=result.value,
        pruned=result.stop_reason == "pruned",
        stop_reason=result.stop_reason,
        rung_values=result.rung_values,
        networks=networks,
        seconds=result.seconds,
        system_attributes=attributes,
    )
