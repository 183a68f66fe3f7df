"""The studies that workers serve, and why one was set aside: read without trusting what a study's row holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tuner.paths import is_study_name
from tuner.storage import optuna_internals, tables
from tuner.storage.counting import FINISHED, RUNNING
from tuner.storage.database import Database

SET_ASIDE = "tuner:set_aside"
"""The system attribute, in Optuna's table, that says why workers set a study aside."""
_a = optuna_internals.study_system_attributes.c


@dataclass(frozen=True, slots=True)
class OpenStudy:
    """A study with budget left, and how many of its trials run."""

    study_id: int
    name: str
    running: int


def open_studies(database: Database) -> list[OpenStudy]:
    """Studies with budget left, oldest first.

    Only counts are read, so that what is wrong with a study shows where that study is served, not here.  A study with
    a bad name is left out.
    """
    s, o = tables.studies.c, optuna_internals.studies.c
    query = (
        sa.select(s.study_id, sa.type_coerce(o.study_name, sa.String), RUNNING)
        .select_from(tables.studies)
        .join(optuna_internals.studies, o.study_id == s.study_id)
        .where(s.budget > FINISHED)
        .order_by(s.created)
    )
    rows = database.read(lambda connection: connection.execute(query).all())
    return [OpenStudy(*row) for row in rows if is_study_name(row[1])]


def set_aside(database: Database, study_id: int, reason: str | None) -> None:
    """Keep why a study was set aside, for all who list the studies; None once it runs again."""

    def work(connection: Connection) -> None:
        rows = sa.and_(_a.study_id == study_id, _a.key == SET_ASIDE)
        connection.execute(optuna_internals.study_system_attributes.delete().where(rows))
        if reason is not None:
            values = {"study_id": study_id, "key": SET_ASIDE, "value_json": json.dumps(reason)}
            connection.execute(optuna_internals.study_system_attributes.insert().values(**values))

    database.write(work, repeatable=True)


def read_set_aside(connection: Connection) -> Mapping[int, str]:
    """Why studies were set aside, by id."""
    query = sa.select(_a.study_id, _a.value_json).where(_a.key == SET_ASIDE)
    return {study_id: str(json.loads(text)) for study_id, text in connection.execute(query)}
