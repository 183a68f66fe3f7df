"""Train the reference models of a new study: one worker does it once, the others run trials meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from tuner.data import Dataset
from tuner.errors import StorageError
from tuner.formatting import error_line
from tuner.reference_models import ALL, NONE, TrainingStoppedError, reference_errors, training_rows
from tuner.running.heartbeat import Heartbeat
from tuner.storage import Database, JobClaim, Owner, claim_job, finish_job, renew, requeue_job
from tuner.study import StudyDefinition


class ReferenceJob:
    """The job of one study, as one worker sees it; ``is_done``: the models are trained, or are not to be."""

    def __init__(
        self,
        database: Database,
        study_id: int,
        definition: StudyDefinition,
        dataset: Dataset,
        owner: Owner,
        which: str = ALL,
    ) -> None:
        self._database, self._study_id, self._owner = database, study_id, owner
        self._definition, self._dataset = definition, dataset
        self._which = which
        self.is_done = which == NONE

    def advance(self, stop: Callable[[], bool]) -> bool:
        """Do the job if it is open; False if it was interrupted and re-queued."""
        if self.is_done:
            return True
        claim, self.is_done = claim_job(
            self._database,
            self._study_id,
            max_attempts=self._definition.search.max_attempts,
            owner=self._owner,
        )
        return claim is None or self._run(claim, stop)

    def _run(self, claim: JobClaim, stop: Callable[[], bool]) -> bool:
        with Heartbeat(lambda: renew(self._database, claim)) as heartbeat:
            try:
                errors = self._train(lambda: heartbeat.lost or stop())
            except BaseException as error:
                with suppress(StorageError):
                    requeue_job(self._database, claim)
                if isinstance(error, TrainingStoppedError):
                    return heartbeat.lost  # True: another worker has the job; False: this worker was stopped
                raise
            finish_job(self._database, claim, errors, training_rows(self._dataset))
        self.is_done = True
        return True

    def _train(self, stop: Callable[[], bool]) -> dict[str, float] | str:
        """Each model's dev error, or why there are none; the search goes on without them."""
        try:
            return reference_errors(self._definition, self._dataset, stop, self._which)
        except TrainingStoppedError:
            raise
        except Exception as error:
            return error_line(error)
