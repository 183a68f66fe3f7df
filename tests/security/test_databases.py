"""Databases that somebody altered: every command reads them right, or refuses them in one line."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.modeling.conftest import searched
from tests.running.conftest import command
from tests.security import SECONDS, SEED
from tests.security.test_definitions import places
from tuner.cli.completion import study_names
from tuner.running.service import Service
from tuner.storage import open_database, sqlite_url

__all__ = ["searched"]

QUICK = 40
"""Altered databases of the quick test."""
VALUES = [
    *("NULL", "''", "'null'", "'{}'", "'[]'", "'x'", "'[' || hex(zeroblob(3000))", "'1'", "'NaN'", "'[NaN]'"),
    *("-1", "0", "1", "3", "10e17", "1000000000000000000", "9e999", "-9e999", "0.5", "-0.5", "1e300", "2147483647"),
    *("X'ff'", "CAST(X'ff41' AS TEXT)", "X''", "X'00'", "zeroblob(16)", "randomblob(24)", "zeroblob(100003)"),
    *(
        "'[' || replace(hex(zeroblob(20000)), '00', '[')",
        '\'{"a": "\\ud800"}\'',
        "'\x1b[31m'",
        "'a' || char(10) || 'b'",
    ),
    *("'churn;touch${IFS}x;#'", "'0001-01-01 00:00:00.000000'", "'9999-12-31 23:59:59.999999'", "'COMPLETE'", "'FAIL'"),
    *("'RUNNING'", "'WAITING'", "'PRUNED'", "'diverged'", "'failed'", "'mixed'", "'folded'", "char(10)", "char(0)"),
]
"""As SQL; NaN, which SQLite does not have, is infinity less infinity."""
COMMANDS = [
    ("studies",),
    ("studies", "--json"),
    ("trials", "mixed"),
    ("trials", "folded", "--csv"),
    ("report", "mixed"),
    ("report", "folded", "--json"),
    ("report", "mixed", "folded"),
    ("watch", "mixed"),
    ("check", "mixed"),
    ("search", "mixed", "--quiet"),
    ("search", "folded", "--trials", "1", "--quiet"),
    ("search", "mixed", "--name", "mixed-2", "--from", "mixed", "--quiet", "--timeout", "1s"),
    ("train", "mixed"),
    ("train", "folded", "--trial", "1"),
    ("refine", "mixed"),
    ("enqueue", "mixed", "alpha=0.1"),
    ("submit", "mixed", "--trials", "1"),
    ("worker",),
    ("pause", "mixed"),
    ("resume", "*"),
    ("cancel", "left"),
    ("workers", "--json"),
    ("merge", "studies/tuner.db", "--storage", "sqlite:///other.db"),
    ("merge", "first.db"),
    ("backup", "copy.db"),
    ("doctor",),
    ("delete", "mixed", "--yes"),
    ("studies", "--storage", "sqlite:///studies/tuner.db"),
    ("trials", "left", "--json"),
    ("report", "left"),
    ("report", "left", "--json"),
    ("watch", "left"),
    ("search", "left", "--quiet"),
    ("train", "left", "--one-se"),
    ("refine", "left", "--baseline", "0"),
    ("learning-curve", "mixed", "--seeds", "2", "--sizes", "3"),
    ("evaluate", "kept/mixed.tuner", "--test"),
    ("gradcheck", "mixed"),
    ("data", "mixed"),
]

HYPERPARAMETERS = [
    *(
        "null",
        "true",
        "1",
        "-1",
        "0",
        "0.5",
        "1e300",
        "1e308",
        "1e-320",
        "-0.0",
        "3",
        "9007199254740993",
        "1" + "0" * 400,
    ),
    *('""', '"a"', '"a\\nb"', '"64"', '"none"', '"full"', '"he"', '"0-1"', '"1-"', '"300000-300000"', '"1e-3"'),
    *("[]", "[1]", "[0.5]", "[0.5, 0.5]", '["a"]', "NaN", "[NaN]", "Infinity", "{}", "[[1]]", '"\\ud800"'),
]
"""Of a stored trial, as JSON."""


Statement = tuple[str, tuple[object, ...]]


def tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """The columns of every table, as the database itself lists them."""
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}


def alterations(database: Path) -> list[list[Statement]]:
    """Statements by column: every value, in all rows or one; and rows, columns and tables gone or added."""
    found: list[list[Statement]] = []
    with closing(sqlite3.connect(database)) as connection:
        for table, columns in tables(connection).items():
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() != (0,), f"no row of {table} to alter"
            ends = [f" WHERE rowid = (SELECT {end}(rowid) FROM {table})" for end in ("min", "max")]
            for column in columns:
                values = itertools.product(VALUES, ["", *ends])
                found.append([(f"UPDATE OR IGNORE {table} SET {column} = {value}{row}", ()) for value, row in values])
                found.append(near(connection, table, column))
                for step in (1, 1000):
                    added = ", ".join(f"{key} + {step}" if key == column else key for key in columns)
                    found.append([(f"INSERT OR IGNORE INTO {table} SELECT {added} FROM {table}", ())])
            found.append([(f"DELETE FROM {table}{row}", ()) for row in ["", *ends]])
            found.append([(f"ALTER TABLE {table} DROP COLUMN {each}", ()) for each in columns])
            found.append([(f"DROP TABLE {table}", ())])
        stored = dict(connection.execute("SELECT trial_id, hyperparameters FROM tuner_trials"))
    names = {name for text in stored.values() for name in [*json.loads(text), "x\\n"]}
    found = [statements for statements in found if statements]  # no value of a column that is NULL in all rows
    for name in sorted(names):
        values = itertools.product(stored.items(), HYPERPARAMETERS)
        found.append([(altered_trial(trial, text, name, value), ()) for (trial, text), value in values])
    return found


def near(connection: sqlite3.Connection, table: str, column: str) -> list[Statement]:
    """Statements that give rows of a column values which resemble what they have."""
    draw = random.Random(f"{table}.{column}")
    query = f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL"
    rows = connection.execute(query).fetchall()
    changed = [(row, resembling(value, draw)) for row, value in rows for _ in range(max(1, 60 // len(rows)))]
    return [(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE rowid = ?", (value, row)) for row, value in changed]


def resembling(value: object, draw: random.Random) -> object:
    """A number a little or much larger or smaller; a text or bytes with a part gone, doubled or changed."""
    if isinstance(value, int | float):
        return draw.choice((value + 1, value - 1, -value, value * 2, value / 2, value * 1e6, value + 0.5, str(value)))
    if isinstance(value, str) and draw.random() < 0.5:
        try:
            table = json.loads(value)
        except ValueError:
            pass
        else:
            found = list(places(table)) if isinstance(table, dict | list) else []
            if found:
                container, key = draw.choice(found)
                container[key] = resembling_entry(container[key], draw)
                return json.dumps(table)
    assert isinstance(value, str | bytes)
    begin = draw.randrange(len(value) + 1)
    part = value[begin : begin + draw.choice((1, 1, 4, 60, len(value)))]
    other = draw.choice((part[:0], part * 2, part[::-1], value[: len(part)]))
    changed = value[:begin] + other + value[begin + len(part) :]
    return changed if isinstance(changed, str) or draw.random() < 0.9 else changed.decode(errors="replace")


def resembling_entry(value: object, draw: random.Random) -> object:
    """What an entry of JSON may be instead."""
    odd = (None, True, -1, 2**70, 0.5, 1e300, "", "x\ny", "\ud800", "9" * 400, [], {}, [value], {"a": value})
    return resembling(value, draw) if type(value) in (int, float, str) and draw.random() < 0.3 else draw.choice(odd)


def altered_trial(trial: int, text: str, name: str, value: str) -> str:
    """A statement that gives a stored trial another value of a hyperparameter, or one more."""
    values = {key: json.dumps(of) for key, of in json.loads(text).items()} | {name: value}
    altered = ", ".join(f'"{key}": {of}' for key, of in values.items())
    return f"UPDATE tuner_trials SET hyperparameters = '{{{altered}}}' WHERE trial_id = {trial}"


@pytest.fixture(scope="session")
def filled(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies' folder, and one more study; a row in each table: of trials that ended, wait, run and were left."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TUNER_CACHE", str(folder / ".cache"))
        patch.delenv("TUNER_STORAGE", raising=False)
        shutil.copytree(searched / "studies", "studies")
        text = Path("studies/mixed.toml").read_text(encoding="utf-8").replace('"mixed"', '"left"')
        text = text.replace("alpha", 'hidden = { choice = ["6", "4-4"] }\nalpha', 1)
        text = (
            text.replace("hidden = [6]\n", "", 1).replace('"none"', '"hyperband"').replace("epochs = 5", "epochs = 20")
        )
        Path("studies/left.toml").write_text(text, encoding="utf-8")
        for line in ("search left --confirm 2", "submit left --trials 1"):
            assert command(*line.split())[0] == 0
        leave_a_checkpoint(patch)
        for line in ("enqueue mixed alpha=0.1", "enqueue folded alpha=0.2", "learning-curve mixed --seeds 2 --sizes 3"):
            assert command(*line.split())[0] == 0
        for line in ("train mixed", "evaluate models/mixed.tuner --test"):
            assert command(*line.split())[0] == 0
        with closing(sqlite3.connect("studies/tuner.db")) as connection, connection:
            for table in tables(connection):
                if table.endswith("_attributes") and "study" in table:
                    connection.execute(f"INSERT INTO {table} (study_id, key, value_json) VALUES (1, 'a', '1')")
                elif table.endswith("_attributes"):
                    connection.execute(f"INSERT INTO {table} (trial_id, key, value_json) VALUES (1, 'a', '1')")
            connection.execute("INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (1, '2026-01-01 00:00:00')")
            last = "(SELECT max(trial_id) FROM tuner_claims WHERE study_id = 2)"
            connection.execute(f"UPDATE tuner_claims SET token = 'x', expires = 1e9 WHERE trial_id = {last}")
            connection.execute(f"UPDATE trials SET state = 'RUNNING' WHERE trial_id = {last}")
            connection.execute("UPDATE tuner_jobs SET finished = NULL, token = 'x' WHERE study_id = 2")
    return folder


def leave_a_checkpoint(patch: pytest.MonkeyPatch) -> None:
    """Stop a worker in the middle of a trial."""
    patch.setattr("tuner.running.worker.CHECKPOINT_SECONDS", 0.0)
    patch.setattr("tuner.running.worker.SECONDS_BETWEEN_LOOKS", 0.0)
    asked = itertools.count()
    with open_database(sqlite_url(Path("studies/tuner.db")), create=False) as database:
        Service(database, lambda: next(asked) > 25).work(forever=False)
        query = sa.text("SELECT count(*) FROM tuner_claims WHERE checkpoint IS NOT NULL")
        assert database.read(lambda connection: connection.execute(query).scalar_one())


@pytest.fixture
def first(searched: Path, workplace: Path) -> Path:
    """The studies' database, with trials that ended and one that waits."""
    shutil.copytree(searched / "studies", workplace / "studies")
    assert command("enqueue", "mixed", "alpha=0.1")[0] == 0
    return without_conditions(workplace)


