"""Records: written whole or not at all, and read back bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import optuna
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from tests.storage.conftest import DISTRIBUTIONS, N_DEV, drawn, make_study, outcome, take, take_and_draw
from tuner.errors import StorageError
from tuner.storage import (
    Claim,
    Database,
    History,
    JobClaim,
    enqueue_trial,
    finish_job,
    optuna_internals,
    raise_budget,
    read_counts,
    read_progress,
    read_sampled,
    read_study,
    reading,
    record_test_evaluation,
    tables,
    write_outcome,
    write_sampled,
)
from tuner.storage import history as history_module
from tuner.storage import predictions as predictions_module
from tuner.storage.reading import list_trials
from tuner.units import SHARE


def count(database: Database, table: sa.Table) -> int:
    """Rows in a table."""
    with database.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_everything_about_a_trial_comes_back(database: Database) -> None:
    """Parameters, seed, value, rungs, networks, bits and curves."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    written = outcome(0.3)
    assert write_outcome(database, claim, study, written)
    trial = read_study(database, "made").trials[0]
    assert (trial.number, trial.state, trial.stop_reason, trial.value) == (0, "complete", "patience", 0.3)
    assert (trial.params, trial.seed, trial.exploring) == (drawn().hyperparameters, 1000, True)
    assert (trial.best_epoch, trial.epochs, trial.seconds) == (3, 3, 0.3)
    expected, found = written.networks[0], trial.networks[0]
    for field in dataclasses.fields(expected):
        if field.name != "curve":
            np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name))
    for name, values in expected.curve.items():
        np.testing.assert_array_equal(found.curve[name], values)


def test_a_record_is_written_whole_or_not_at_all(database: Database) -> None:
    """What fails half-way leaves no trace: the trial still runs, without a value, rungs or networks."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    good = outcome()
    bad = dataclasses.replace(good, networks=[dataclasses.replace(good.networks[0], dev_wrong=None)])
    with pytest.raises(StorageError):
        write_outcome(database, claim, study, bad)
    trial = read_study(database, "made").trials[0]
    assert (trial.state, trial.value, trial.networks) == ("running", None, [])
    assert write_outcome(database, claim, study, good)


def test_optuna_opens_the_same_study(database: Database) -> None:
    """Optuna's own tools see the trials, their parameters, values and intermediate values."""
    study = make_study(database)
    assert write_outcome(database, take_and_draw(database, study), study, outcome(0.3))
    assert write_outcome(database, take_and_draw(database, study), study, outcome(0.4, pruned=True))
    storage = optuna.storages.RDBStorage(database.address)
    loaded = optuna.load_study(study_name="made", storage=storage)
    assert [trial.state for trial in loaded.trials] == [TrialState.COMPLETE, TrialState.PRUNED]
    assert loaded.best_trial.value == 0.3
    assert loaded.best_trial.params == drawn().sampled
    assert loaded.best_trial.intermediate_values == {1: 0.5, 2: 0.3}
    storage.remove_session()
    storage.engine.dispose()


def test_history_reads_only_what_is_new(database: Database) -> None:
    """Finished trials come in the order they finished; running ones as they are now."""
    study = make_study(database, budget=9)
    claims = [take_and_draw(database, study) for _ in range(3)]
    history = History(database, study, DISTRIBUTIONS)
    history.refresh()
    assert ([t.number for t in history.finished], [t.number for t in history.running]) == ([], [0, 1, 2])
    for claim in (claims[2], claims[0]):
        assert write_outcome(database, claim, study, outcome())
    before = list(history.finished)
    history.refresh()
    assert [t.number for t in history.finished] == [2, 0]
    assert [t.number for t in history.running] == [1]
    assert before == []
    first = history.finished[0]
    history.refresh()
    assert history.finished[0] is first


def test_a_few_trials_are_read_without_the_others(sqlite: Database) -> None:
    """Those of a page: no statement reads more of them."""
    study = make_study(sqlite, budget=9)
    for _ in range(3):
        assert write_outcome(sqlite, take_and_draw(sqlite, study), study, outcome())
    limits = []

    @sa.event.listens_for(sqlite.engine, "before_cursor_execute")
    def _note(_: object, __: object, statement: str, parameters: tuple[object, ...], *more: object) -> None:
        limits.extend(parameters[-2:] if "LIMIT" in statement else ())

    first = next(list_trials(sqlite, study, N_DEV, SHARE, at_once=1))
    assert (first.number, 1 in limits, reading.CHUNK in limits) == (0, True, False)


