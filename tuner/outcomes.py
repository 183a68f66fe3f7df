"""Outcomes of trials, networks, diagnoses and data checks, as they are stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

STRICT = {"strict": True, "extra": "forbid"}
"""How pydantic reads a dataclass of this package that is stored as JSON."""


class _Outcome(StrEnum):
    """A text with a name; it is shown, compared and stored as the text."""

    __repr__ = str.__repr__


class TrialState(_Outcome):
    """The state of a trial."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    RUNNING = "running"
    WAITING = "waiting"


class StopReason(_Outcome):
    """What ended the training of a network or a trial.

    RETURNED: a custom trainer returned before its last epoch.  STOPPED: the caller's ``on_epoch`` asked for it.
    INTERRUPTED: the training continues later.  FAILED: a trial without a result.
    """

    PATIENCE = "patience"
    MAX_EPOCHS = "max_epochs"
    MAX_UPDATES = "max_updates"
    DIVERGED = "diverged"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    PRUNED = "pruned"
    RETURNED = "returned"
    FAILED = "failed"


class FailureCause(_Outcome):
    """Start of the text that says why a trial failed or was re-queued, other than by an exception."""

    CRASHED = "crashed"
    OUT_OF_MEMORY = "out of memory"
    WALL_LIMIT = "wall limit"
    CANCELED = "canceled"


_NUMBER = re.compile(r"\d[\d,.]*")


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Trials that failed for one reason, but for its numbers; ``reason`` is that of the last one."""

    reason: str
    trials: tuple[int, ...]

    def __str__(self) -> str:
        return f"{len(self.trials):,} × {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"reason": self.reason, "trials": list(self.trials)}


def failure_groups(reasons: Mapping[int, str | None]) -> list[FailureGroup]:
    """Group failed trials, number -> reason, by reason; the most frequent reason first."""
    groups: dict[str, tuple[str, list[int]]] = {}
    for number, given in sorted(reasons.items()):
        reason = given or "no reason was recorded"
        kind = _NUMBER.sub("0", reason)
        groups[kind] = (reason, [*groups.get(kind, ("", []))[1], number])
    made = [FailureGroup(reason, tuple(numbers)) for reason, numbers in groups.values()]
    return sorted(made, key=lambda group: -len(group.trials))


class Level(_Outcome):
    """A gap's interval compared with the threshold: above, below, or including it."""

    HIGH = "high"
    LOW = "low"
    UNDECIDED = "undecided"


class Verdict(_Outcome):
    """Which of avoidable bias and variance are high."""

    HIGH_BIAS = "high_bias"
    HIGH_VARIANCE = "high_variance"
    HIGH_BIAS_AND_VARIANCE = "high_bias_and_variance"
    LOW_BIAS_AND_VARIANCE = "low_bias_and_variance"
    UNDECIDED = "undecided"


ERROR_NAMES = {
    "baseline": "baseline",
    "train": "train",
    "train_dev": "train-dev",
    "dev": "dev",
    "dev_corrected": "dev (selection-corrected)",
    "test": "test",
}
"""Key of an error -> its name for people."""


MANY_CLASSES, ROWS_OF_A_CLASS = 10, 10


def too_few_of_each_class(rows: int, classes: int) -> float | None:
    """Return the training rows of a class if they are fewer than 10 with at least 10 classes, which is a problem."""
    each = rows / classes
    return each if classes >= MANY_CLASSES and each < ROWS_OF_A_CLASS else None


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of the data checks; ``kind`` is for programs, ``text`` for people.

    kind: same_rows, groups, time_order, class_shares, distribution, missingness, classifier, mismatch, not_compared,
    leakage, few_rows or imbalance.
    """

    __pydantic_config__ = STRICT
    kind: str
    severity: str
    text: str
    parts: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    evidence: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**asdict(self), "parts": list(self.parts), "columns": list(self.columns)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Finding:
        """Return the finding that ``to_dict`` made plain."""
        parts, columns = (tuple(document.get(key, ())) for key in ("parts", "columns"))
        return cls(**{**document, "parts": parts, "columns": columns})