@pytest.fixture
def full(filled: Path, workplace: Path) -> Path:
    """The database that has rows in every table, and a model."""
    shutil.copytree(filled / "studies", workplace / "studies")
    shutil.copytree(filled / "models", workplace / "kept")
    return without_conditions(workplace)


def without_conditions(folder: Path) -> Path:
    """Let every column of the database take NULL, and keep a copy of it."""
    database = folder / "studies" / "tuner.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'")
        connection.commit()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return Path(shutil.copy(database, folder / "first.db"))


def restore(first: Path) -> Path:
    """The database as it was, and nothing that a command wrote."""
    studies = first.parent / "studies"
    for path in [*studies.glob("tuner.db*"), *studies.glob("*-2.toml"), *first.parent.glob("*.db*")]:
        if path != first:
            path.unlink()
    shutil.rmtree(first.parent / "models", ignore_errors=True)
    return Path(shutil.copy(first, studies / "tuner.db"))


def alter(database: Path, sql: str, values: tuple[object, ...] = ()) -> bool:
    """Whether SQLite let it happen."""
    with closing(sqlite3.connect(database)) as connection:
        try:
            connection.execute(sql, values)
            connection.commit()
        except (sqlite3.Error, OverflowError, UnicodeEncodeError):
            return False
        return True


