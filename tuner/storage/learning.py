"""The networks of a learning curve: trained afresh with a trial's hyperparameters, a size of training set at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tuner.errors import StorageError
from tuner.storage import optuna_internals, tables
from tuner.storage.checked import BadValueError
from tuner.storage.database import Database
from tuner.storage.losses import pack_losses, unpack_losses

if TYPE_CHECKING:
    from tuner.analysis import LearningNetwork


def write_learning(database: Database, study_id: int, number: int, networks: Sequence[LearningNetwork]) -> None:
    """Keep the networks of one size, in place of what was kept of it, in one transaction.

    Raises StorageError if the trial is gone.
    """
    o, t = optuna_internals.trials.c, tables.learning.c

    def work(connection: Connection) -> None:
        query = sa.select(o.trial_id).where(o.study_id == study_id, o.number == number)
        trial_id = connection.execute(query).scalar_one_or_none()
        if trial_id is None:
            raise StorageError(
                f"trial {number} is no longer in {database.name}, so that its learning curve has no place"
            )
        sizes = {network.n_train for network in networks}
        connection.execute(tables.learning.delete().where(t.trial_id == trial_id, t.n_train.in_(sizes)))
        connection.execute(tables.learning.insert(), [_row(trial_id, network) for network in networks])

    database.write(work)


def _row(trial_id: int, network: LearningNetwork) -> dict[str, Any]:
    """Every field that has a column of its name is that column; losses are packed."""
    return {
        "trial_id": trial_id,
        **{name: getattr(network, name) for name in _fields_with_columns(type(network))},
        "n_dev": len(network.wrong),
        "dev_bits": pack_losses(network.wrong),
        "n_watched": len(network.left_out) or None,
        "left_out_bits": pack_losses(network.left_out) or None,
        "left_wrong_bits": pack_losses(network.left_wrong) or None,
    }


def _fields_with_columns(record: type[LearningNetwork]) -> list[str]:
    return [field.name for field in fields(record) if field.name in tables.learning.c]


def _unpacked(row: Any, column: str, n: int | None) -> np.ndarray:
    try:
        return unpack_losses(getattr(row, column), n)
    except ValueError:
        expected = f"the losses of {n} rows"
        raise BadValueError(tables.learning.name, column, getattr(row, column), expected, key="trial_id") from None


def read_learning(connection: Connection, study_id: int) -> dict[int, list[LearningNetwork]]:
    """The networks of every trial that has a learning curve, by the trial's id."""
    from tuner.analysis import LearningNetwork  # what is analyzed is no matter of whoever only runs trials

    o, t = optuna_internals.trials.c, tables.learning.c
    query = (
        sa.select(tables.learning)
        .join(optuna_internals.trials, o.trial_id == t.trial_id)
        .where(o.study_id == study_id)
        .order_by(t.trial_id, t.n_train, t.repeat, t.part)
    )
    names = _fields_with_columns(LearningNetwork)
    networks: dict[int, list[LearningNetwork]] = defaultdict(list)
    for row in connection.execute(query):
        network = LearningNetwork(
            **{name: getattr(row, name) for name in names},
            wrong=_unpacked(row, "dev_bits", row.n_dev),
            left_out=_unpacked(row, "left_out_bits", row.n_watched),
            left_wrong=_unpacked(row, "left_wrong_bits", row.n_watched),
        )
        networks[row.trial_id].append(network)
    return networks
