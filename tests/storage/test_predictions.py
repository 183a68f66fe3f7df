"""What the best trials predict of the dev rows: kept in few bytes, of the best alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sqlalchemy as sa

from tests.databases import KINDS, new_url
from tests.storage.conftest import N_DEV, make_study, outcome, take_and_draw
from tuner.storage import (
    BadValueError,
    Database,
    DevPredictions,
    Outcome,
    merge_database,
    migrations,
    open_database,
    predictions,
    read_study,
    sqlite_url,
    write_outcome,
)

CLASSES = np.arange(N_DEV) % 2
LOG = np.log(np.full((N_DEV, 2), 0.5)).astype("<f2").tobytes()


def finish(database: Database, study: int, value: float, **changes: object) -> Outcome:
    """Record a trial of this value."""
    written = replace(outcome(value), **changes)
    assert write_outcome(database, take_and_draw(database, study, extra=100), study, written)
    return written


def kept(database: Database) -> list[float | None]:
    """The values of the trials with predictions, in the order of their numbers."""
    return [trial.value for trial in read_study(database, "made").trials if trial.predictions is not None]


def test_probabilities_come_back(database: Database) -> None:
    """To four digits in the middle, and near 0 and 1 to three of their distance; the classes as they were."""
    positive = np.array([0.5, 0.501, 0.123456, 1e-9, 1 - 1e-6, 0.0, 1.0, 0.9, 0.3, 0.499])
    given = np.stack([1 - positive, positive], axis=1)
    finish(database, make_study(database), 0.2, predictions=DevPredictions(given.argmax(axis=1), given))
    found = read_study(database, "made").trials[0].predictions
    assert found is not None
    assert found.probabilities is not None
    np.testing.assert_array_equal(found.classes, given.argmax(axis=1))
    np.testing.assert_allclose(found.probabilities, given, rtol=1e-2, atol=1e-10)
    np.testing.assert_allclose(found.probabilities, given, atol=2e-4)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)


def test_classes_may_be_all_that_is_known(database: Database) -> None:
    """Of a trainer that returns classes."""
    finish(database, make_study(database), 0.2, predictions=DevPredictions(CLASSES, None))
    found = read_study(database, "made").trials[0].predictions
    assert found is not None
    assert (found.classes.tolist(), found.probabilities) == (CLASSES.tolist(), None)


@pytest.mark.parametrize(
    "losses", [[np.arange(30) % 7 == 0], [np.array([0.5, 0.0, 7.25])], [np.ones(9, bool), np.arange(17) % 2 == 0]]
)
def test_losses_of_training_rows_come_back(sqlite: Database, losses: list[np.ndarray]) -> None:
    """Bits of each network, or squared errors; as many as it has training rows."""
    packed = predictions._packed_losses(losses)
    sizes, are_bits = [len(each) for each in losses], losses[0].dtype == bool
    row = SimpleNamespace(trial_id=1, train_losses=packed)
    found = predictions._unpacked_losses(row, sizes, are_bits=are_bits)
    assert found is not None
    for one, other in zip(found, losses, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(BadValueError, match="training rows"):
        predictions._unpacked_losses(row, [*sizes[:-1], sizes[-1] + 9], are_bits=are_bits)


def test_of_too_many_probabilities_those_of_the_predicted_classes_are_kept(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with thousands of classes."""
    monkeypatch.setattr(predictions, "MOST", 2 * N_DEV - 1)
    given = np.tile([0.25, 0.75], (N_DEV, 1))
    finish(sqlite, make_study(sqlite), 0.2, predictions=DevPredictions(np.ones(N_DEV, int), given))
    found = read_study(sqlite, "made").trials[0].predictions
    assert found is not None
    np.testing.assert_allclose(found.probabilities, np.full((N_DEV, 1), 0.75), rtol=1e-3)


def test_only_those_of_the_best_trials_are_kept(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is among the best when it ends drives out the worst; of equals the earlier stays."""
    monkeypatch.setattr(predictions, "KEPT", 2)
    study = make_study(sqlite)
    for value, left in (
        (0.5, [0.5]),
        (0.4, [0.5, 0.4]),
        (0.6, [0.5, 0.4]),
        (0.3, [0.4, 0.3]),
        (0.4, [0.4, 0.3]),
        (0.2, [0.3, 0.2]),
    ):
        finish(sqlite, study, value)
        assert kept(sqlite) == left
    finish(sqlite, study, 0.1, predictions=None)
    assert kept(sqlite) == [0.3, 0.2]


def test_a_merge_keeps_those_of_the_best_of_both(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the ids that the trials have here."""
    monkeypatch.setattr(predictions, "KEPT", 2)
    with open_database(sqlite_url(tmp_path / "other.db"), create=True) as other:
        for database, values in ((sqlite, (0.5, 0.2)), (other, (0.4, 0.3))):
            study = make_study(database)
            for value in values:
                finish(database, study, value)
        merge_database(other, sqlite)
        assert kept(other) == [0.4, 0.3]
    assert kept(sqlite) == [0.2, 0.3]


@pytest.mark.parametrize("kind", KINDS)
def test_trials_of_schema_10_have_none(tmp_path: Path, kind: str) -> None:
    """The table is added, and new trials have theirs in it."""
    with open_database(new_url(kind, tmp_path), create=True) as database:
        study = make_study(database)
        finish(database, study, 0.2)
        database.write(lambda connection: connection.execute(sa.text("DROP TABLE tuner_predictions")))
        database.write(migrations.add_predictions)
        database.write(migrations.add_train_losses)
        finish(database, study, 0.3)
        assert kept(database) == [0.3]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("classes", CLASSES[1:].astype("<u2").tobytes(), "the classes of 10 dev rows"),
        ("classes", (CLASSES + 1).astype("<u2").tobytes(), "from 0 to 1"),
        ("classes", b"abc", "complete 2-byte items"),
        ("log_probabilities", LOG[2:], "of 10 dev rows and 2 classes"),
        ("log_probabilities", np.full(2 * N_DEV, np.nan, "<f2").tobytes(), "logarithms"),
        ("log_probabilities", np.full(2 * N_DEV, 1.0, "<f2").tobytes(), "logarithms"),
        ("log_probabilities", np.full(2 * N_DEV, -9.0, "<f2").tobytes(), "that sum to 1"),
        ("log_probabilities", np.full(2 * N_DEV, -np.inf, "<f2").tobytes(), "that sum to 1"),
    ],
)
def test_what_tuner_did_not_write_is_named(sqlite: Database, column: str, value: bytes, expected: str) -> None:
    """Study, trial, table, column and what was expected."""
    finish(sqlite, make_study(sqlite), 0.2)
    sql = sa.text(f"UPDATE tuner_predictions SET {column} = :value")
    sqlite.write(lambda connection: connection.execute(sql, {"value": value}))
    with pytest.raises(BadValueError, match=f"study 'made', trial 0, table tuner_predictions, column {column}") as bad:
        read_study(sqlite, "made")
    assert expected in str(bad.value)