def complaints(
    first: Path, rng: random.Random, go_on: Callable[[int], bool], commands: list[tuple[str, ...]]
) -> Iterator[str]:
    """What went wrong with altered databases and commands, while ``go_on`` of their number."""
    every = alterations(first)
    for count in itertools.count():
        if not go_on(count):
            return
        database, words = restore(first), rng.choice(commands)
        altered = [rng.choice(rng.choice(every)) for _ in range(rng.choice((1, 1, 1, 2)))]
        if not all(alter(database, *statement) for statement in altered):
            continue
        try:
            status, output, errors = command(*words)
        except BaseException as error:
            yield f"{altered}: {words}: {error!r}"
            continue
        lines = [line for line in errors.splitlines() if line.startswith("tuner: ") and "note: " not in line]
        is_told = status == 0 or len(lines) == 1 or words == ("doctor",)  # whose table is on stdout
        is_said = is_document(output) if words[-1] == "--json" and not status else "\x1b" not in output + errors
        if "internal error" in errors or status not in (0, 1, 2) or not is_told or not is_said:
            yield f"{altered}: {words}: exit status {status}, {errors}"


def is_document(text: str) -> bool:
    """Whether it is JSON without NaN and infinity, which no other program reads."""
    constants: list[str] = []
    with suppress(ValueError):
        json.loads(text, parse_constant=constants.append)
        return not constants
    return False


