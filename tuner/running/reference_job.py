"""The reference models of a new study: one worker trains them once, the others go on with trials meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from tuner.data import Dataset
from tuner.errors import StorageError
from tuner.reference_models import TrainingStoppedError, reference_errors
from tuner.running.heartbeat import Heartbeat
from tuner.storage import Database, JobClaim, Owner, claim_job, finish_job, put_back_job, renew
from tuner.study import StudyDefinition


class ReferenceJob:
    """The job of one study, as one worker sees it.

    ``is_done`` once nothing is left to do or wait for; ``seconds`` that this worker spent on it.
    """

    def __init__(
        self, database: Database, study_id: int, definition: StudyDefinition, dataset: Dataset, owner: Owner
    ) -> None:
        self._database, self._study_id, self._owner = database, study_id, owner
        self._definition, self._dataset = definition, dataset
        self.is_done = False
        self.seconds = 0.0

    def advance(self, stop: Callable[[], bool]) -> bool:
        """Do the job if it waits for somebody; False where it was interrupted, and re-queued."""
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
        began = time.monotonic()
        with Heartbeat(lambda: renew(self._database, claim)) as heartbeat:
            try:
                found = self._train(lambda: heartbeat.lost or stop())
            except BaseException as error:
                with suppress(StorageError):
                    put_back_job(self._database, claim)
                if isinstance(error, TrainingStoppedError):
                    return heartbeat.lost  # whoever has it now does it; else this worker was told to stop
                raise
            finish_job(self._database, claim, found)
        self.is_done = True
        self.seconds = time.monotonic() - began
        return True

    def _train(self, stop: Callable[[], bool]) -> dict[str, float] | str:
        """Each model's dev error; or why there are none, which is no failure of the search."""
        try:
            return reference_errors(self._definition, self._dataset, stop)
        except TrainingStoppedError:
            raise
        except Exception as error:
            return f"{type(error).__name__}: {error}"
