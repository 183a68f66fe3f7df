"""Changes of our tables since tuner 0.1, each from one version to the next.

A migration changes the tables as its database has them: it does not read ``tables``, which later versions change again.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def upgrade_to_7(connection: Connection) -> None:
    """All changes of schema 7."""
    _add_diverged_layer(connection)
    _add_jobs(connection)


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