@pytest.mark.parametrize(
    ("sql", "words", "told"),
    [
        ("DELETE FROM tuner_version", "studies", "table tuner_version: [] is not one row"),
        ("UPDATE tuner_version SET schema_version = 3", "studies", "is not as tuner made it"),
        (
            "UPDATE tuner_studies SET facts = 'null'",
            "report mixed",
            "table tuner_studies, column facts: 'null'",
        ),
        (
            """UPDATE tuner_studies SET facts = json_remove(facts, '$.sizes.train')""",
            "report mixed",
            "table tuner_studies, column facts",
        ),
        (
            "UPDATE tuner_networks SET dev_bits = x'' WHERE trial_id = 1",
            "report mixed",
            "trial 0, table tuner_networks, column dev_bits",
        ),
        (
            "UPDATE tuner_predictions SET classes = x'ffff'",
            "report mixed",
            "table tuner_predictions, column classes",
        ),
        (
            "DELETE FROM tuner_epochs WHERE rowid = (SELECT max(rowid) FROM tuner_epochs)",
            "report folded",
            "table tuner_networks, column epochs: 5 is not the number of the network's rows",
        ),
        (
            "UPDATE trials SET state = 'ODD'",
            "trials mixed",
            "trial 0, table trials, column state: 'ODD'",
        ),
        (
            "UPDATE trials SET state = 'ODD'",
            "merge studies/tuner.db --storage sqlite:///other.db",
            "column state: 'ODD'",
        ),
        (
            "UPDATE tuner_trials SET hyperparameters = '{}'",
            "report mixed",
            "table tuner_trials, column hyperpara",
        ),
        (
            "UPDATE tuner_studies SET data_path = hex(zeroblob(2501))",
            "train mixed",
            "table tuner_studies, column data_path",
        ),
        ("UPDATE studies SET study_name = 'a;b' WHERE study_id = 1", "merge first.db", "column study_name: 'a;b'"),
        ("UPDATE tuner_studies SET budget = 1000000000000000000", "submit mixed", "column budget: 1000000000000000000"),
    ],
)
def test_a_bad_value_is_named_with_its_place(first: Path, sql: str, words: str, told: str) -> None:
    """Study, trial, table, column, value, and what to do; nothing is written."""
    assert alter(restore(first), sql)
    before = first.with_name("studies").joinpath("tuner.db").read_bytes()
    if "first.db" in words:
        shutil.copy(first.parent / "studies" / "tuner.db", first)
    status, _, errors = command(*words.split())
    assert (status, errors.count("\n"), told in errors, "tuner restore" in errors) == (2, 1, True, True), errors
    assert first.with_name("studies").joinpath("tuner.db").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("alpha", "[0.5]", "'alpha': [0.5] is not a number > 0"),
        ("alpha", "null", "'alpha': NULL is not a number > 0"),
        ("lambda", '"0.1"', "'lambda': '0.1' is not a number ≥ 0"),
        ("lambda", "-1", "'lambda': -1 is not a number ≥ 0"),
        ("beta", "true", "'beta': True is not a number ≥ 0 and < 1"),
        ("hidden", '"a\\nb"', "'hidden': 'a\\nb' is not widths of the hidden layers"),
        ("keep_prob", "[0.5, 0.5]", "'keep_prob': [0.5, 0.5] is not one number, or a list of 1"),
        ("x\\n", "1", "'x\\n': 1 is not a hyperparameter"),
    ],
)
def test_a_hyperparameter_that_no_trial_can_have_is_refused(first: Path, name: str, value: str, told: str) -> None:
    """By each command that reads a trial: study, trial, hyperparameter, value, and what was expected."""
    database = restore(first)
    with closing(sqlite3.connect(database)) as connection:
        query = (
            "SELECT trial_id, number, hyperparameters FROM tuner_trials JOIN trials USING (trial_id) WHERE number = 2"
        )
        trial, number, text = connection.execute(query).fetchone()
    assert alter(database, altered_trial(trial, text, name, value))
    for words in (
        *("trials mixed", "report mixed", "train mixed", "refine mixed", "watch mixed", "learning-curve mixed"),
        "search mixed --name next --from mixed",
    ):
        status, _, errors = command(*words.split())
        assert (status, errors.count("\n")) == (2, 1), (words, errors)
        assert f"study 'mixed', trial {number}, table tuner_trials, column hyperparameters, {told}" in errors


