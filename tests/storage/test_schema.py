"""Opening: made once, refused without a byte changed, upgraded after a backup."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import multiprocessing
import os
import re
import socket
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import alembic.command
import numpy as np
import optuna
import pytest
import sqlalchemy as sa

from tests.conftest import DEADLINE
from tests.databases import KINDS, new_postgresql, new_url
from tests.running.conftest import forked, statuses
from tests.storage.conftest import learning_network, make_study, outcome, take_and_draw
from tuner.errors import NoDatabaseError, StorageError, UnavailableError
from tuner.storage import (
    Counts,
    back_up,
    migrations,
    open_database,
    optuna_internals,
    parse_url,
    raise_budget,
    read_progress,
    read_study,
    record_test_evaluation,
    schema,
    set_budget,
    sqlite_url,
    study_lines,
    study_names,
    tables,
    write_learning,
    write_outcome,
)
from tuner.storage.database import Database, verify_whole
from tuner.storage.failures import Patience, waiting_for_database

FORGET_LEFT_OUT = [
    f"ALTER TABLE tuner_learning DROP COLUMN {column}" for column in ("n_watched", "left_out_bits", "left_wrong_bits")
]
"""A learning curve as schema 4 had it."""
FORGET_EFFECTIVE = "ALTER TABLE tuner_test_looks DROP COLUMN n_effective"
"""A test-set evaluation as schema 5 had it."""

FORGET_DIVERGED = "ALTER TABLE tuner_networks DROP COLUMN diverged_layer"
"""A network as schema 6 had it."""
FORGET_JOBS = "DROP TABLE tuner_jobs"
"""Studies as schema 6 had them: their reference models were trained when they were made."""
FORGET_WEIGHTS = "ALTER TABLE tuner_studies DROP COLUMN dev_weights"
"""Studies as schema 7 had them."""
COUNTED = {"tuner_networks": ("train_wrong", "train_dev_wrong", "dev_wrong"), "tuner_test_looks": ("wrong",)}
FORGET_COUNTS = "DROP TABLE tuner_counts"
"""Studies as schema 9 had them: their trials were counted whenever somebody asked."""
FORGET_PREDICTIONS = "DROP TABLE tuner_predictions"
"""Trials as schema 10 had them."""
FORGET_CONFIRMATIONS = "DROP TABLE tuner_confirmations"
"""Trials as schema 13 had them."""
FORGET_TIES = "ALTER TABLE tuner_trials DROP COLUMN tie_break"
"""Trials as schema 14 had them."""
FORGET_QUEUE = [
    FORGET_TIES,
    FORGET_CONFIRMATIONS,
    *(f"ALTER TABLE tuner_studies DROP COLUMN {column}" for column in ("priority", "hold", "resumed")),
]
"""Studies as schema 11 had them."""


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder with its hash."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def change(path: Path, *statements: str) -> None:
    """Run SQL on a file, leaving one file behind."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def make(path: Path) -> None:
    """A tuner database with one finished trial."""
    database = open_database(sqlite_url(path), create=True)
    study = make_study(database)
    assert write_outcome(database, take_and_draw(database, study), study, outcome())
    database.close()


