"""Changes of our tables since the first release of the schema, each from one version to the next.

A migration changes the tables as its database has them: it does not read ``tables``, which later versions change again.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def allow_unknown_costs(connection: Connection) -> None:
    """Costs may be NULL: a custom trainer reports errors alone."""
    for table in ("tuner_networks", "tuner_epochs"):
        _allow_null(connection, table, ("train_cost", "dev_cost"))


def add_learning(connection: Connection) -> None:
    """The networks of learning curves."""
    key = ("trial_id", "n_train", "repeat", "part")
    counts = ("best_epoch", "epochs", "train_wrong", "n_dev")
    sa.Table(
        "tuner_learning",
        sa.MetaData(),
        *(sa.Column(name, sa.Integer, primary_key=True, autoincrement=False) for name in key),
        *(sa.Column(name, sa.Integer, nullable=False) for name in counts),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("error", "seconds")),
        sa.Column("stop_reason", sa.String(64), nullable=False),
        sa.Column("dev_bits", sa.LargeBinary, nullable=False),
    ).create(connection)


def add_layers(connection: Connection) -> None:
    """What a network's layers were like after some epochs; unknown of earlier trials."""
    connection.execute(sa.text("ALTER TABLE tuner_networks ADD COLUMN layers TEXT"))


def add_left_out(connection: Connection) -> None:
    """Training rows that a learning curve's network left out, and has wrong; unknown of earlier ones."""
    bits = sa.LargeBinary().compile(dialect=connection.dialect)
    for column in ("n_watched INTEGER", f"left_out_bits {bits}", f"left_wrong_bits {bits}"):
        connection.execute(sa.text(f"ALTER TABLE tuner_learning ADD COLUMN {column}"))


def add_effective_looks(connection: Connection) -> None:
    """The independent rows of a test-set evaluation; NULL (all) for earlier ones."""
    double = sa.Double().compile(dialect=connection.dialect)
    connection.execute(sa.text(f"ALTER TABLE tuner_test_looks ADD COLUMN n_effective {double}"))


def upgrade_to_7(connection: Connection) -> None:
    """All changes of schema 7."""
    _add_diverged_layer(connection)
    _add_jobs(connection)


def add_weights(connection: Connection) -> None:
    """Weights of dev rows, none in earlier studies; wrong rows may be counted by them.

    A column of SQLite takes any number, whatever its type says.
    """
    dialect = connection.dialect
    bits, double = (kind().compile(dialect=dialect) for kind in (sa.LargeBinary, sa.Double))
    connection.execute(sa.text(f"ALTER TABLE tuner_studies ADD COLUMN dev_weights {bits}"))
    if dialect.name == "sqlite":
        return
    for table, columns in (
        ("tuner_networks", ("train_wrong", "train_dev_wrong", "dev_wrong")),
        ("tuner_learning", ("train_wrong",)),
        ("tuner_test_looks", ("wrong",)),
    ):
        changes = ", ".join(f"ALTER COLUMN {column} TYPE {double}" for column in columns)
        connection.execute(sa.text(f"ALTER TABLE {table} {changes}"))


def make_numbers_unique(connection: Connection) -> None:
    """A study's numbers and its order of finishing are unique; of what is there twice, the later trial comes last."""
    for table, column, index in (
        ("trials", "number", "tuner_trials_by_number"),
        ("tuner_trials", "finish_order", "ix_tuner_trials_finish"),
    ):
        _move_repeated(connection, table, column)
        connection.execute(sa.text(f"DROP INDEX IF EXISTS {index}"))
        connection.execute(sa.text(f"CREATE UNIQUE INDEX {index} ON {table} (study_id, {column})"))


def _move_repeated(connection: Connection, table: str, column: str) -> None:
    repeated = sa.text(
        f"SELECT DISTINCT a.trial_id, a.study_id FROM {table} a JOIN {table} b "
        f"ON a.study_id = b.study_id AND a.{column} = b.{column} AND a.trial_id > b.trial_id ORDER BY a.trial_id"
    )
    for trial_id, study_id in connection.execute(repeated).all():
        last = sa.text(f"SELECT max({column}) FROM {table} WHERE study_id = :study")
        new = connection.execute(last, {"study": study_id}).scalar_one() + 1
        change = sa.text(f"UPDATE {table} SET {column} = :new WHERE trial_id = :trial")
        connection.execute(change, {"new": new, "trial": trial_id})


