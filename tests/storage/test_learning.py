"""Learning curves in the database: kept by size, read back whole, gone with their study, merged with their trials."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from tests.storage.conftest import learning_network, make_study, outcome, take_and_draw
from tuner.analysis import LearningNetwork
from tuner.errors import StorageError
from tuner.storage import (
    Database,
    back_up,
    delete_study,
    merge_database,
    open_database,
    read_study,
    sqlite_url,
    write_learning,
    write_outcome,
)


def with_trials(database: Database, n: int = 2) -> int:
    """A study with finished trials."""
    study = make_study(database)
    for _ in range(n):
        assert write_outcome(database, take_and_draw(database, study), study, outcome())
    return study


def same(found: LearningNetwork, expected: LearningNetwork) -> bool:
    """Whether every field is alike."""
    pairs = zip(asdict(found).values(), asdict(expected).values(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def curves(database: Database) -> list[list[tuple[int, int, float]]]:
    """Size, repeat and error of the networks of every trial."""
    return [[(n.n_train, n.repeat, n.error) for n in trial.learning] for trial in read_study(database, "made").trials]


def test_a_curve_belongs_to_its_trial_and_is_read_as_written(database: Database) -> None:
    """Bits, counts and words come back as they were, in the order of sizes and repeats."""
    study = with_trials(database)
    left_out, left_wrong = np.arange(11) % 3 > 0, np.arange(11) % 3 > 1
    networks = [
        learning_network(40, 1),
        learning_network(40, 0),
        learning_network(20, left_out=left_out, left_wrong=left_wrong),
    ]
    write_learning(database, study, 1, networks)
    nothing, found = (trial.learning for trial in read_study(database, "made").trials)
    assert nothing == []
    assert all(same(a, b) for a, b in zip(found, reversed(networks), strict=True))


def test_a_size_is_replaced_whole(database: Database) -> None:
    """What was kept of that size goes, other sizes stay."""
    study = with_trials(database, 1)
    write_learning(database, study, 0, [learning_network(20, 0), learning_network(20, 1)])
    write_learning(database, study, 0, [learning_network(40)])
    write_learning(database, study, 0, [learning_network(20, 0, error=0.5)])
    assert curves(database) == [[(20, 0, 0.5), (40, 0, 0.3)]]


def test_a_trial_that_is_gone_is_said_to_be(database: Database) -> None:
    """Somebody deleted the study meanwhile."""
    study = with_trials(database, 1)
    with pytest.raises(StorageError, match="trial 7 is no longer"):
        write_learning(database, study, 7, [learning_network()])


def test_a_deleted_study_takes_its_curves_along(database: Database) -> None:
    """A new study of the same name begins without one."""
    study = with_trials(database, 1)
    write_learning(database, study, 0, [learning_network()])
    delete_study(database, "made")
    with_trials(database, 1)
    assert curves(database) == [[]]


def test_a_backup_holds_them(sqlite: Database, tmp_path: Path) -> None:
    """A copy of the database is a copy of everything."""
    study = with_trials(sqlite, 1)
    write_learning(sqlite, study, 0, [learning_network()])
    back_up(Path(str(sqlite.url.database)), tmp_path / "copy.db")
    with open_database(sqlite_url(tmp_path / "copy.db"), create=False) as copy:
        assert curves(copy) == [[(20, 0, 0.3)]]


def test_they_are_merged_with_their_trials(database: Database, tmp_path: Path) -> None:
    """Into a database without the study, and into one that has the trial but no curve; a curve that is there stays."""
    with open_database(sqlite_url(tmp_path / "other.db"), create=True) as other:
        study = with_trials(other)
        merge_database(other, database)
        write_learning(other, study, 0, [learning_network()])
        left = {"left_out": np.array([True, True, False]), "left_wrong": np.array([False, True, False])}
        write_learning(other, study, 1, [learning_network(40, **left)])
        merge_database(other, database)
        (found,) = read_study(database, "made").trials[1].learning
        assert same(found, learning_network(40, **left))
        assert curves(database) == [[(20, 0, 0.3)], [(40, 0, 0.3)]]
        write_learning(other, study, 0, [learning_network(20, error=0.5)])
        merge_database(other, database)
        assert curves(database) == [[(20, 0, 0.3)], [(40, 0, 0.3)]]
        with open_database(sqlite_url(tmp_path / "new.db"), create=True) as new:
            merge_database(other, new)
            assert curves(new) == [[(20, 0, 0.5)], [(40, 0, 0.3)]]
