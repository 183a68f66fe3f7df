"""Merging: another database's studies and trials, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from tests.storage.conftest import DISTRIBUTIONS, N_DEV, drawn, make_study, new_study, outcome, take, take_and_draw
from tuner.errors import StorageError
from tuner.storage import (
    BadValueError,
    Database,
    History,
    SampledTrial,
    StudyRecord,
    TrialRecord,
    counting,
    ensure_study,
    fail,
    merge_database,
    open_database,
    optuna_internals,
    read_progress,
    read_sampled,
    read_study,
    requeue,
    sqlite_url,
    study_names,
    tables,
    write_outcome,
    write_sampled,
)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Database]:
    """Another database, a SQLite file."""
    found = open_database(sqlite_url(tmp_path / "other.db"), create=True)
    yield found
    found.close()


def run_trials(database: Database, study: int, values: list[float], seed: int = 0) -> None:
    """Finish a trial with each of these values; seeds tell databases apart."""
    for value in values:
        claim = take(database, study, extra=100, call="x")
        point = drawn(claim.number)
        own = SampledTrial(point.sampled, point.hyperparameters, point.seed + seed, point.exploring)
        assert write_sampled(database, claim, study, own, DISTRIBUTIONS)
        assert write_outcome(database, claim, study, outcome(value))


def essence(trial: TrialRecord) -> tuple[object, ...]:
    """What must survive a merge."""
    network = trial.networks[0] if trial.networks else None
    bits = None if network is None else (network.dev_losses.tobytes(), network.dev_fold_losses.tobytes())
    curve = None if network is None else {name: values.tobytes() for name, values in network.curve.items()}
    return trial.state, trial.params, trial.value, trial.seed, bits, curve


def finished(record: StudyRecord) -> list[tuple[object, ...]]:
    """All trials, in the order of their numbers."""
    return [essence(trial) for trial in record.trials]


def test_a_new_study_comes_as_it_is(database: Database, other: Database) -> None:
    """Numbers, records, failures and their reasons, trials that wait; the order of finishing too."""
    study = make_study(other, budget=9)
    first, second, third, fourth = (take_and_draw(other, study) for _ in range(4))
    assert write_outcome(other, third, study, outcome(0.3))
    assert write_outcome(other, first, study, outcome(0.1, pruned=True))
    assert fail(other, second, "out of memory")
    assert requeue(other, fourth, b"checkpoint")
    make_study(other, "empty")
    merged = {one.study: one for one in merge_database(other, database)}
    assert (merged["made"].is_new, merged["made"].added, merged["made"].left) == (True, 4, 0)
    assert merged["empty"].added == 0
    before, after = read_study(other, "made"), read_study(database, "made")
    assert finished(after) == finished(before)
    assert [t.number for t in after.trials] == [0, 1, 2, 3]
    assert [t.state for t in after.trials] == ["pruned", "failed", "complete", "waiting"]
    assert after.trials[1].reason == "out of memory"
    assert (after.budget, after.definition, after.created) == (9, before.definition, before.created)
    np.testing.assert_array_equal(after.dev_rows, before.dev_rows)


def test_a_merged_study_goes_on(database: Database, other: Database) -> None:
    """The next worker takes what waited, with its parameters and checkpoint; then new numbers."""
    study = make_study(other)
    run_trials(other, study, [0.4])
    claim = take_and_draw(other, study)
    assert requeue(other, claim, b"checkpoint")
    merge_database(other, database)
    here = make_study(database)
    again = take(database, here)
    assert (again.number, again.attempt, again.checkpoint) == (1, 1, b"checkpoint")
    assert read_sampled(database, again.trial_id, DISTRIBUTIONS)[0] == drawn(1)
    assert take(database, here).number == 2
    history = History(database, here, DISTRIBUTIONS)
    history.refresh()
    assert [trial.number for trial in history.finished] == [0]
    assert read_progress(database, here).best.number == 0


def test_the_same_study_gains_the_trials_it_lacks(database: Database, other: Database) -> None:
    """Trials of both are there once, under new numbers where they come from elsewhere; a second merge adds nothing."""
    here, there = make_study(database, budget=50), make_study(other, budget=50)
    run_trials(database, here, [0.5, 0.4])
    run_trials(other, there, [0.5, 0.3], seed=0)
    run_trials(other, there, [0.2], seed=77)
    take_and_draw(other, there)
    (merged,) = merge_database(other, database)
    assert (merged.is_new, merged.added, merged.known, merged.left) == (False, 2, 1, 1)
    record = read_study(database, "made")
    assert [(t.number, t.value) for t in record.trials] == [(0, 0.5), (1, 0.4), (2, 0.3), (3, 0.2)]
    assert record.budget == 50
    (again,) = merge_database(other, database)
    assert (again.added, again.known) == (0, 3)
    history = History(database, here, DISTRIBUTIONS)
    history.refresh()
    assert [trial.number for trial in history.finished] == [0, 1, 2, 3]
    assert history.finished[3].intermediate_values == {1: 0.5, 2: 0.2}
    assert read_progress(database, here).best.number == 3
    assert database.read(counting.miscounted) == []
    assert take(database, here).number == 4


def test_another_identity_refuses_the_whole_merge(database: Database, other: Database) -> None:
    """Not even the studies that would fit come along."""
    make_study(database, "zeta")
    run_trials(other, make_study(other, "alpha"), [0.5])
    ensure_study(other, new_study("zeta", identity={"name": "zeta", "data.fingerprint": "another"}))
    with pytest.raises(StorageError, match=r"'zeta'.*data\.fingerprint.*nothing was merged"):
        merge_database(other, database)
    assert study_names(database) == ["zeta"]
    with database.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.epochs)).scalar_one() == 0


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        ("pooled_epoch", "one epoch for all folds"),
        ("exact_zeros", "L1"),
        ("weighs_classes", "classes weighted"),
        ("ties_by_cost", "lowest cost"),
    ],
)
def test_trials_that_were_trained_otherwise_are_not_mixed(
    database: Database, other: Database, fact: str, words: str
) -> None:
    """With an epoch for each fold, or L1 without exact zeros: the older study's hyperparameters mean something else."""
    make_study(database, "zeta")
    older = new_study("zeta")
    ensure_study(other, replace(older, facts=replace(older.facts, **{fact: True})))
    with pytest.raises(StorageError, match=rf"'zeta'.*{words}.*nothing was merged"):
        merge_database(other, database)