def test_of_a_large_study_the_best_trials_have_all_epochs(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others come with the losses at their best epoch; a list has neither, and any number of trials."""
    for name, n in {"CHUNK": 2, "MANY": 4, "WHOLE": 1}.items():
        monkeypatch.setattr(reading, name, n)
    monkeypatch.setattr(reading, "_BEST", reading._BEST.limit(1))
    study = make_study(sqlite, budget=20)
    for value in (0.4, 0.2, 0.5, 0.3):
        assert write_outcome(sqlite, take_and_draw(sqlite, study), study, outcome(value))
    whole = read_study(sqlite, "made").trials
    assert write_outcome(sqlite, take_and_draw(sqlite, study), study, outcome(0.6))
    trials = read_study(sqlite, "made").trials
    assert [len(trial.networks[0].dev_fold_losses) for trial in trials] == [1, 3, 1, 1, 1]
    assert [bool(trial.networks[0].curve) for trial in trials] == [False, True, False, False, False]
    for full, thin in zip(whole, trials, strict=False):
        assert (full.networks[0].dev_fold_losses[2] == thin.networks[0].dev_fold_losses[-1]).all()
    listed = list(list_trials(sqlite, study, 10, SHARE))
    assert [(trial.number, trial.value) for trial in listed] == [(trial.number, trial.value) for trial in trials]


def test_history_keeps_the_newest_and_the_best_of_the_older(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read one by one or all at once; a trial that falls out of the newest stays if it is among the best."""
    for name, n in {"SEEN_NEWEST": 2, "SEEN_BEST": 2, "COMPARED": 4}.items():
        monkeypatch.setattr(history_module, name, n)
    study = make_study(sqlite, budget=20)
    one_by_one, seen = History(sqlite, study, DISTRIBUTIONS), []
    for value in (0.4, 0.2, 0.5, 0.1, 0.2, 0.6):
        assert write_outcome(sqlite, take_and_draw(sqlite, study), study, outcome(value))
        one_by_one.refresh()
        seen.append([trial.number for trial in one_by_one.finished])
    at_once = History(sqlite, study, DISTRIBUTIONS)
    at_once.refresh()
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 3, 4], [1, 3, 4, 5]]
    for history in (one_by_one, at_once):
        assert [trial.number for trial in history.finished] == [1, 3, 4, 5]
        assert [trial.number for trial in history.newest] == [2, 3, 4, 5]
        assert (history.lowest, history.since_lowest) == (0.1, 2)


def test_history_translates_what_was_drawn_from_another_list_of_choices(database: Database) -> None:
    """The stored number of a choice follows the list it was drawn from; a choice that is gone is left out."""
    study = make_study(database)
    assert write_outcome(database, take_and_draw(database, study), study, outcome())
    changed = optuna.distributions.CategoricalDistribution(("zeros", "lecun", "xavier"))
    history = History(database, study, {**DISTRIBUTIONS, "initializer": changed})
    history.refresh()
    assert history.finished[0].params["initializer"] == "xavier"
    gone = optuna.distributions.CategoricalDistribution(("he", "zeros"))
    history = History(database, study, {**DISTRIBUTIONS, "initializer": gone})
    history.refresh()
    assert list(history.finished[0].params) == ["alpha"]


def test_progress_counts_and_names_the_best(database: Database) -> None:
    """Diverged trials are complete ones, but never the best; of equal costs, too, the earlier trial is it."""
    study = make_study(database, budget=9)
    for value, changes in [
        (0.0, {"stop_reason": "diverged"}),
        (0.3, {}),
        (0.2, {}),
        (0.2, {}),
        (0.1, {"pruned": True}),
    ]:
        assert write_outcome(database, take_and_draw(database, study), study, outcome(value, **changes))
    progress = read_progress(database, study)
    counts = progress.counts
    assert (counts.complete, counts.pruned, counts.failed, counts.diverged) == (4, 1, 0, 1)
    assert progress.best is not None
    assert (progress.best.number, progress.best.dev_error, progress.best.train_error) == (2, 0.2, 0.1)
    assert read_counts(database, study, "another call").complete == 0
    assert read_counts(database, study, "a") == counts


