"""One worker: claim, sample, run and record trials until none are left or it is stopped."""

from __future__ import annotations

import enum
import math
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from threadpoolctl import threadpool_limits

from tuner.errors import SearchError, StorageError
from tuner.formatting import error_line
from tuner.nn.threads import shared_by
from tuner.outcomes import FailureCause, TrialState
from tuner.running.confirmation_job import ConfirmationJob, EndedTraining
from tuner.running.goal import Goal
from tuner.running.heartbeat import Heartbeat
from tuner.running.log_keeper import LogKeeper
from tuner.running.notices import Notices, notices_of
from tuner.running.outbox import CLOSE_SECONDS, STOPPED_SECONDS, Outbox, close
from tuner.running.reference_job import ReferenceJob
from tuner.running.sampling import Pruning, draw
from tuner.running.task import Task
from tuner.running.tracking import Tracking
from tuner.storage import (
    CLAIM_SECONDS,
    TAKE_OVER_SECONDS,
    Claim,
    Database,
    EndedTrial,
    History,
    Owner,
    SampledTrial,
    claim_trial,
    fail,
    read_ended,
    read_hold,
    read_sampled,
    read_standing,
    renew,
    requeue,
    require_hyperparameters,
    take_over_unclaimed,
    write_outcome,
    write_sampled,
)
from tuner.study import StudyDefinition
from tuner.trainers import Interrupted, TrialError, TrialRequest
from tuner.trial import OnEpochErrors, trial_settings
from tuner.workspace.machine import usable_cores

