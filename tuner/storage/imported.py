"""Studies of plain Optuna in the database: in Optuna's tables, without a row in ours.

Their parameters, values and states are known; errors, definition and data are not.  A new study can begin with their
trials; nothing else reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from tuner.commands import command_text
from tuner.errors import UsageError
from tuner.formatting import quoted
from tuner.paths import is_study_name
from tuner.storage import optuna_internals, tables
from tuner.storage.database import Database
from tuner.storage.history import by_trial, written_value

MOST_POINTS = 5000
_s, _o, _t = optuna_internals.studies.c, optuna_internals.trials.c, tables.studies.c
_NAME = sa.type_coerce(_s.study_name, sa.String)
_IMPORTED = ~sa.exists(_t.study_id).where(_t.study_id == _s.study_id).correlate(optuna_internals.studies)


def find_imported(connection: Connection, name: str) -> int | None:
    """The id of the study of plain Optuna of this name, if there is one."""
    query = sa.select(_s.study_id).where(_NAME.in_([name]), _IMPORTED)
    return connection.execute(query).scalar_one_or_none()


def is_imported(database: Database, name: str) -> bool:
    """Whether a study of plain Optuna has this name."""
    with database.reading() as connection:
        return find_imported(connection, name) is not None


def count_imported(database: Database, name: str) -> int | None:
    """The number of trials of the study of plain Optuna of this name; None if there is none."""
    with database.reading() as connection:
        return imported_counts(connection).get(name)


def imported_counts(connection: Connection) -> Mapping[str, int]:
    """The number of trials of each study of plain Optuna, by its name; one with a bad name is left out."""
    rows = connection.execute(
        sa.select(_NAME, sa.func.count(_o.trial_id))
        .select_from(optuna_internals.studies)
        .outerjoin(optuna_internals.trials, _o.study_id == _s.study_id)
        .where(_IMPORTED)
        .group_by(_s.study_id, _s.study_name)
        .order_by(_s.study_id)
    )
    return {name: trials for name, trials in rows if is_study_name(name)}


def only_to_begin_with(name: str, *options: str) -> str:
    """Why a study of plain Optuna cannot be read, and what it is good for."""
    return (
        f"study {quoted(name)} is of plain Optuna: it has no errors, study file or data. "
        f"Start a study with its trials: {command_text('search', 'DATA', '--from', name, *options)}"
    )


def read_imported(database: Database, name: str) -> list[dict[str, Any]] | None:
    """The parameters of the complete trials of a study of plain Optuna, the best first; None if there is none.

    Raises UsageError if it has several objectives, BadValueError for a value that Optuna did not write.
    """
    d, v, p = optuna_internals.directions.c, optuna_internals.values.c, optuna_internals.params.c
    with database.reading() as connection:
        study_id = find_imported(connection, name)
        if study_id is None:
            return None
        directions = sa.select(sa.type_coerce(d.objective, sa.Integer), d.direction).where(d.study_id == study_id)
        of = connection.execute(directions).all()
        if len(of) != 1:
            raise UsageError(f"study {quoted(name)} has {len(of)} objectives; expected one")
        value = v.value.desc() if of[0].direction is StudyDirection.MAXIMIZE else v.value
        best = (
            sa.select(_o.trial_id)
            .join(optuna_internals.values, v.trial_id == _o.trial_id)
            .where(_o.study_id == study_id, _o.state == TrialState.COMPLETE, v.value_type == optuna_internals.FINITE)
            .order_by(value, _o.number)
            .limit(MOST_POINTS)
        )
        ids = connection.execute(best).scalars().all()
        of_study = sa.select(_o.trial_id).where(_o.study_id == study_id).scalar_subquery()
        rows = connection.execute(
            sa.select(p.trial_id, p.param_name, p.param_value, p.distribution_json).where(p.trial_id.in_(of_study))
        )
        params = by_trial((row[0], row[1], written_value(row[2], row[3])[1]) for row in rows)
    return [params[trial_id] for trial_id in ids]
