"""How trials, networks and diagnoses come out: every state, reason, level and verdict, as it is written and read."""

from __future__ import annotations

from enum import StrEnum


class _Outcome(StrEnum):
    """A text with a name; it is shown, compared and stored as the text."""

    __repr__ = str.__repr__


class TrialState(_Outcome):
    """How far a trial is."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    RUNNING = "running"
    WAITING = "waiting"


class StopReason(_Outcome):
    """What ended the training of a network, or of a trial.

    RETURNED: a custom trainer came back before its last epoch.  STOPPED: the caller's ``on_epoch`` asked for it.
    INTERRUPTED: the training goes on later.  FAILED: a trial without a result.
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
    """How the text begins that says why a trial failed or was re-queued, where it was not an exception."""

    CRASHED = "crashed"
    OUT_OF_MEMORY = "out of memory"
    WALL_LIMIT = "wall limit"


class Level(_Outcome):
    """A gap's interval against the material gap: above it, below it, or on both sides."""

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