def test_predictions_that_are_none_are_not_taken(database: Database, other: Database) -> None:
    """A probability that is NaN refuses the merge, with the place of the value."""
    run_trials(other, make_study(other), [0.2])
    nan = np.full(2 * N_DEV, np.nan, "<f2").tobytes()
    other.write(lambda connection: connection.execute(tables.predictions.update().values(log_probabilities=nan)))
    with pytest.raises(BadValueError, match=r"study 'made', trial 0, .*log_probabilities.*is not logarithms"):
        merge_database(other, database)
    assert study_names(database) == []


def test_a_study_of_optuna_alone_is_not_mixed_in(database: Database, other: Database) -> None:
    """The name is taken by something that has no dev set."""
    database.write(lambda connection: connection.execute(optuna_internals.studies.insert().values(study_name="made")))
    make_study(other)
    with pytest.raises(StorageError, match="already exists and is of plain Optuna"):
        merge_database(other, database)


def test_many_trials_are_copied_in_portions(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large study does not have to fit into memory at once."""
    monkeypatch.setattr("tuner.storage.merging.CHUNK", 2)
    run_trials(other, make_study(other), [0.5, 0.4, 0.3, 0.2, 0.1])
    merge_database(other, database)
    assert finished(read_study(database, "made")) == finished(read_study(other, "made"))