def _add_jobs(connection: Connection) -> None:
    """The reference models of a new study, to be trained once; earlier studies have theirs."""
    sa.Table(
        "tuner_jobs",
        sa.MetaData(),
        sa.Column("study_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("token", sa.String(32)),
        sa.Column("owner", sa.Text),
        sa.Column("expires", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("finished", sa.Double),
    ).create(connection)


def _add_diverged_layer(connection: Connection) -> None:
    """The layer in which a network diverged, until then within the text of its stop reason ("diverged in layer 2")."""
    connection.execute(sa.text("ALTER TABLE tuner_networks ADD COLUMN diverged_layer INTEGER"))
    text = "diverged in layer "
    connection.execute(
        sa.text(
            "UPDATE tuner_networks SET stop_reason = 'diverged', "
            f"diverged_layer = CAST(substr(stop_reason, {len(text) + 1}) AS INTEGER) WHERE stop_reason LIKE '{text}%'"
        )
    )


def add_counts(connection: Connection) -> None:
    """What is counted of each study as its trials end."""
    integers = [sa.Column(name, sa.Integer, nullable=False) for name in ("pruned", "diverged")]
    sa.Table(
        "tuner_counts",
        sa.MetaData(),
        sa.Column("study_id", sa.Integer, primary_key=True, autoincrement=False),
        *integers,
        sa.Column("best_trial_id", sa.Integer),
    ).create(connection)
    finished = (
        "FROM tuner_trials t JOIN trials o ON o.trial_id = t.trial_id "
        "WHERE t.study_id = s.study_id AND t.finish_order IS NOT NULL AND o.state"
    )
    best = finished.replace("WHERE", "JOIN trial_values v ON v.trial_id = t.trial_id WHERE")
    connection.execute(
        sa.text(
            "INSERT INTO tuner_counts (study_id, pruned, diverged, best_trial_id) SELECT s.study_id, "
            f"(SELECT count(*) {finished} = 'PRUNED'), "
            f"(SELECT count(*) {finished} = 'COMPLETE' AND t.stop_reason = 'diverged'), "
            f"(SELECT t.trial_id {best} = 'COMPLETE' AND t.stop_reason <> 'diverged' "
            "ORDER BY v.value, o.number LIMIT 1) FROM tuner_studies s"
        )
    )


def add_predictions(connection: Connection) -> None:
    """What the best trials predict of the dev rows; unknown of earlier ones."""
    sa.Table(
        "tuner_predictions",
        sa.MetaData(),
        sa.Column("trial_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("study_id", sa.Integer, nullable=False, index=True),
        sa.Column("classes", sa.LargeBinary, nullable=False),
        sa.Column("log_probabilities", sa.LargeBinary),
    ).create(connection)


def add_queue(connection: Connection) -> None:
    """A study's priority and what holds it; why a worker set one aside was an attribute in Optuna's table."""
    double = sa.Double().compile(dialect=connection.dialect)
    for column in ("priority INTEGER NOT NULL DEFAULT 0", "hold TEXT", f"resumed {double}"):
        connection.execute(sa.text(f"ALTER TABLE tuner_studies ADD COLUMN {column}"))
    connection.execute(sa.text("DELETE FROM study_system_attributes WHERE key = 'tuner:set_aside'"))


def add_train_losses(connection: Connection) -> None:
    """Which training rows the best trials have wrong; unknown of earlier ones."""
    blob = sa.LargeBinary().compile(dialect=connection.dialect)
    connection.execute(sa.text(f"ALTER TABLE tuner_predictions ADD COLUMN train_losses {blob}"))


def add_confirmations(connection: Connection) -> None:
    """The best trials trained again; none of earlier studies."""
    table = sa.Table(
        "tuner_confirmations",
        sa.MetaData(),
        sa.Column("confirmation_id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, nullable=False, index=True),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("trial_id", "repeat", "split")),
        sa.Column("token", sa.String(32)),
        sa.Column("owner", sa.Text),
        sa.Column("expires", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        *(sa.Column(name, sa.Double) for name in ("finished", "value", "seconds")),
    )
    sa.Index("ix_tuner_confirmations_trial", table.c.trial_id, table.c.repeat, unique=True)
    table.create(connection)


def add_tie_break(connection: Connection) -> None:
    """What trials with the same value are told apart by; of earlier ones their number alone."""
    number = sa.Double().compile(dialect=connection.dialect)
    connection.execute(sa.text(f"ALTER TABLE tuner_trials ADD COLUMN tie_break {number} DEFAULT '0' NOT NULL"))


def _allow_null(connection: Connection, table: str, columns: tuple[str, ...]) -> None:
    """Drop NOT NULL of columns; SQLite can only do so by making the table anew and copying its rows."""
    if connection.dialect.name != "sqlite":
        drops = ", ".join(f"ALTER COLUMN {column} DROP NOT NULL" for column in columns)
        connection.execute(sa.text(f"ALTER TABLE {table} {drops}"))
        return
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table")
    definition = connection.execute(query, {"table": table}).scalar_one()
    for column in columns:
        definition = re.sub(rf"(\b{column} \w+) NOT NULL", r"\1", definition)
    connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO {table}_before"))
    connection.execute(sa.text(definition))
    connection.execute(sa.text(f"INSERT INTO {table} SELECT * FROM {table}_before"))
    connection.execute(sa.text(f"DROP TABLE {table}_before"))
