"""What a study's best trials predict of the dev rows, in a few bytes per row; of the others it is not kept.

Confusions, calibration, ensembles and suspected labels need probabilities of good trials alone, and those of 100,000
trials would be most of a database.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tuner.storage import optuna_internals, tables
from tuner.storage.checked import BadValueError
from tuner.storage.facts import StudyFacts
from tuner.storage.losses import pack_losses, unpack_losses
from tuner.storage.ranking import RANK, Rank
from tuner.units import Unit

KEPT = 20
"""Trials of a study: twice those of an ensemble, whose other half shows what the choice did to its error."""
MOST = 1 << 20
"""Probabilities of a trial, 2 bytes each; of more, only those of the predicted classes are kept."""
MOST_SQUARED = float(np.finfo(np.float16).max)
MISSED = 0.02
"""By which the probabilities of a row may miss 1, each of them being rounded."""

_o, _v, _p = optuna_internals.trials.c, optuna_internals.values.c, tables.predictions.c
_RANKED = (
    sa.select(*RANK, _p.trial_id)
    .select_from(tables.predictions)
    .join(optuna_internals.trials, _o.trial_id == _p.trial_id)
    .join(tables.trials, tables.trials.c.trial_id == _p.trial_id)
    .join(optuna_internals.values, _v.trial_id == _p.trial_id)
    .where(_p.study_id == tables.STUDY)
    .order_by(*RANK)
)
_SIZES = (
    sa.select(tables.networks.c.trial_id, tables.networks.c.n_train)
    .join(tables.predictions, _p.trial_id == tables.networks.c.trial_id)
    .where(_p.study_id == tables.STUDY)
    .order_by(tables.networks.c.trial_id, tables.networks.c.network)
)
_OF_STUDY = sa.select(tables.predictions).where(_p.study_id == tables.STUDY)


@dataclass(frozen=True, slots=True, eq=False)
class DevPredictions:
    """What a trial's networks predict of their dev rows, one network after the other: n rows, those of all networks.

    ``classes`` (n,): indices, or the standardized numbers that are predicted, of several targets (n, n_targets), which
    have no probabilities.
    ``probabilities`` (n, n_classes); (n, 1) where only those of the predicted classes are kept; None of a custom
    trainer that returned classes.
    ``train_losses``: of each network, which of its training rows are wrong, or their squared errors, (n_train,); None
    if they were not kept, as by version 0.3 and before.
    """

    classes: np.ndarray
    probabilities: np.ndarray | None
    train_losses: Sequence[np.ndarray] | None = None

    def by_network(self, n_dev: int) -> np.ndarray:
        """The classes or numbers (times, n_dev), of several targets (times, n_dev, n_targets).

        Networks of folds have the dev rows once, those of several seeds once each.
        """
        return self.classes.reshape(-1, n_dev, *self.classes.shape[1:])

    @classmethod
    def joined(
        cls,
        classes: Sequence[np.ndarray],
        probabilities: Sequence[np.ndarray | None],
        train_losses: Sequence[np.ndarray] | None,
    ) -> DevPredictions:
        """The predictions of a trial from those of its networks, (n_dev,) and (n_dev, n_classes)."""
        known = [each for each in probabilities if each is not None]
        return cls(np.concatenate(classes), np.concatenate(known) if len(known) == len(classes) else None, train_losses)


def keep_predictions(
    connection: Connection, study_id: int, trial_id: int, rank: Rank, predictions: DevPredictions
) -> None:
    """Keep a trial's predictions if it is among the study's best; the study is locked."""
    ranked = connection.execute(_RANKED, {"study": study_id}).all()
    if len(ranked) >= KEPT and rank > tuple(ranked[KEPT - 1][:3]):
        return
    row = {"trial_id": trial_id, "study_id": study_id, **_packed(predictions)}
    connection.execute(tables.predictions.insert(), row)
    forget_predictions(connection, study_id)


def forget_predictions(connection: Connection, study_id: int) -> None:
    """Forget the predictions of all but the study's best trials."""
    ranked = connection.execute(_RANKED, {"study": study_id}).all()
    if others := [row.trial_id for row in ranked[KEPT:]]:
        connection.execute(tables.predictions.delete().where(_p.trial_id.in_(others)))


