"""An action: its reason, its command as data, and its changes of the definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verb(StrEnum):
    """The command of an action."""

    DATA = "data"
    LEARNING_CURVE = "learning-curve"
    REFINE = "refine"
    """Write the next definition, with the changes of all actions, and search it."""
    REPORT = "report"
    SEARCH = "search"
    TRAIN = "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do next.

    ``action``: the name of the function that proposes it. ``why``: the reason as a sentence. ``verb`` and ``options``:
    its command; None if a person must act. ``command``: the same as text; empty if there is none. ``evidence``: the
    numbers behind it. ``expected_gain``: what it can bring. ``changes``: keys of the definition and their next values
    ("space.hidden": {"choice": ["64", "128"]}). ``reasons``: the same keys and a short reason each.
    """

    action: str = ""
    why: str
    verb: Verb | None = None
    options: Mapping[str, float] = field(default_factory=dict)
    command: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    expected_gain: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the action for ``summary.json``; the expected gain is part of its evidence."""
        evidence = dict(self.evidence) | ({"expected_gain": self.expected_gain} if self.expected_gain else {})
        return {"action": self.action, "why": self.why, "command": self.command, "evidence": evidence}