FAILURES_IN_A_ROW = 3
CHECKPOINT_SECONDS = 60.0
TURN_SECONDS = 120.0
"""How long a trial trains before it may give way to other studies: long enough to leave a checkpoint."""
SECONDS_BETWEEN_LOOKS = 0.005  # between calls of stop(), which cost more than reading the clock
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two attempts to find work while other workers run the remaining trials."""


def threads_of(definition: StudyDefinition, workers: int | None) -> int:
    """Return the threads of each worker.

    "auto" shares this machine's cores among its ``workers``; if they are not known, each has one thread.
    """
    if definition.search.threads != "auto":
        return definition.search.threads
    return max(usable_cores() // workers, 1) if workers else 1


@dataclass(frozen=True, slots=True)
class EndedEpoch:
    """An epoch of a running trial; ``number`` is the trial's.

    The errors are shares: on a sample of the training set, and on the dev set, as means over the trial's networks.
    With a custom trainer they are what it reports of its first network.
    """

    number: int
    epoch: int
    train_error: float
    dev_error: float


class Step(enum.Enum):
    """The result of one attempt to run a trial."""

    RAN = "ran a trial to its end"
    STOPPED = "re-queued a trial, was stopped, or lost its claim"
    WAITING = "other workers run the remaining trials"
    FINISHED = "nothing is left to do"
    HELD = "the study is paused, canceled or set aside"


@dataclass
class Worker:
    """Runs trials of one study, one after the other.

    ``on_trial()`` is called after each, ``on_epoch`` after each epoch of one; once ``stop()`` is true the work ends,
    and the running trial is re-queued.  ``most_seconds``: a trial that takes longer fails.  ``gives_way()`` is asked
    after each turn of a long trial: if true, the trial is re-queued and continues later.  ``notices``: instead of its
    own, closed by the caller.  ``on_ended`` is called with each trial that ended or was re-queued, and
    ``on_trained_again`` with each training of one of the best trials again.
    """

    database: Database
    task: Task
    stop: Callable[[], bool]
    on_trial: Callable[[], None] = lambda: None
    most_seconds: float = math.inf
    gives_way: Callable[[], bool] = lambda: False
    on_epoch: Callable[[EndedEpoch], None] | None = None
    failures: list[str] = field(default_factory=list)
    notices: Notices | None = None
    on_ended: Callable[[EndedTrial], object] | None = None
    on_trained_again: Callable[[EndedTraining], object] | None = None

    def __post_init__(self) -> None:
        definition = self.task.definition
        self._distributions = definition.searched_space.distributions
        self._history = History(self.database, self.task.study_id, self._distributions)
        self._goal = Goal(definition)
        self._owner = Owner.this_process()
        task = self.task
        self.references = ReferenceJob(
            self.database, task.study_id, definition, task.dataset, self._owner, task.references
        )
        self.deadline = math.inf if self.task.deadline is None else self.task.deadline
        timeout = definition.search.trial_timeout or math.inf
        self._longest = min(timeout, self.most_seconds)  # seconds of a trial
        self.confirmations = ConfirmationJob(
            self.database,
            task,
            trial_settings(definition, task.facts),
            self._owner,
            self._longest,
            self.on_trained_again,
        )
        self._limit = "trial_timeout" if timeout <= self.most_seconds else "--max-trial-time"
        self._spent: dict[int, float] = {}  # seconds of the earlier turns of trials that gave way
        self._is_held = False
        self._looks_again = -math.inf
        self._settings = trial_settings(definition, task.facts)
        self._log_keeper = LogKeeper(self.database)
        self.tracking = Tracking(task.track, definition.name)
        self._notices = Notices(task.hooks) if self.notices is None else self.notices
        self.task.trainer.prepare()  # a failing import must not fail trials

    def work(self) -> None:
        """Run trials until none are left, the time is up, or the worker is stopped.

        Raises SearchError after three failures in a row.
        """
        pause = SHORTEST_PAUSE
        try:
            with threadpool_limits(limits=1):
                while not self._must_stop():
                    step = self.step()
                    if step in (Step.FINISHED, Step.HELD):
                        return
                    if step is not Step.WAITING:
                        pause = SHORTEST_PAUSE
                        self._log_keeper.look()
                        self.on_trial()
                    else:
                        time.sleep(random.uniform(0.5, 1) * pause)
                        pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            outboxes: list[Outbox[Any]] = [*self.tracking.outboxes, *self._notices.outboxes]
            close(outboxes, STOPPED_SECONDS if self.stop() else CLOSE_SECONDS)

    def step(self) -> Step:
        """Claim and run one trial, if one is open; trials of dead workers come first."""
        self._take_over_unclaimed()
        if self._goal_is_reached():
            return self._without_a_trial(is_complete=True)
        claim, standing = claim_trial(
            self.database,
            self.task.study_id,
            self.task.budget,
            max_attempts=self.task.definition.search.max_attempts,
            owner=self._owner,
        )
        for trial_id in standing.given_up:
            self._tell_of(trial_id)
        if standing.is_held:
            return Step.HELD
        if claim is None:
            return self._without_a_trial(is_complete=standing.is_complete)
        failed_before = len(self.failures)
        ran = self._run(claim)
        if ran:
            self._tell_of(claim.trial_id)
            self._plan_confirmations(claim.trial_id)
        if max(failed_before + 1, FAILURES_IN_A_ROW) <= len(self.failures):
            raise SearchError(
                f"{FAILURES_IN_A_ROW} trials in a row failed, the last one (trial {claim.number}) with "
                f"{self.failures[-1]}; fix the cause, then continue with the same command"
            )
        return Step.RAN if ran and self.references.advance(self._must_stop) else Step.STOPPED

    def _take_over_unclaimed(self) -> None:
        """Look for trials that another program runs no more, as often as a claim may expire."""
        if time.monotonic() < self._looks_again:
            return
        self._looks_again = time.monotonic() + CLAIM_SECONDS
        after = self.task.definition.search.trial_timeout or TAKE_OVER_SECONDS
        for trial_id in take_over_unclaimed(self.database, self.task.study_id, self._distributions, after):
            self._tell_of(trial_id)

    def _tell_of(self, trial_id: int) -> None:
        """Tell the log, trackers and hooks of a trial that ended here, or was given up."""
        self._log_ended(trial_id)
        with suppress(StorageError):
            if self.tracking.outboxes:
                self.tracking.send(read_ended(self.database, trial_id))
            if self._notices.outboxes:
                task, goal = self.task, self._goal_is_reached
                for notice in notices_of(self.database, task.definition, task.study_id, task.budget, trial_id, goal):
                    self._notices.send(notice)

    def _log_ended(self, trial_id: int) -> None:
        with suppress(StorageError):
            if self.on_ended is not None:
                self.on_ended(read_ended(self.database, trial_id))

    def _plan_confirmations(self, trial_id: int) -> None:
        """After the study's last trial: a service asks no more for a study in which there is nothing to do."""
        task = self.task
        if task.confirm:
            self.confirmations.is_planned = False
            if read_standing(self.database, task.study_id, trial_id, task.budget).is_complete:
                self.confirmations.plan()

    def _without_a_trial(self, *, is_complete: bool) -> Step:
        """FINISHED once the reference models are trained, too, and the best trials again, by this or another worker."""
        if not self.references.advance(self._must_stop):
            return Step.STOPPED
        if not is_complete:
            return Step.WAITING
        ran = self.confirmations.run_one(self._must_stop)
        if ran is not None:
            return Step.RAN if ran else Step.STOPPED
        return Step.FINISHED if self.references.is_done and self.confirmations.is_done else Step.WAITING

    def _goal_is_reached(self) -> bool:
        """Whether the study ends early; ``--trials N`` runs its trials anyway."""
        if not self._goal.is_set or self.task.budget.extra is not None:
            return False
        self._history.refresh()
        return self._goal.reached(self._history) is not None

    def _run(self, claim: Claim) -> bool:
        """Sample, run and record one trial; its claim always ends.

        False if the trial did not end here.
        """
        began = time.monotonic()
        self._is_held = False
        with Heartbeat(lambda: self._renew(claim)) as heartbeat:
            try:
                drawn = self._draw(claim)
                return drawn is not None and self._train(claim, drawn, heartbeat, began)
            except StorageError:
                raise  # the database cannot be written: the claim expires
            except BaseException:
                with suppress(StorageError):
                    requeue(self.database, claim, claim.checkpoint)
                raise

    def _renew(self, claim: Claim) -> bool:
        """Extend the claim, and see whether the study was paused in the meantime."""
        hold = read_hold(self.database, self.task.study_id)
        self._is_held = hold is not None and hold.stops_claims
        return renew(self.database, claim)

    def _train(self, claim: Claim, drawn: SampledTrial, heartbeat: Heartbeat, began: float) -> bool:
        pruning = Pruning(self.task.definition, self._history, claim.number, drawn)
        request = TrialRequest(
            dataset=self.task.dataset,
            values=drawn.hyperparameters,
            settings=self._settings,
            seed=drawn.seed,
            dev_folds=self.task.dev_folds,
            prune=pruning,
            should_stop=self._end_of_trial(claim, heartbeat, began),
            checkpoint=claim.checkpoint,
            on_epoch=self._epochs_of(claim.number),
            number=claim.number,
        )
        try:
            with shared_by(self.task.threads):
                outcome = self.task.trainer.run(request)
        except StorageError:
            raise  # from the pruner, not from the trial
        except MemoryError:
            return self._failed(claim, FailureCause.OUT_OF_MEMORY)
        except TrialError as error:
            return self._failed(claim, str(error))
        except Exception as error:
            return self._failed(claim, error_line(error))
        if isinstance(outcome, Interrupted):
            return self._interrupted(claim, outcome, time.monotonic() - began, is_lost=heartbeat.lost)
        self.failures.clear()
        outcome = replace(outcome, system_attributes=pruning.attributes)
        held = write_outcome(self.database, claim, self.task.study_id, outcome)
        if not held:
            self._log_ended(claim.trial_id)  # canceled, or taken over
        return held

    def _end_of_trial(self, claim: Claim, heartbeat: Heartbeat, began: float) -> Callable[[], bool]:
        """What says whether a trial must stop now: its time or turn is over, its claim lost, or the worker stopped."""
        ends = min(self.deadline, began + self._longest - self._spent.get(claim.trial_id, 0.0))
        continues = self.task.definition.trainer_kind.can_train_again  # from a checkpoint
        turn_ends = began + TURN_SECONDS if continues else math.inf
        looked = -math.inf

        def should_stop() -> bool:  # asked every mini-batch, some of which last 30 µs
            nonlocal looked, turn_ends
            now = time.monotonic()
            if now - looked < SECONDS_BETWEEN_LOOKS:
                return False
            looked = now
            if now >= turn_ends:
                if self.gives_way():
                    return True
                turn_ends = now + TURN_SECONDS
            return heartbeat.lost or (self._is_held and continues) or now >= ends or self.stop()

        return should_stop

    def _epochs_of(self, number: int) -> OnEpochErrors | None:
        """What the trainer of a trial calls after an epoch."""
        tell = self.on_epoch
        return None if tell is None else lambda *errors: tell(EndedEpoch(number, *errors))

    def _interrupted(self, claim: Claim, interrupted: Interrupted, lasted: float, *, is_lost: bool) -> bool:
        """Re-queue the trial; no effect if another worker has taken it over."""
        spent = self._spent.pop(claim.trial_id, 0.0) + lasted
        if spent >= self._longest and not self._must_stop():
            return self._failed(claim, f"{FailureCause.WALL_LIMIT}: longer than {self._limit} = {self._longest:g} s")
        self._spent[claim.trial_id] = spent
        requeue(self.database, claim, interrupted.checkpoint if lasted > CHECKPOINT_SECONDS else claim.checkpoint)
        if is_lost:
            self._log_ended(claim.trial_id)
        elif self.on_ended is not None:
            waiting = EndedTrial(claim.number, TrialState.WAITING, None, None, None, lasted, {}, self._why_requeued())
            self.on_ended(waiting)
        return False

    def _why_requeued(self) -> str:
        if self._is_held:
            return "the study is paused"
        return "the worker stops" if self._must_stop() else "other studies have their turn"

    def _must_stop(self) -> bool:
        return self.stop() or time.monotonic() >= self.deadline

    def _draw(self, claim: Claim) -> SampledTrial | None:
        """The trial's hyperparameters, from an earlier attempt or sampled now; None if the claim was lost."""
        before, given = read_sampled(self.database, claim.trial_id, self._distributions)
        if before is not None:
            definition = self.task.definition
            misfit = definition.misfit(before.hyperparameters)
            require_hyperparameters(self.database, definition.name, claim.number, misfit)
            return before
        self._history.refresh()
        drawn = draw(self.task.definition, self._history, claim.number, given, self.task.facts.exploring)
        held = write_sampled(self.database, claim, self.task.study_id, drawn, self._distributions)
        return drawn if held else None

    def _failed(self, claim: Claim, reason: str) -> bool:
        was_ours = fail(self.database, claim, reason)
        self.failures.append(reason)
        return was_ours
