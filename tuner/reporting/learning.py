"""A study's learning curve over training examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tuner.analysis import (
    LearningCurve,
    LearningNetwork,
    LearningPoint,
    fit_learning_curve,
    learning_points,
)
from tuner.storage import StudyRecord
from tuner.units import Unit


@dataclass(frozen=True)
class Learning:
    """The networks trained with a ``trial``'s hyperparameters on growing subsets, and the curve fitted to them.

    ``is_best``: the trial is still the study's best; ``curve`` is None if every network diverged.
    """

    trial: int
    is_best: bool
    points: tuple[LearningPoint, ...]
    curve: LearningCurve | None

    @property
    def uses_left_out(self) -> bool:
        """Whether the curve is also based on training rows that networks on fewer examples left out."""
        return self.curve is not None and self.curve.left_out > 0

    @property
    def sentence(self) -> str:
        """What twice the data would bring, and how certain that is."""
        if self.curve is None:
            return "All networks of the learning curve diverged."
        of_another = "" if self.is_best else f" (Measured with trial {self.trial}, which is no longer the best.)"
        return self.curve.sentence() + of_another

    def to_dict(self) -> dict[str, Any]:
        """Return the learning curve for ``summary.json``."""
        curve = self.curve
        return {
            "trial": self.trial,
            "points": [
                {
                    "n_train": point.n_train,
                    "train_error": _error(point.unit, point.train_error),
                    "dev_error": point.dev_error,
                    "left_out_error": _error(point.unit, point.left_out_error),
                    "left_out": point.n_left_out,
                    "seeds": len(point.wrong),
                }
                for point in self.points
            ],
            "today": None if curve is None else curve.today,
            "today_estimate": None if curve is None else asdict(curve.now),
            "twice": None if curve is None else asdict(curve.twice),
            "gain": None if curve is None else asdict(curve.gain),
            "enough_sizes": curve is not None and curve.enough_sizes,
            "helps": curve is not None and curve.helps,
            "is_flat": curve is not None and curve.is_flat,
            "not_learned": [] if curve is None else list(curve.not_learned),
            "sentence": self.sentence,
        }


def _error(unit: Unit, loss: float | None) -> float | None:
    return None if loss is None else float(unit.error(loss))


def learning_of(
    trial: int, networks: Sequence[LearningNetwork], material_gap: float, unit: Unit, *, is_best: bool = True
) -> Learning:
    """Fit the learning curve of one trial's networks."""
    points = learning_points(networks, unit)
    curve = fit_learning_curve(points, material_gap) if points else None
    return Learning(trial=trial, is_best=is_best, points=tuple(points), curve=curve)


def find_learning(record: StudyRecord, material_gap: float) -> Learning | None:
    """Return the curve of the best trial that has one; None if none was measured."""
    measured = [trial for trial in record.trials if trial.learning]
    if not measured:
        return None
    best = min(measured, key=lambda trial: (not trial.is_judged, trial.rank))
    return learning_of(best.number, best.learning, material_gap, record.unit, is_best=best == record.best)
