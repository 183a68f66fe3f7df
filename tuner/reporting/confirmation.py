"""What came of training the best trials again: the choice by all trainings, and luck of the seed and of the split."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from tuner.analysis import spread_by_seed, spread_by_split
from tuner.formatting import count, join
from tuner.storage import StudyRecord, TrialRecord


@dataclass(frozen=True)
class ConfirmedTrials:
    """The trials that were trained again, the best by all trainings first; ``lowest``: the best before.

    ``seed`` and ``split``: as in :class:`~tuner.analysis.Uncertainty`; None where they are unknown.
    """

    trials: tuple[TrialRecord, ...]
    lowest: TrialRecord
    seed: float | None
    split: float | None

    @property
    def splits(self) -> int:
        """How many splits the trainings had."""
        return len({one.split for one in self.trials[0].confirmations} | {0})

    @property
    def optimism(self) -> float:
        """By how much the trials' values are higher on average with another seed on the same split."""
        return statistics.mean(_again(trial)[0] - trial.values[0] for trial in self.trials)

    def to_dict(self) -> dict[str, Any]:
        """As ``summary.json`` has it."""
        return {
            "trials": [
                {
                    "number": trial.number,
                    "mean": statistics.mean(trial.values),
                    "value": trial.value,
                    "again": [{"split": one.split, "value": one.value} for one in trial.confirmations],
                }
                for trial in self.trials
            ],
            "chosen_before": self.lowest.number,
            "optimism": self.optimism,
            "spread_by_seed": self.seed,
            "spread_by_split": self.split,
        }


def find_confirmed(record: StudyRecord) -> ConfirmedTrials | None:
    """Return what training the best trials again showed; None if that was not done, or is not done yet."""
    trials = sorted(record.confirmed, key=lambda trial: (statistics.mean(trial.values), trial.rank))
    if not trials:
        return None
    again, elsewhere = zip(*map(_again, trials), strict=True)
    seed = spread_by_seed([trial.values[0] for trial in trials], again)
    split = None if seed is None or None in elsewhere else spread_by_split(again, elsewhere, seed)
    return ConfirmedTrials(tuple(trials), min(trials, key=lambda one: one.rank), seed, split)


def _again(trial: TrialRecord) -> tuple[float, float | None]:
    """A trial's value with another seed on the study's split, and on another one."""
    values = {one.split: one.value for one in trial.confirmations}
    assert values[0] is not None
    return values[0], values.get(1)


def confirmation_sentence(confirmed: ConfirmedTrials | None, record: StudyRecord) -> str:
    """Say which trial is the best by all its trainings, and what the search owed to luck."""
    if confirmed is None:
        return _unfinished(record)
    unit, best = record.unit, confirmed.trials[0]
    name = f"dev {record.error_name}"
    mean = unit.text(statistics.mean(best.values))
    how = "another seed and another split" if confirmed.splits > 1 else "another seed"
    n = len(best.values)
    if len(confirmed.trials) == 1:
        first = f"Trial {best.number} was trained again, with {how}: its mean {name} over {n} trainings is {mean}"
    else:
        first = (
            f"The {len(confirmed.trials):,} best trials were trained again, with {how}: by the mean of {n} trainings, "
            f"{mean}, trial {best.number} is the best"
        )
    if confirmed.lowest is not best:
        first += f" (in the search it was trial {confirmed.lowest.number})"
    gap, pp = unit.gap(abs(confirmed.optimism)), unit.of_gaps
    word = "higher" if confirmed.optimism >= 0 else "lower"
    return f"{first}. With another seed alone the {name} is {gap}{pp} {word} than in the search."


def _unfinished(record: StudyRecord) -> str:
    trainings = [one for trial in record.trials for one in trial.confirmations]
    left = sum(not one.is_finished for one in trainings)
    if left:
        return f"{left:,} of {count(len(trainings), 'training')} of the best trials again are not done."
    failed = [trial.number for trial in record.trials if any(one.value is None for one in trial.confirmations)]
    return (
        f"Training again failed of trial{'s' if len(failed) > 1 else ''} {join([str(number) for number in failed])}."
        if failed
        else ""
    )