def make_optuna(path: Path) -> None:
    """A database as Optuna alone makes it."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    storage.remove_session()
    storage.engine.dispose()


def make_newer(path: Path) -> None:
    """A database of a tuner to come."""
    make(path)
    change(path, "UPDATE tuner_version SET schema_version = 99")


def make_newer_optuna(path: Path) -> None:
    """A database whose Optuna tables are of an Optuna to come."""
    make(path)
    change(
        path,
        "UPDATE tuner_version SET optuna_version = '99.0'",
        "UPDATE alembic_version SET version_num = 'v99.0.0.a'",
    )


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize(
    ("make_file", "parts"),
    [
        (make_newer, ["newer tuner", "99", "pip install --upgrade tuner-search"]),
        (make_newer_optuna, ["Optuna 99.0", "pip install --upgrade optuna"]),
        (make_optuna, ["Optuna database without tuner's tables"]),
        (lambda path: change(path, "CREATE TABLE customers (name TEXT)"), ["somebody else's database"]),
        (lambda path: path.write_text("name = 1\n", encoding="utf-8"), ["not a SQLite database"]),
        (lambda path: path.write_bytes(b"SQLite format 3\x00" + bytes(range(256)) * 8), ["cannot be read"]),
        (lambda path: path.write_bytes(b""), ["an empty file"]),
        (lambda path: path.mkdir(), ["is a folder"]),
    ],
)
def test_what_is_not_ours_is_refused_and_left_as_it_was(
    tmp_path: Path, make_file: object, parts: list[str], create: bool
) -> None:
    """One line that says what it is; not a byte of it changes, and nothing appears beside it."""
    path = tmp_path / "tuner.db"
    make_file(path)  # type: ignore[operator]
    before = {} if path.is_dir() else contents(tmp_path)
    with pytest.raises(StorageError) as refused:
        open_database(sqlite_url(path), create=create)
    for part in [str(path), *parts]:
        assert part in str(refused.value)
    assert "\n" not in str(refused.value)
    assert before == ({} if path.is_dir() else contents(tmp_path))


def test_reading_makes_nothing(tmp_path: Path) -> None:
    """A database that is not there is not made for whoever only reads; nor is its folder."""
    with pytest.raises(StorageError, match="no such database"):
        open_database(sqlite_url(tmp_path / "gone" / "tuner.db"), create=False)
    assert list(tmp_path.iterdir()) == []


def test_only_the_last_folder_is_made(tmp_path: Path) -> None:
    """``studies/`` is made; a path that was mistyped further up is not."""
    open_database(sqlite_url(tmp_path / "studies" / "tuner.db"), create=True).close()
    assert contents(tmp_path / "studies").keys() == {"tuner.db"}
    with pytest.raises(StorageError, match="cannot be created"):
        open_database(sqlite_url(tmp_path / "no" / "such" / "tuner.db"), create=True)


def test_a_database_is_in_wal_mode(tmp_path: Path) -> None:
    """Readers do not block writers."""
    make(tmp_path / "tuner.db")
    with closing(sqlite3.connect(tmp_path / "tuner.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def everything(path: Path) -> list[str]:
    """Optuna's tables and their rows as SQL, in an order of their own."""
    with closing(sqlite3.connect(path)) as connection:
        return sorted(line for line in connection.iterdump() if "tuner_" not in line)


def test_optunas_tables_are_as_optuna_makes_them(tmp_path: Path) -> None:
    """A new file's tables, indexes, versions and revision are those that Optuna itself would have made."""
    open_database(sqlite_url(tmp_path / "tuner.db"), create=True).close()
    make_optuna(tmp_path / "optuna.db")
    assert everything(tmp_path / "tuner.db") == everything(tmp_path / "optuna.db")


def test_migrations_in_another_form_are_left_to_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an Optuna to come writes them differently, it makes its tables itself."""
    monkeypatch.setattr(optuna_internals, "REVISIONS", re.compile("revision: str"))
    open_database(sqlite_url(tmp_path / "tuner.db"), create=True).close()
    make_optuna(tmp_path / "optuna.db")
    assert everything(tmp_path / "tuner.db") == everything(tmp_path / "optuna.db")


def test_many_that_create_at_once_make_one(tmp_path: Path) -> None:
    """Twelve processes open one new file in the same moment: all get it, and only it is left."""
    together = multiprocessing.get_context("fork").Barrier(12)

    def work() -> None:
        together.wait(DEADLINE)
        with open_database(sqlite_url(tmp_path / "tuner.db"), create=True) as made, made.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM tuner_version").scalar_one() == 1

    assert statuses(forked(work, 12)) == [0] * 12
    assert contents(tmp_path).keys() == {"tuner.db"}


def test_an_older_schema_is_upgraded_after_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migrations run in order, once; the file as it was lies beside it."""
    path = tmp_path / "tuner.db"
    make(path)
    steps = [
        lambda connection: connection.execute(sa.text("ALTER TABLE tuner_trials ADD COLUMN note TEXT")),
        lambda connection: connection.execute(sa.text("UPDATE tuner_trials SET note = 'upgraded'")),
    ]
    before = tables.SCHEMA_VERSION
    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, *steps])
    monkeypatch.setattr(tables, "SCHEMA_VERSION", before + 2)
    open_database(sqlite_url(path), create=True).close()
    open_database(sqlite_url(path), create=True).close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT note FROM tuner_trials").fetchall() == [("upgraded",)]
        assert connection.execute("SELECT schema_version FROM tuner_version").fetchall() == [(before + 2,)]
    (backup,) = tmp_path.glob("tuner.db.before-*")
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT schema_version FROM tuner_version").fetchall() == [(before,)]


