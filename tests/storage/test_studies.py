"""Studies: made once, found by name, given more budget, deleted whole."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from tests.storage.conftest import DISTRIBUTIONS, make_study, new_study, outcome, take, take_and_draw
from tuner.storage import (
    Counts,
    Database,
    History,
    StudyFacts,
    delete_study,
    enqueue_trial,
    ensure_study,
    find_study,
    open_studies,
    optuna_internals,
    raise_budget,
    read_progress,
    read_sampled,
    read_study,
    record_test_evaluation,
    requeue,
    set_budget,
    study_lines,
    study_names,
    tables,
    write_outcome,
)
from tuner.storage.checked import BadValueError


def test_a_study_is_made_once(database: Database) -> None:
    """The second that would make it gets the first one's."""
    first, is_new = ensure_study(database, new_study(budget=4))
    assert is_new
    second, is_new = ensure_study(database, new_study(budget=5))
    assert not is_new
    assert second == first
    assert study_names(database) == ["made"]
    assert find_study(database, "other") is None


def test_a_budget_is_set_or_raised(database: Database) -> None:
    """To so many trials in all, or by a number beyond what is allowed or done; it is never below what is done."""
    study = make_study(database, budget=4)
    assert set_budget(database, study, 9) == 9
    assert set_budget(database, study, 6) == 6
    assert raise_budget(database, study, by=2) == 8
    for _ in range(10):
        assert write_outcome(database, take_and_draw(database, study, extra=99), study, outcome())
    assert raise_budget(database, study, by=2) == 12
    assert set_budget(database, study, 3) == 10


def test_a_picked_trial_is_the_next(database: Database) -> None:
    """Its parameters wait with it; what was not picked is left to the draw."""
    study = make_study(database)
    assert take_and_draw(database, study).number == 0
    assert enqueue_trial(database, study, {"alpha": 0.5}, DISTRIBUTIONS) == 1
    assert enqueue_trial(database, study, {"initializer": "he"}, DISTRIBUTIONS) == 2
    claim = take(database, study)
    assert claim.number == 1
    assert read_sampled(database, claim.trial_id, DISTRIBUTIONS) == (None, {"alpha": 0.5})
    assert [take(database, study).number for _ in range(2)] == [2, 3]


def test_a_line_sums_a_study_up(database: Database) -> None:
    """Trials by state, and the best value of the complete ones."""
    study = make_study(database, budget=9)
    for value, pruned in [(0.3, False), (0.1, True), (0.2, False)]:
        assert write_outcome(database, take_and_draw(database, study), study, outcome(value, pruned=pruned))
    take_and_draw(database, study)
    enqueue_trial(database, study, {}, DISTRIBUTIONS)
    (line,) = study_lines(database)
    assert (line.name, line.budget, line.complete, line.pruned, line.failed) == ("made", 9, 2, 1, 0)
    assert (line.running, line.waiting, line.best) == (1, 1, 0.2)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_trials_of_another_program_are_unrecorded(database: Database) -> None:
    """What plain Optuna adds, or runs of the waiting trials, is counted apart and nowhere else, whatever it holds."""
    study = make_study(database, budget=3)
    assert write_outcome(database, take_and_draw(database, study), study, outcome(0.2))
    claim = take_and_draw(database, study)
    requeue(database, claim)
    storage = optuna.storages.RDBStorage(database.address, engine_kwargs={"poolclass": sa.pool.NullPool})
    other = optuna.load_study(study_name="made", storage=storage)
    took = other.ask()  # the trial that waited
    other.tell(took, 0.0)
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING):
        value = float("-inf") if state is TrialState.COMPLETE else None
        rungs = {1: float("nan")}
        other.add_trial(optuna.trial.create_trial(state=state, value=value, intermediate_values=rungs))
    record = read_study(database, "made")
    assert ([trial.number for trial in record.trials], record.unrecorded) == ([0], 5)
    assert record.best is not None
    assert record.best.value == 0.2
    progress = read_progress(database, study)
    assert (progress.counts, progress.running) == (Counts(complete=1, unrecorded=5), 0)
    assert record.count() == progress.counts
    (line,) = study_lines(database)
    assert (line.finished, line.failed, line.running, line.unrecorded, line.best) == (1, 0, 0, 5, 0.2)
    assert [one.running for one in open_studies(database)] == [0]
    history = History(database, study, DISTRIBUTIONS)
    history.refresh()
    assert ([trial.number for trial in history.finished], history.running) == ([0], [])
    assert [take(database, study).number for _ in range(2)] == [6, 7]


def test_a_deleted_study_leaves_nothing(database: Database) -> None:
    """Not a row in Optuna's tables or ours, but for the other study's."""
    keep = make_study(database, "keep")
    assert write_outcome(database, take_and_draw(database, keep), keep, outcome())
    before = row_counts(database)
    study = make_study(database, "gone")
    assert write_outcome(database, take_and_draw(database, study), study, outcome())
    take_and_draw(database, study)
    enqueue_trial(database, study, {"alpha": 0.5}, DISTRIBUTIONS)
    assert row_counts(database) != before
    delete_study(database, "gone")
    assert row_counts(database) == before


def row_counts(database: Database) -> dict[str, int]:
    """Rows of every table."""
    every = [*tables.metadata.sorted_tables, *optuna_internals.metadata.sorted_tables]
    with database.reading() as connection:
        return {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in every
        }


def test_evaluations_on_the_test_set_are_counted(database: Database) -> None:
    """Each by its trial, in the order they were taken; another study's do not count."""
    study, other = make_study(database), make_study(database, "other")
    look = {"trial_number": 3, "wrong": 2, "n": 10, "n_effective": None, "model": "a.tuner"}
    assert record_test_evaluation(database, study, **look) == 1  # type: ignore[arg-type]
    assert record_test_evaluation(database, study, **{**look, "wrong": 4}) == 2  # type: ignore[arg-type]
    assert record_test_evaluation(database, other, **look) == 1  # type: ignore[arg-type]
    looks = read_study(database, "made").test_evaluations
    assert [(one.trial_number, one.wrong, one.n) for one in looks] == [(3, 2, 10), (3, 4, 10)]
    assert looks[0].looked <= looks[1].looked


@pytest.mark.parametrize("weights", [None, np.zeros(10), np.full(10, 2.0)])
def test_dev_rows_without_weights_of_their_classes_are_refused(sqlite: Database, weights: np.ndarray | None) -> None:
    """A study whose errors weigh the classes has a weight above 0 for each dev row, 1 on average."""
    facts = StudyFacts(class_names=["a", "b"], sizes={"train": 40, "dev": 10}, weighs_classes=True)
    ensure_study(sqlite, new_study(facts=facts, dev_weights=weights))
    with pytest.raises(BadValueError, match=r"column dev_weights: .* the weights of 10 dev rows"):
        read_study(sqlite, "made")
