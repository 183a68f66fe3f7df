"""A study's trials, read one after the other: as many as there are, in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tuner.storage import (
    Database,
    StoredStudy,
    TrialRecord,
    UnclaimedTrial,
    get_study,
    list_trials,
    mask,
    read_dev_set,
    read_failures,
    read_hyperparameter_names,
    read_state_counts,
    require_hyperparameters,
)
from tuner.study import StudyDefinition
from tuner.workspace.locating import Located, StudyPlace, locate, locate_again
from tuner.workspace.opening import compared, searched_database, searched_definition


@dataclass(frozen=True)
class TrialList:
    """A searched study whose trials are read as they are asked for.

    ``definition``: the user's study file, if it is the one that was searched; ``searched``: the database's.
    """

    database: Database
    stored: StoredStudy
    definition: StudyDefinition
    searched: StudyDefinition

    def __iter__(self) -> Iterator[TrialRecord]:
        """The recorded trials by their numbers, without epochs.  Raises StorageError for what cannot be one."""
        return self.above(-1)

    def above(self, number: int, at_once: int | None = None) -> Iterator[TrialRecord]:
        """The same, of the trials with higher numbers only, of which at most ``at_once`` are read at a time."""
        name, n_dev = self.stored.name, len(read_dev_set(self.database, self.stored.study_id)[0])
        for trial in list_trials(self.database, self.stored.study_id, n_dev, self.stored.facts.unit, above=number):
            if trial.params or trial.has_result:
                require_hyperparameters(self.database, name, trial.number, self.searched.misfit(trial.params))
            yield trial

    @property
    def storage(self) -> str:
        """The address of its database, without a password."""
        return mask(self.database.url)

    @property
    def hyperparameters(self) -> set[str]:
        """The names of the hyperparameters that any trial has."""
        return read_hyperparameter_names(self.database, self.stored.study_id)

    def count(self) -> tuple[int, int, tuple[UnclaimedTrial, ...]]:
        """The number of its trials, how many more another program added, and which of these it still runs."""
        counts, unclaimed = read_state_counts(self.database, self.stored.study_id)
        return counts.recorded, counts.unrecorded, unclaimed

    def failures(self) -> dict[int, str | None]:
        """Why trials failed, by their numbers."""
        return read_failures(self.database, self.stored.study_id)


@contextmanager
def open_trials(study: str, storage: str | None = None) -> Iterator[TrialList]:
    """Open a study that was searched.  Raises UsageError if it was not, StorageError for what cannot be one."""
    with locate(study, storage) as located:
        yield _list(located, study)


@contextmanager
def open_trials_again(place: StudyPlace) -> Iterator[TrialList]:
    """Open a searched study as it is now."""
    with locate_again(place) as located:
        yield _list(located, place.name)


def _list(located: Located, study: str) -> TrialList:
    database = searched_database(located, study)
    stored = compared(located.stored or get_study(database, located.name), located.source)
    searched = searched_definition(database, stored)
    own = located.source.definition if located.source is not None and not stored.changes_since_search else searched
    return TrialList(database, stored, own, searched)