def test_a_queued_trial_with_a_bad_value_sets_its_study_aside(first: Path) -> None:
    """A worker continues a trial with what an earlier attempt drew."""
    database = restore(first)
    with closing(sqlite3.connect(database)) as connection:
        trial, text = connection.execute("SELECT trial_id, hyperparameters FROM tuner_trials LIMIT 1").fetchone()
    assert alter(database, altered_trial(trial, text, "alpha", "[1]"))
    assert alter(database, f"UPDATE trials SET state = 'WAITING' WHERE trial_id = {trial}")
    study = f"(SELECT study_id FROM trials WHERE trial_id = {trial})"
    assert alter(database, f"UPDATE tuner_trials SET finish_order = finish_order - 1 WHERE study_id = {study}")
    status, _, errors = command("worker")
    refusal = "study 'mixed', trial 0, table tuner_trials, column hyperparameters, 'alpha': [1] is not a number > 0"
    assert (status, "internal error" in errors, refusal in errors) == (1, False, True)
    assert refusal in command("studies")[1]


def alter_definition(database: Path, *, identity: bool) -> None:
    """Let the database's text of a study train ten times as long, and its identity too, if asked for."""
    with closing(sqlite3.connect(database)) as connection, connection:
        query = "SELECT study_id, definition, identity FROM tuner_studies WHERE definition LIKE '%\"mixed\"%'"
        study, text, stored = connection.execute(query).fetchone()
        text = text.replace("max_epochs = 5", "max_epochs = 50")
        changed = json.loads(stored) | ({"training.max_epochs": 50} if identity else {})
        values = (text, json.dumps(changed), study)
        connection.execute("UPDATE tuner_studies SET definition = ?, identity = ? WHERE study_id = ?", values)


