"""One thing to do next: the command that does it as data, and what it changes in the next definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verb(StrEnum):
    """The command that does an action."""

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

    ``action`` is its name, that of the function which proposes it; ``why`` is a plain sentence. ``verb`` and its
    ``options`` say which command does it; None where it takes a person. ``command``: the same as text, once it is known
    how the study is named; empty where nothing can be typed.
    ``evidence`` holds the study's numbers behind it, ``expected_gain`` what it can bring, in words. ``changes`` maps
    keys of the definition to their values in the next one ("space.hidden": {"choice": ["64", "128"]}), ``reasons`` the
    same keys to why, in a few words.
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
        """Give the action as ``summary.json`` has it; the expected gain is part of its evidence."""
        evidence = dict(self.evidence) | ({"expected_gain": self.expected_gain} if self.expected_gain else {})
        return {"action": self.action, "why": self.why, "command": self.command, "evidence": evidence}
