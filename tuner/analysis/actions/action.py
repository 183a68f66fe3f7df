"""An action: its reason, its command as data, and its changes of the definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tuner.formatting import points


class Verb(StrEnum):
    """The command of an action."""

    DATA = "data"
    ERRORS = "errors"
    LEARNING_CURVE = "learning-curve"
    REFINE = "refine"
    """Write the next definition, with the changes of all actions, and search it."""
    SEARCH = "search"
    TRAIN = "train"


@dataclass(frozen=True, slots=True)
class Gain:
    """How much lower an action would make the delivered model's error: the 95% interval, as fractions."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """What actions are ranked by."""
        return (self.low + self.high) / 2

    def __str__(self) -> str:
        return f"{points(self.low)} to {points(self.high)} pp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do next.

    ``action``: the name of the function that proposes it. ``why``: the reason as a sentence. ``verb`` and ``options``:
    its command, an option that is True alone; None if a person must act. ``command``: the same as text; empty if there
    is none. ``evidence``: the numbers behind it. ``gain``: what the study's own evidence promises; None if it promises
    nothing. ``changes``: keys of the definition and their next values ("space.hidden": {"choice": ["64", "128"]}).
    ``reasons``: the same keys and a short reason each.
    """

    action: str = ""
    why: str
    verb: Verb | None = None
    options: Mapping[str, int | str] = field(default_factory=dict)
    command: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    gain: Gain | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the action for ``summary.json``; the gain is part of its evidence."""
        evidence = dict(self.evidence)
        if self.gain is not None:
            evidence |= {"expected_gain": str(self.gain), "gain": asdict(self.gain)}
        return {"action": self.action, "why": self.why, "command": self.command, "evidence": evidence}
