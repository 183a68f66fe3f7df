"""What is new since a given time, for jobs that report every night."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from tuner.formatting import join
from tuner.reporting.frames import dev_error
from tuner.reporting.sentences import when
from tuner.storage import StudyRecord, TrialRecord, count_trials
from tuner.units import SHARE, Unit


@dataclass(frozen=True)
class News:
    """Trials that ended after ``since``, and the best trial before and after them."""

    since: datetime.datetime
    trials: dict[str, int]
    before: TrialRecord | None
    now: TrialRecord | None

    @property
    def best_changed(self) -> bool:
        """Whether another trial is the best one now."""
        return (self.before and self.before.number) != (self.now and self.now.number)

    def to_dict(self) -> dict[str, Any]:
        """Return the news for ``summary.json``."""
        before = self.before and {"number": self.before.number, "dev_error": dev_error(self.before)}
        return {
            "since": self.since.isoformat(timespec="seconds"),
            "trials": self.trials,
            "best_changed": self.best_changed,
            "best_before": before,
        }

    @property
    def unit(self) -> Unit:
        """The unit of the errors."""
        return SHARE if self.now is None else self.now.unit

    def sentence(self) -> str:
        """Say what is new, and whether the best changed."""
        unit = self.unit
        kinds = [f"{n:,} {state}" for state, n in self.trials.items() if n]
        ended = f"Trials that ended since {when(self.since)}: {join(kinds) if kinds else 'none'}."
        if self.now is None:
            return ended
        now = f"trial {self.now.number} at {unit.text(dev_error(self.now))}"
        if self.before is None:
            return f"{ended} The first best trial is {now}."
        if not self.best_changed:
            return f"{ended} The best is still {now}."
        return (
            f"{ended} The best changed from trial {self.before.number} at {unit.text(dev_error(self.before))} to {now}."
        )


def find_news(record: StudyRecord, since: datetime.timedelta, now: datetime.datetime) -> News:
    """Compare the study as it is with what it was ``since`` ago."""
    moment = now - since
    new = [trial for trial in record.trials if trial.finished is not None and trial.finished > moment]
    old = [trial for trial in record.trials if trial.is_judged and trial.finished and trial.finished <= moment]
    before = min(old, key=lambda trial: trial.rank, default=None)
    return News(moment, count_trials(new).to_dict(), before, record.best)