def _packed(predictions: DevPredictions) -> dict[str, Any]:
    classes, probabilities = predictions.classes, predictions.probabilities
    if probabilities is not None and probabilities.size > MOST:
        probabilities = np.take_along_axis(probabilities, classes[:, None], axis=1)
    return {
        "classes": classes.astype("<u2" if classes.dtype.kind in "iu" else "<f4").tobytes(),
        "log_probabilities": None if probabilities is None else _logarithms(probabilities).tobytes(),
        "train_losses": None if predictions.train_losses is None else _packed_losses(predictions.train_losses),
    }


def _packed_losses(losses: Sequence[np.ndarray]) -> bytes:
    """As packed bits, each network's from a byte of its own; of squared errors as float16, two bytes each."""
    if losses[0].dtype == bool:
        return b"".join(map(pack_losses, losses))
    squared: np.ndarray = np.minimum(np.concatenate(losses), MOST_SQUARED).astype("<f2")
    return squared.tobytes()


def _logarithms(probabilities: np.ndarray) -> np.ndarray:
    """As float16, log p: of 0.5 it keeps four digits, and 1e-9 and 1 − 1e-6 apart from 0 and 1.

    A trainer's probabilities may miss [0, 1] a little.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.clip(probabilities, 0, 1)), "<f2")


def read_predictions(connection: Connection, study_id: int, n_dev: int, facts: StudyFacts) -> dict[int, DevPredictions]:
    """The predictions that are kept of a study's trials, by the trial's id; numbers without classes.

    Raises BadValueError.
    """
    kept = {}
    sizes: dict[int, list[int]] = {}
    for trial_id, n_train in connection.execute(_SIZES, {"study": study_id}):
        sizes.setdefault(trial_id, []).append(n_train)
    for row in connection.execute(_OF_STUDY, {"study": study_id}):
        losses = _unpacked_losses(row, sizes.get(row.trial_id, []), are_bits=facts.unit.is_share)
        kept[row.trial_id] = replace(_unpacked(row, n_dev, facts), train_losses=losses)
    return kept


def _unpacked(row: Any, n_dev: int, facts: StudyFacts) -> DevPredictions:
    n_classes = len(facts.class_names)
    if not n_classes:
        return _unpacked_numbers(row, n_dev, facts.unit)
    classes = np.frombuffer(row.classes, "<u2").astype(np.int64)
    n = len(classes)
    if not n or n % n_dev or (classes >= n_classes).any():
        raise _bad(row, "classes", f"the classes of {n_dev} dev rows, once or more, from 0 to {n_classes - 1}")
    if row.log_probabilities is None:
        return DevPredictions(classes, None)
    logarithms = np.frombuffer(row.log_probabilities, "<f2").astype(np.float64)
    if len(logarithms) not in (n, n * n_classes) or not (logarithms <= 0).all():
        raise _bad(row, "log_probabilities", f"logarithms of the probabilities of {n} dev rows and {n_classes} classes")
    probabilities = np.exp(logarithms.reshape(n, -1))
    if probabilities.shape[1] > 1:
        total = probabilities.sum(axis=1, keepdims=True)
        if (abs(total - 1) > MISSED).any():
            raise _bad(row, "log_probabilities", f"logarithms of probabilities of {n_classes} classes that sum to 1")
        probabilities /= total
    return DevPredictions(classes, probabilities)


def _unpacked_losses(row: Any, sizes: Sequence[int], *, are_bits: bool) -> list[np.ndarray] | None:
    """The losses of the training rows of each network, which has so many."""
    packed = row.train_losses
    if packed is None:
        return None
    lengths = [-(-n // 8) if are_bits else 2 * n for n in sizes]
    if len(packed) != sum(lengths):
        raise _bad(row, "train_losses", f"losses of its networks' {' and '.join(map(str, sizes))} training rows")
    ends = itertools.accumulate(lengths)
    parts = [packed[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    if are_bits:
        return [unpack_losses(part, n) for part, n in zip(parts, sizes, strict=True)]
    return [np.frombuffer(part, "<f2").astype(np.float64) for part in parts]


def _unpacked_numbers(row: Any, n_dev: int, unit: Unit) -> DevPredictions:
    numbers = np.frombuffer(row.classes, "<f4").astype(np.float64) if len(row.classes) % 4 == 0 else np.zeros(0)
    if not len(numbers) or len(numbers) % (n_dev * unit.n_targets) or not np.isfinite(numbers).all():
        raise _bad(row, "classes", f"the predicted numbers of {n_dev} dev rows, once or more")
    return DevPredictions(numbers.reshape(-1, unit.n_targets) if unit.targets else numbers, None)


def _bad(row: Any, column: str, expected: str) -> BadValueError:
    return BadValueError(tables.predictions.name, column, getattr(row, column), expected, key="trial_id")
