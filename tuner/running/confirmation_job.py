"""Train the best trials of a complete study again: planned once, then a training at a time by any worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from tuner.data import Dataset, can_split_again, with_another_split
from tuner.errors import StorageError
from tuner.formatting import error_line
from tuner.outcomes import FailureCause
from tuner.running.heartbeat import Heartbeat
from tuner.running.task import Task
from tuner.storage import (
    ConfirmationClaim,
    Database,
    Owner,
    StudyRecord,
    claim_confirmation,
    finish_confirmation,
    plan_confirmations,
    read_study,
    renew,
    requeue_confirmation,
    require_hyperparameters,
)
from tuner.study import uses_folds
from tuner.trainers import Interrupted, TrialError, TrialRequest
from tuner.trial import TrialSettings, draw_dev_folds, trial_seed


def trials_to_confirm(record: StudyRecord, k: int) -> list[int]:
    """Return the numbers of the ``k`` best trials, the best first, without those that are clearly worse than it."""
    from tuner.analysis import tied_with_best  # what is analyzed is no matter of a worker that only runs trials

    best = sorted((trial for trial in record.judged if trial.networks), key=lambda trial: trial.rank)
    if not best:
        return []
    losses = [
        record.dev_layout(trial).row_losses([network.dev_losses for network in trial.networks]) for trial in best[:k]
    ]
    weighted = record.metric.weighted(np.stack(losses), record.dev_y, record.dev_weights)
    return [best[place].number for place in tied_with_best(weighted, 0, record.dev_groups)]


@dataclass(frozen=True, slots=True)
class EndedTraining:
    """The ``repeat``-th training again of a trial; ``reason``: why there is no value."""

    number: int
    repeat: int
    value: float | None
    seconds: float
    reason: str | None


def is_split_again(dataset: Dataset) -> bool:
    """Whether the rows are few, and can be split again for a training."""
    n = len(np.unique(np.concatenate([rows.rows for part in dataset.parts for rows in (part.train, part.dev)])))
    return uses_folds(n) and can_split_again(dataset)


class ConfirmationJob:
    """The trainings of one study, as one worker sees them; ``is_done``: none is left, as far as it knows.

    ``longest``: seconds of a training.  ``on_ended`` is called with each that ended here.
    """

    def __init__(
        self,
        database: Database,
        task: Task,
        settings: TrialSettings,
        owner: Owner,
        longest: float,
        on_ended: Callable[[EndedTraining], object] | None = None,
    ) -> None:
        self._on_ended = on_ended
        self._database, self._task, self._owner, self._longest = database, task, owner, longest
        self._settings = replace(settings, rungs=())
        self._split = lru_cache(maxsize=2)(self._make_split)  # a trial's trainings, in both splits, follow each other
        self.is_planned = not task.confirm
        self.is_done = False

    def plan(self) -> None:
        """Let the best trials of the complete study be trained again, unless they were already."""
        if self.is_planned:
            return
        numbers = trials_to_confirm(read_study(self._database, self._task.definition.name), self._task.confirm)
        if numbers:
            plan_confirmations(self._database, self._task.study_id, numbers, self._splits())
        self.is_planned = True

    def _splits(self) -> tuple[int, ...]:
        """The split of each training: the study's own, and where data are few another one."""
        return (0, 1) if is_split_again(self._task.dataset) else (0,)

    def run_one(self, stop: Callable[[], bool]) -> bool | None:
        """Train one trial again; None if none waits, False if it was interrupted and re-queued."""
        self.plan()
        claim, self.is_done = claim_confirmation(
            self._database,
            self._task.study_id,
            max_attempts=self._task.definition.search.max_attempts,
            owner=self._owner,
        )
        return None if claim is None else self._run(claim, stop)

    def _run(self, claim: ConfirmationClaim, stop: Callable[[], bool]) -> bool:
        began = time.monotonic()
        ends = began + self._longest
        with Heartbeat(lambda: renew(self._database, claim)) as heartbeat:
            try:
                value, reason = self._train(claim, lambda: heartbeat.lost or time.monotonic() >= ends or stop())
            except BaseException:
                with suppress(StorageError):
                    requeue_confirmation(self._database, claim)
                raise
            if value is None and reason is None:
                if heartbeat.lost or time.monotonic() < ends:
                    requeue_confirmation(self._database, claim)
                    return heartbeat.lost
                reason = f"{FailureCause.WALL_LIMIT}: longer than {self._longest:g} s"
            seconds = time.monotonic() - began
            if finish_confirmation(self._database, claim, value, seconds, reason) and self._on_ended is not None:
                self._on_ended(EndedTraining(claim.number, claim.repeat, value, seconds, reason))
        return True

    def _train(self, claim: ConfirmationClaim, should_stop: Callable[[], bool]) -> tuple[float | None, str | None]:
        """A training's value, or why it failed; neither if it was interrupted."""
        definition = self._task.definition
        misfit = definition.misfit(claim.hyperparameters)
        require_hyperparameters(self._database, definition.name, claim.number, misfit)
        try:
            dataset, dev_folds = self._split(claim.split)
            request = TrialRequest(
                dataset=dataset,
                values=claim.hyperparameters,
                settings=self._settings,
                seed=trial_seed(claim.seed, claim.repeat),
                dev_folds=dev_folds,
                should_stop=should_stop,
                number=claim.number,
            )
            outcome = self._task.trainer.run(request)
        except StorageError:
            raise
        except MemoryError:
            return None, FailureCause.OUT_OF_MEMORY
        except TrialError as error:
            return None, str(error)
        except Exception as error:
            return None, error_line(error)
        return (None, None) if isinstance(outcome, Interrupted) else (outcome.value, None)

    def _make_split(self, split: int) -> tuple[Dataset, np.ndarray]:
        """The data in one of the splits, and the dev folds of its rows."""
        dataset, seed = self._task.dataset, trial_seed(self._task.definition.data.seed, split)
        if split == 0:
            return dataset, self._task.dev_folds
        another = with_another_split(dataset, seed)
        return another, draw_dev_folds(len(another.dev_rows), another.dev_groups, seed)