@pytest.mark.parametrize("kind", KINDS)
def test_costs_may_be_unknown_after_the_upgrade(tmp_path: Path, kind: str) -> None:
    """Tables as the first version made them take NULL for a cost afterward, and keep their rows."""
    with open_database(new_url(kind, tmp_path), create=True) as database:
        study = make_study(database)
        assert write_outcome(database, take_and_draw(database, study), study, outcome())
        before = read_study(database, "made").trials[0].networks[0]
        database.write(_forbid_unknown_costs)
        nan = dataclasses.replace(before, dev_cost=math.nan)
        unknown = dataclasses.replace(outcome(), networks=[nan])
        claim = take_and_draw(database, study)
        with pytest.raises(StorageError):
            write_outcome(database, claim, study, unknown)
        database.write(migrations.allow_unknown_costs)
        assert write_outcome(database, claim, study, unknown)
        first, second = (trial.networks[0] for trial in read_study(database, "made").trials)
        assert (first.dev_cost, first.curve["dev_cost"].tolist()) == (0.4, before.curve["dev_cost"].tolist())
        assert math.isnan(second.dev_cost)


def _forbid_unknown_costs(connection: sa.Connection) -> None:
    for table in ("tuner_networks", "tuner_epochs"):
        if connection.dialect.name != "sqlite":
            connection.execute(
                sa.text(f"ALTER TABLE {table} ALTER train_cost SET NOT NULL, ALTER dev_cost SET NOT NULL")
            )
            continue
        query = f"SELECT sql FROM sqlite_master WHERE name = '{table}'"
        definition = connection.execute(sa.text(query)).scalar_one().replace("_cost DOUBLE", "_cost DOUBLE NOT NULL")
        connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO old"))
        connection.execute(sa.text(definition))
        connection.execute(sa.text(f"INSERT INTO {table} SELECT * FROM old"))
        connection.execute(sa.text("DROP TABLE old"))


def test_a_database_of_schema_1_gains_learning_curves(tmp_path: Path) -> None:
    """Its trials stay, a learning curve can be kept, and the file as it was lies beside it."""
    path = tmp_path / "tuner.db"
    make(path)
    change(
        path,
        FORGET_EFFECTIVE,
        FORGET_DIVERGED,
        FORGET_JOBS,
        FORGET_WEIGHTS,
        FORGET_COUNTS,
        FORGET_PREDICTIONS,
        *FORGET_QUEUE,
        "DROP TABLE tuner_learning",
        "ALTER TABLE tuner_networks DROP COLUMN layers",
        "UPDATE tuner_version SET schema_version = 1",
    )
    database = open_database(sqlite_url(path), create=False)
    write_learning(database, 1, 0, [learning_network()])
    assert [len(trial.learning) for trial in read_study(database, "made").trials] == [1]
    assert read_study(database, "made").trials[0].state == "complete"
    database.close()
    (backup,) = tmp_path.glob("tuner.db.before-*")
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT schema_version FROM tuner_version").fetchall() == [(1,)]
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'tuner_learning'").fetchall()