READING = ("report mixed", "refine mixed --baseline 0", "train mixed", "learning-curve mixed --seeds 2 --sizes 3")


@pytest.mark.parametrize("has_file", [True, False], ids=["with-file", "without-file"])
@pytest.mark.parametrize("words", [*READING, "trials mixed", "watch mixed"])
def test_a_definition_that_was_not_searched_is_refused(first: Path, words: str, has_file: bool) -> None:
    """The text was replaced in the database; the study's identity was not."""
    alter_definition(restore(first), identity=False)
    if not has_file:
        (first.parent / "studies" / "mixed.toml").unlink()
    status, _, errors = command(*words.split())
    assert (status, errors.count("\n")) == (2, 1)
    assert "study 'mixed', table tuner_studies, column definition: " in errors
    assert "is not the study file that was searched (training.max_epochs: 5 -> 50)" in errors


@pytest.mark.parametrize("words", READING)
def test_a_study_file_that_differs_from_the_database_is_noted(first: Path, words: str) -> None:
    """Each command says what differs, in one line; a search refuses to continue."""
    alter_definition(restore(first), identity=True)
    status, _, errors = command(*words.split())
    note = "tuner: note: the study file of mixed differs from the one that was searched (training.max_epochs: 50 -> 5)"
    assert (status, errors.count(note)) == (0, 1), errors
    status, _, errors = command("search", "mixed")
    assert (status, "training.max_epochs: 50 -> 5" in errors) == (2, True)


def test_an_altered_database_is_read_right_or_refused(full: Path) -> None:
    """The first ones, always the same."""
    quick = [words for words in COMMANDS if words[0] in ("studies", "trials", "watch", "merge", "backup", "delete")]
    assert list(complaints(full, random.Random(20), lambda count: count < QUICK, quick)) == []


@pytest.mark.slow
def test_many_altered_databases_are_read_right_or_refused(full: Path) -> None:
    """All commands, as long as it was asked for."""
    end = time.monotonic() + SECONDS
    assert list(complaints(full, random.Random(SEED), lambda _: time.monotonic() < end, COMMANDS)) == []


@pytest.mark.parametrize("part", ["wal", "shm", "journal"])
def test_a_pipe_beside_the_database_is_refused(first: Path, part: str) -> None:
    """SQLite would wait for somebody at its other end."""
    os.mkfifo(restore(first).with_name(f"tuner.db-{part}"))
    status, _, errors = command("studies")
    assert (status, f"tuner.db-{part}: is a pipe; expected a file" in errors) == (2, True)


def test_a_view_without_end_does_not_stop_completion(workplace: Path) -> None:
    """Whoever may write to the database can put one in the place of a table."""
    (workplace / "studies").mkdir()
    with closing(sqlite3.connect(workplace / "studies" / "tuner.db")) as connection:
        connection.execute(
            "CREATE VIEW studies AS WITH RECURSIVE n(study_id) AS (SELECT 1 UNION ALL SELECT study_id + 1 FROM n) "
            "SELECT study_id, 'a' || study_id AS study_name FROM n"
        )
    assert study_names("a") == []