def test_of_equal_trials_the_one_of_the_lowest_cost_is_the_best(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the record, while it is searched, and among those whose predictions are kept; a trial without a cost is first.

    Trials of versions before have none.
    """
    monkeypatch.setattr(predictions_module, "KEPT", 2)
    study = make_study(database, budget=9)
    for costs in ((0.5, 0.3), (0.9, 0.1), (0.1, 0.2), (0.2, 0.1)):
        ended = outcome(0.2)
        networks = [dataclasses.replace(ended.networks[0], dev_cost=cost) for cost in costs]
        assert write_outcome(
            database, take_and_draw(database, study), study, dataclasses.replace(ended, networks=networks)
        )
    record, progress = read_study(database, "made"), read_progress(database, study)
    assert (record.best.number, progress.best.number) == (2, 2)
    assert [trial.number for trial in record.trials if trial.predictions is not None] == [2, 3]
    ended = dataclasses.replace(outcome(0.2), networks=[dataclasses.replace(outcome(0.2).networks[0], dev_cost=np.nan)])
    assert write_outcome(database, take_and_draw(database, study), study, ended)
    assert read_study(database, "made").best.number == read_progress(database, study).best.number == 4


def test_a_reader_never_waits_for_a_writer(database: Database) -> None:
    """While a transaction writes, a report sees the study as it was before."""
    study = make_study(database)
    claim = take_and_draw(database, study)

    def work(connection: sa.Connection) -> str:
        connection.execute(tables.claims.update().values(reason="half written"))
        other = Database(database.url)
        try:
            return read_study(other, "made").trials[0].state
        finally:
            other.close()

    assert database.write(work) == "running"
    assert claim.number == 0


def test_busy_is_waited_for(sqlite: Database) -> None:
    """A transaction that finds the file locked is tried again until it has its turn."""
    tries = []

    def work(connection: sa.Connection) -> str:
        tries.append(connection)
        if len(tries) < 3:
            raise sa.exc.OperationalError("", {}, Exception("database is locked"))
        return "done"

    assert sqlite.write(work) == "done"
    assert len(tries) == 3


def test_a_trials_best_epoch_is_the_middle_one_of_its_networks(database: Database) -> None:
    """Folds' best epochs 7, 19, 7, 5, 5: 7, also where an older version wrote the latest of them."""
    study = make_study(database)
    written = outcome(epochs=19)
    networks = [dataclasses.replace(written.networks[0], best_epoch=epoch) for epoch in (7, 19, 7, 5, 5)]
    assert write_outcome(
        database, take_and_draw(database, study), study, dataclasses.replace(written, networks=networks)
    )
    assert read_study(database, "made").trials[0].best_epoch == 7
    database.write(lambda connection: connection.execute(tables.trials.update().values(best_epoch=19)))
    assert read_study(database, "made").trials[0].best_epoch == 7


def test_parameters_picked_by_hand_are_replaced_by_what_the_trial_runs_with(database: Database) -> None:
    """Each parameter has one row then, whatever was picked, and an earlier attempt's draw is kept."""
    study = make_study(database)
    enqueue_trial(database, study, {"alpha": 0.5}, DISTRIBUTIONS)
    claim = take(database, study)
    assert read_sampled(database, claim.trial_id, DISTRIBUTIONS) == (None, {"alpha": 0.5})
    assert write_sampled(database, claim, study, drawn(), DISTRIBUTIONS)
    assert read_sampled(database, claim.trial_id, DISTRIBUTIONS) == (drawn(), {})
    assert count(database, optuna_internals.params) == 2


def test_what_sampler_and_pruner_noted_is_kept_with_the_trial(database: Database) -> None:
    """Before the trial runs, and once it has ended; Optuna's samplers and pruners find it there."""
    study = make_study(database)
    claim = take(database, study)
    noted = dataclasses.replace(drawn(), system_attributes={"cma:generation": [1, 2]})
    assert write_sampled(database, claim, study, noted, DISTRIBUTIONS)
    history = History(database, study, DISTRIBUTIONS)
    history.refresh()
    assert history.running[0].system_attrs == {"cma:generation": [1, 2]}
    ended = dataclasses.replace(outcome(), system_attributes={"completed_rung_0": 0.5})
    assert write_outcome(database, claim, study, ended)
    history.refresh()
    assert history.finished[0].system_attrs == {"cma:generation": [1, 2], "completed_rung_0": 0.5}


WRITES: dict[str, Callable[[Database, int, Claim], object]] = {
    "claim_trial": lambda database, study, _: take(database, study),
    "write_outcome": lambda database, study, claim: write_outcome(database, claim, study, outcome()),
    "enqueue_trial": lambda database, study, _: enqueue_trial(database, study, {"alpha": 0.5}, DISTRIBUTIONS),
    "raise_budget": lambda database, study, _: raise_budget(database, study, by=1),
    "record_test_evaluation": lambda database, study, _: record_test_evaluation(
        database, study, trial_number=0, wrong=1, n=10, n_effective=None, model="m"
    ),
    "finish_job": lambda database, study, _: finish_job(database, JobClaim(study, "another token", 1), "gone"),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_change_of_a_studys_trials_begins_with_the_studys_lock(database: Database, name: str) -> None:
    """In one order, so that no two transactions on a server wait for each other's rows."""
    study = make_study(database, budget=9)
    claim = take_and_draw(database, study)
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if "clock_timestamp" not in statement:
            statements.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    WRITES[name](database, study, claim)
    sa.event.remove(database.engine, "before_cursor_execute", note)
    first = next(
        k for k, statement in enumerate(statements) if not statement.startswith(("BEGIN", "SELECT tuner_jobs"))
    )
    assert statements[first].startswith("SELECT tuner_studies.budget")
    assert database.is_sqlite or statements[first].endswith("FOR UPDATE")
