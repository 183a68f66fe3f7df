"""What an average of the best trials would gain, before anybody trains it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.analysis import FOLD_ROWS, Z95, Candidates, average_gain
from tuner.commands import command_text
from tuner.reporting.competition import ENSEMBLE, random_stream
from tuner.storage import StudyRecord
from tuner.study import StudyDefinition


@dataclass(frozen=True)
class EnsembleGain:
    """By how much an average of trials has a lower dev error than the best one, with 95% intervals.

    Both are chosen again and scored on other dev rows, ``best`` and ``average`` are their errors; with folds each row
    is predicted by one network of each trial.  ``trials``: those that are chosen on all dev rows.
    """

    trials: tuple[int, ...]
    best: float
    average: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """The gain, in the unit of the errors."""
        return self.best - self.average

    def to_dict(self) -> dict[str, Any]:
        """As ``summary.json`` has it."""
        return {
            "trials": len(self.trials),
            "numbers": list(self.trials),
            "best": self.best,
            "average": self.average,
            "gain": {"value": self.value, "low": self.low, "high": self.high},
        }


def find_ensemble_gain(record: StudyRecord, definition: StudyDefinition) -> EnsembleGain | None:
    """Estimate the gain from the kept predictions; None if those of fewer than two trials, or no probabilities, are."""
    if not definition.trainer_kind.can_train_again:
        return None
    judged = sorted(record.judged, key=lambda trial: trial.rank)
    kept = [(trial.number, of) for trial in judged if (of := record.predicted(trial)) is not None]
    if len(kept) < 2:
        return None
    candidates = Candidates(
        np.stack([of for _, of in kept]), record.dev_y, record.dev_fold, record.dev_weights, record.losses_of
    )
    gain = average_gain(candidates, groups=record.dev_groups, rng=random_stream(definition, ENSEMBLE))
    unit, trials = record.unit, tuple(kept[place][0] for place in sorted(candidates.choose()))
    more = Z95 * gain.standard_error * (math.sqrt(FOLD_ROWS) if record.dev_layout(judged[0]).has_folds else 1)
    best, average = float(unit.error(gain.best)), float(unit.error(gain.average))
    # both ends in the unit of the errors, of which squares are the loss
    low, high = (float(best - unit.error(max(gain.average + end, 0.0))) for end in (more, -more))
    return EnsembleGain(trials, best, average, low, high)


def ensemble_sentence(gain: EnsembleGain | None, record: StudyRecord) -> str:
    """Say what the average of the best trials would gain, and the command that trains it; empty if it is unknown."""
    if gain is None:
        return ""
    unit, train = record.unit, command_text("train", *record.words, "--ensemble-of", "auto")
    is_lower = gain.value >= 0
    low, high = (gain.low, gain.high) if is_lower else (-gain.high, -gain.low)
    sentence = (
        f"The dev {record.error_name} of the average of {len(gain.trials)} of the best trials ({train}) is "
        f"{unit.gap(abs(gain.value))}{unit.of_gaps} {'lower' if is_lower else 'higher'} than of the best one "
        f"(95% interval {unit.span(low, high)}), by dev rows that chose neither."
    )
    best = record.best
    if is_lower and best is not None and record.dev_layout(best).has_folds:
        sentence += " The ensemble of the folds' networks, which tuner train saves, has much of this gain already."
    return sentence
