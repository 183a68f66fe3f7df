"""The networks of a learning curve: trained afresh with a trial's hyperparameters, a size of training set at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tuner.errors import StorageError
from tuner.storage import optuna_internals, tables
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
    return {
        "trial_id": trial_id,
        "n_train": network.n_train,
        "repeat": network.repeat,
        "part": network.part,
        "stop_reason": network.stop_reason,
        "best_epoch": network.best_epoch,
        "epochs": network.epochs,
        "train_wrong": network.train_wrong,
        "error": network.error,
        "n_dev": len(network.wrong),
        "dev_bits": pack_losses(network.wrong),
        "n_watched": len(network.left_out) or None,
        "left_out_bits": pack_losses(network.left_out) or None,
        "left_wrong_bits": pack_losses(network.left_wrong) or None,
        "seconds": network.seconds,
    }


def read_learning(connection: Connection, study_id: int) -> dict[int, list[LearningNetwork]]:
    """The networks of every trial that has a learning curve, by the trial's id."""
    from tuner.analysis import LearningNetwork  # what is analysed is no matter of whoever only runs trials

    o, t = optuna_internals.trials.c, tables.learning.c
    query = (
        sa.select(tables.learning)
        .join(optuna_internals.trials, o.trial_id == t.trial_id)
        .where(o.study_id == study_id)
        .order_by(t.trial_id, t.n_train, t.repeat, t.part)
    )
    found: dict[int, list[LearningNetwork]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.trial_id].append(
            LearningNetwork(
                n_train=row.n_train,
                repeat=row.repeat,
                part=row.part,
                stop_reason=row.stop_reason,
                best_epoch=row.best_epoch,
                epochs=row.epochs,
                train_wrong=row.train_wrong,
                error=row.error,
                wrong=unpack_losses(row.dev_bits, row.n_dev),
                seconds=row.seconds,
                left_out=unpack_losses(row.left_out_bits, row.n_watched),
                left_wrong=unpack_losses(row.left_wrong_bits, row.n_watched),
            )
        )
    return found