def test_a_database_of_schema_3_knows_no_layers_of_its_trials(tmp_path: Path) -> None:
    """The column is added, and what was not recorded is empty."""
    path = tmp_path / "tuner.db"
    make(path)
    change(
        path,
        FORGET_EFFECTIVE,
        FORGET_DIVERGED,
        FORGET_JOBS,
        FORGET_WEIGHTS,
        FORGET_COUNTS,
        FORGET_PREDICTIONS,
        *FORGET_QUEUE,
        *FORGET_LEFT_OUT,
        "ALTER TABLE tuner_networks DROP COLUMN layers",
        "UPDATE tuner_version SET schema_version = 3",
    )
    with open_database(sqlite_url(path), create=False) as database:
        trials = read_study(database, "made").trials
    assert [network.layers for trial in trials for network in trial.networks] == [[]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_learning_curve_of_schema_4_left_out_nothing_that_is_known(tmp_path: Path, kind: str) -> None:
    """The columns are added, kept networks stay with nothing in them, and new ones are kept whole beside them."""
    with open_database(new_url(kind, tmp_path), create=True) as database:
        study = make_study(database)
        assert write_outcome(database, take_and_draw(database, study), study, outcome())
        write_learning(database, study, 0, [learning_network()])
        database.write(lambda connection: [connection.execute(sa.text(each)) for each in FORGET_LEFT_OUT])
        database.write(migrations.add_left_out)
        bits, wrong = np.array([True, False, True]), np.array([False, False, True])
        write_learning(database, study, 0, [learning_network(40, left_out=bits, left_wrong=wrong)])
        old, new = read_study(database, "made").trials[0].learning
    assert (len(old.left_out), len(old.left_wrong), old.wrong.sum()) == (0, 0, learning_network().wrong.sum())
    assert (new.left_out.tolist(), new.left_wrong.tolist()) == (bits.tolist(), wrong.tolist())


def test_a_server_whose_tables_were_being_made_is_finished(tmp_path: Path) -> None:
    """Whoever looks while they are made sees no studies yet; where their maker died, the next search makes the rest."""
    url = new_url("postgresql", tmp_path)
    unfinished = ("DROP INDEX tuner_trials_by_state", "DROP TABLE trial_heartbeats", "DELETE FROM tuner_version")
    with open_database(url, create=True) as database:
        for statement in unfinished:
            database.write(lambda connection, statement=statement: connection.execute(sa.text(statement)))
    with pytest.raises(NoDatabaseError):
        open_database(url, create=False)
    open_database(url, create=True).close()
    with open_database(url, create=False) as database:
        assert make_study(database) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_look_of_schema_5_counts_all_its_rows(tmp_path: Path, kind: str) -> None:
    """The column is added: earlier looks know of no groups, later ones say for how many rows theirs count."""
    with open_database(new_url(kind, tmp_path), create=True) as database:
        study = make_study(database)
        database.write(lambda connection: connection.execute(sa.text(FORGET_EFFECTIVE)))
        look = "INSERT INTO tuner_test_looks (study_id, looked, wrong, n, model) VALUES (:study, 1.0, 2, 10, 'a')"
        database.write(lambda connection: connection.execute(sa.text(look), {"study": study}))
        database.write(migrations.add_effective_looks)
        record_test_evaluation(database, study, trial_number=0, wrong=3, n=10, n_effective=4.5, model="b")
        looks = read_study(database, "made").test_evaluations
    assert [(found.wrong, found.n, found.n_effective) for found in looks] == [(2, 10, None), (3, 10, 4.5)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_layer_of_schema_6_leaves_the_text(tmp_path: Path, kind: str) -> None:
    """Where a stop reason named the layer in which a network diverged, the layer gets its own column."""
    reasons = ["diverged in layer 2", "patience", "diverged in layer 11", "diverged"]
    with open_database(new_url(kind, tmp_path), create=True) as database:
        study = make_study(database)
        network = outcome().networks[0]
        networks = [dataclasses.replace(network, stop_reason=reason) for reason in reasons]
        finished = dataclasses.replace(outcome(), networks=networks)
        assert write_outcome(database, take_and_draw(database, study), study, finished)
        for forget in (FORGET_DIVERGED, FORGET_JOBS):
            database.write(lambda connection, text=forget: connection.execute(sa.text(text)))
        database.write(migrations.upgrade_to_7)
        found = [(each.stop_reason, each.diverged_layer) for each in read_study(database, "made").trials[0].networks]
    assert found == [("diverged", 2), ("patience", None), ("diverged", 11), ("diverged", None)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_of_schema_7_may_count_by_weights_now(tmp_path: Path, kind: str) -> None:
    """Its counts stay integers; what is added may be fractions, and its dev rows have no weights."""
    with open_database(new_url(kind, tmp_path), create=True) as database:
        changes = (
            []
            if kind == "sqlite"
            else [
                f"ALTER TABLE {table} ALTER COLUMN {column} TYPE INTEGER"
                for table in COUNTED
                for column in COUNTED[table]
            ]
        )
        for statement in (FORGET_WEIGHTS, *changes):
            database.write(lambda connection, statement=statement: connection.execute(sa.text(statement)))
        database.write(migrations.add_weights)
        study = make_study(database)
        network = outcome().networks[0]
        networks = [dataclasses.replace(network, dev_wrong=wrong) for wrong in (2, 1.25)]
        assert write_outcome(
            database, take_and_draw(database, study), study, dataclasses.replace(outcome(), networks=networks)
        )
        record_test_evaluation(database, study, trial_number=0, wrong=0.5, n=10, n_effective=4.5, model="b")
        record = read_study(database, "made")
    assert [repr(each.dev_wrong) for each in record.trials[0].networks] == ["2", "1.25"]
    assert (record.test_evaluations[0].wrong, record.dev_weights) == (0.5, None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_trials_of_schema_9_are_counted(tmp_path: Path, kind: str) -> None:
    """The counts of a study, and its best trial, are those that its trials left as they ended."""
    with open_database(new_url(kind, tmp_path), create=True) as database:
        study, _ = make_study(database, budget=9), make_study(database, "empty")
        for value, reason in (
            (0.3, "patience"),
            (0.1, "diverged"),
            (0.2, "patience"),
            (0.2, "patience"),
            (0, "pruned"),
        ):
            ended = outcome(value, pruned=reason == "pruned", stop_reason=reason)
            assert write_outcome(database, take_and_draw(database, study), study, ended)
        counts = sa.select(tables.counts).order_by(tables.counts.c.study_id)
        before = database.read(lambda connection: connection.execute(counts).all())
        database.write(lambda connection: connection.execute(sa.text(FORGET_COUNTS)))
        database.write(migrations.add_counts)
        assert database.read(lambda connection: connection.execute(counts).all()) == before
        progress = read_progress(database, study)
    assert [row[1:] for row in before] == [(1, 1, 3), (0, 0, None)]
    assert (progress.counts, progress.best.number) == (Counts(complete=4, pruned=1, diverged=1), 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_of_schema_11_is_not_held(tmp_path: Path, kind: str) -> None:
    """It has the usual priority; why a worker set it aside was kept elsewhere, and is found out anew."""
    with open_database(new_url(kind, tmp_path), create=True) as database:
        study = make_study(database)
        attribute = f"VALUES ({study}, 'tuner:set_aside', '\"no data\"')"
        for text in (
            *FORGET_QUEUE,
            f"INSERT INTO study_system_attributes (study_id, key, value_json) {attribute}",
        ):
            database.write(lambda connection, text=text: connection.execute(sa.text(text)))
        database.write(migrations.add_queue)
        (line,) = study_lines(database)
        left = sa.select(sa.func.count()).select_from(optuna_internals.study_system_attributes)
        assert database.read(lambda connection: connection.execute(left).scalar_one()) == 0
    assert (line.priority, line.hold, line.set_aside) == (0, None, None)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All migrations are one transaction."""
    path = tmp_path / "tuner.db"
    make(path)
    steps = [
        lambda connection: connection.execute(sa.text("ALTER TABLE tuner_trials ADD COLUMN note TEXT")),
        lambda connection: connection.execute(sa.text("UPDATE no_such_table SET note = 1")),
    ]
    before = tables.SCHEMA_VERSION
    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, *steps])
    monkeypatch.setattr(tables, "SCHEMA_VERSION", before + 2)
    with pytest.raises(StorageError, match="no_such_table"):
        open_database(sqlite_url(path), create=True)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT schema_version FROM tuner_version").fetchall() == [(before,)]
        columns = [row[1] for row in connection.execute("PRAGMA table_info(tuner_trials)")]
    assert "note" not in columns


def test_older_tables_of_optuna_are_upgraded_too(tmp_path: Path) -> None:
    """What Optuna 3.0 left is brought to the Optuna that is installed, by Optuna's own migrations, after a backup."""
    path = tmp_path / "tuner.db"
    make(path)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    config = storage._version_manager._create_alembic_config()
    storage.remove_session()
    storage.engine.dispose()
    head = storage.get_head_version()
    alembic.command.stamp(config, "v3.0.0.d")
    change(path, "UPDATE tuner_version SET optuna_version = '3.0.0'")
    database = open_database(sqlite_url(path), create=False)
    assert read_study(database, "made").trials[0].state == "complete"
    database.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (head,)
        assert connection.execute("SELECT optuna_version FROM tuner_version").fetchone() == (optuna.__version__,)
    assert len(list(tmp_path.glob("tuner.db.before-*"))) == 1


def test_a_backup_is_a_database(tmp_path: Path) -> None:
    """It opens, and holds what the file held, although somebody has the file open."""
    path = tmp_path / "tuner.db"
    make(path)
    database = open_database(sqlite_url(path), create=False)
    with database.reading():
        back_up(path, tmp_path / "copy.db")
    database.close()
    copy = open_database(sqlite_url(tmp_path / "copy.db"), create=False)
    assert [trial.state for trial in read_study(copy, "made").trials] == ["complete"]
    copy.close()
    with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(tmp_path / "copy.db")) as other:
        assert list(other.iterdump()) == list(one.iterdump())


def read_and_write_as_nobody(path: Path, answers: Connection) -> None:
    """Send what a process that may not write reads, and what it is told when it writes."""
    os.setuid(65534)
    database = open_database(sqlite_url(path), create=False)
    state = read_study(database, "made").trials[0].state
    try:
        set_budget(database, 1, 99)
    except StorageError as error:
        answers.send((state, str(error)))
    database.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may not write")
@pytest.mark.parametrize("open_folder", [True, False])
def test_a_file_one_may_not_write_to_can_be_read(tmp_path: Path, open_folder: bool) -> None:
    """A report of a protected file works; a search is one clear line, and the file stays as it was."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    path = folder / "tuner.db"
    make(path)
    path.chmod(0o444)
    folder.chmod(0o777 if open_folder else 0o555)
    before = contents(folder)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=read_and_write_as_nobody, args=(path, sender))
    process.start()
    sender.close()
    state, refusal = receiver.recv()
    process.join()
    assert state == "complete"
    assert str(path) in refusal
    assert "expected a file and folder this user may write to" in refusal
    assert contents(folder) == before


def test_a_server_without_our_tables_is_refused_to_readers() -> None:
    """Readers make nothing on a server either; whoever creates makes the tables once."""
    url = new_postgresql()
    with pytest.raises(StorageError, match="holds no tuner studies"):
        open_database(url, create=False)
    database = open_database(url, create=True)
    assert study_names(database) == []
    database.close()


def test_a_server_that_is_not_there_is_one_line() -> None:
    """The reason, and no password."""
    pytest.importorskip("psycopg")
    with waiting_for_database(Patience(0.0)), pytest.raises(UnavailableError, match="is not available") as refused:
        open_database(parse_url("postgresql://me:secret@127.0.0.1:1/name"), create=True)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "log"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    """To open a pipe waits for somebody at its other end."""
    path = tmp_path / "tuner.db"
    with closing(socket.socket(socket.AF_UNIX)) as end:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            end.bind(str(path))
        elif kind == "folder":
            path.mkdir()
        else:
            open_database(sqlite_url(path), create=True).close()
            os.mkfifo(tmp_path / "tuner.db-wal")
        with pytest.raises(StorageError, match=r"tuner\.db(-wal)?: is a (pipe|socket|folder); expected a file"):
            open_database(sqlite_url(path), create=True)


def limited(work: Callable[[], object], limit: int) -> str:
    """The error of ``work`` in a process whose files may not be longer, "" if there was none."""
    reader, writer = multiprocessing.Pipe(duplex=False)

    def child() -> None:
        resource = pytest.importorskip("resource")
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            work()
        except StorageError as error:
            writer.send(str(error))
        else:
            writer.send("")

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(DEADLINE)
    assert process.exitcode == 0
    return str(reader.recv())


@pytest.mark.parametrize("limit", [0, 5_000, 50_000, 150_000, 250_000])
def test_a_database_without_room_is_not_made(tmp_path: Path, limit: int) -> None:
    """SQLite may end without an error and leave the rest of a new file in its log."""
    path = tmp_path / "tuner.db"
    error = limited(lambda: open_database(sqlite_url(path), create=True), limit)
    assert re.fullmatch(r".*tuner\.db: cannot be created: .*; expected a disk with room for it", error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [0, 5_000, 150_000])
def test_a_backup_without_room_leaves_nothing(tmp_path: Path, limit: int) -> None:
    """And says so in one line."""
    path, copy = tmp_path / "tuner.db", tmp_path / "copy.db"
    open_database(sqlite_url(path), create=True).close()
    error = limited(lambda: back_up(path, copy), limit)
    assert re.fullmatch(r".*copy\.db: cannot be written: .*; expected a disk with room for it", error)
    assert list(tmp_path.glob("*copy*")) == []


@pytest.mark.parametrize("pages", [1, 40])
def test_a_copy_that_is_cut_is_not_taken_for_whole(tmp_path: Path, pages: int) -> None:
    """Its length is compared with the number of its pages."""
    path = tmp_path / "tuner.db"
    open_database(sqlite_url(path), create=True).close()
    os.truncate(path, path.stat().st_size - 4096 * pages)
    with pytest.raises(sqlite3.Error):
        verify_whole(path)


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("deleted", ["tuner.db*", "tuner.db", "tuner.db-wal"])
def test_a_file_that_is_deleted_while_it_is_open_is_an_error_and_rescued(
    tmp_path: Path, replaced: bool, deleted: str
) -> None:
    """What was written before and after is in a file beside it: no trial is lost without a word."""
    path = tmp_path / "tuner.db"
    with open_database(sqlite_url(path), create=True) as database:
        study_id = make_study(database, budget=4)
        for file in tmp_path.glob(deleted):
            file.unlink()
        if replaced and deleted == "tuner.db-wal":
            (tmp_path / deleted).touch()
        elif replaced:
            open_database(sqlite_url(path), create=True).close()
        for _ in range(2):
            with pytest.raises(StorageError, match="was deleted or replaced while it was open; its trials are in"):
                raise_budget(database, study_id, by=5)
        with pytest.raises(StorageError, match="was deleted or replaced"), database.reading():
            pass
    (rescued,) = tmp_path.glob("tuner.db.rescued-*")
    with open_database(sqlite_url(rescued), create=False) as database:
        assert read_study(database, "made").budget == 14


@pytest.mark.parametrize("kind", KINDS)
def test_no_number_is_there_twice(tmp_path: Path, kind: str) -> None:
    """The database itself refuses it; of those that schema 7 let through, the later trial gets the next number."""
    with open_database(new_url(kind, tmp_path), create=True) as database:
        study = make_study(database, budget=9)
        for _ in range(3):
            assert write_outcome(database, take_and_draw(database, study), study, outcome())

        def repeat(connection: sa.Connection) -> None:
            connection.execute(sa.text("UPDATE trials SET number = 0 WHERE number = 1"))
            connection.execute(sa.text("UPDATE tuner_trials SET finish_order = 1 WHERE finish_order = 2"))

        with Database(database.url, Patience(0.0)) as other, pytest.raises(StorageError, match=r"(?i)unique"):
            other.write(repeat)
        for index in ("tuner_trials_by_number", "ix_tuner_trials_finish"):
            database.write(lambda connection, index=index: connection.execute(sa.text(f"DROP INDEX {index}")))
        database.write(repeat)
        database.write(migrations.make_numbers_unique)
        query = sa.text("SELECT number, finish_order FROM trials JOIN tuner_trials USING (trial_id) ORDER BY trial_id")
        assert [*database.read(lambda connection: connection.execute(query).all())] == [(0, 1), (3, 4), (2, 3)]
        assert take_and_draw(database, study).number == 4
