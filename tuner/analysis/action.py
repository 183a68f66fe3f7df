"""One thing to do next, the command that does it, and what it changes in the next definition."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.analysis.evidence import Evidence, KnobState

VERSION = re.compile(r"(.+)-([1-9]\d{0,2})")
DATED = re.compile(r"(?:^|\D)\d{4}(-\d{2})?$")  # a year, or a year and a month: two digits behind go on with the date


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do next.

    ``why`` is a plain sentence; ``command`` is empty where it takes a person. ``evidence`` holds the study's numbers
    that speak for it, ``expected_gain`` what it can bring, in words. ``changes`` maps keys of the definition to
    what they should become in the next one ("space.hidden": {"choice": ["64", "128"]}), ``reasons`` the same keys to
    why, in a few words.
    """

    action: str
    why: str
    command: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    expected_gain: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the action as it stands in ``summary.json``; the expected gain is part of its evidence."""
        evidence = dict(self.evidence) | ({"expected_gain": self.expected_gain} if self.expected_gain else {})
        return {"action": self.action, "why": self.why, "command": self.command, "evidence": evidence}


def next_name(study: str, taken: Collection[str] = ()) -> str:
    """Name of the study that goes on from this one, the next that is not taken: digits, digits-2, digits-3.

    A number that is part of a date or of what the study is about is none of ours: churn-2026-11-01 is followed by
    churn-2026-11-01-2.
    """
    stem = study.rsplit("/", 1)[-1].removesuffix(".toml")
    match = VERSION.fullmatch(stem)
    number = 1
    if match and not (len(match[2]) == 2 and DATED.search(match[1])):
        stem, number = match[1], int(match[2])
    return next(name for k in itertools.count(number + 1) if (name := f"{stem}-{k}") not in taken)


def command(evidence: Evidence, verb: str, *options: str) -> str:
    """``tuner VERB STUDY OPTIONS``, to be typed as it stands."""
    parts = ["tuner", verb, shlex.quote(evidence.study), *options, evidence.options]
    return " ".join(part for part in parts if part)


def refine_and_search(evidence: Evidence) -> str:
    """Write the next definition, and search it."""
    following = shlex.quote(f"studies/{next_name(evidence.study, evidence.taken)}.toml")
    stem = shlex.quote(evidence.study.rsplit("/", 1)[-1].removesuffix(".toml"))
    search = " ".join(part for part in ("tuner search", following, "--from", stem, evidence.options) if part)
    refine = command(evidence, "refine", *filter(None, [evidence.judged_by]), "--output", following)
    return f"{refine} && {search}"


def open_knobs(evidence: Evidence) -> list[KnobState]:
    """The knobs that no action ranked higher changes."""
    return [knob for knob in evidence.knobs if f"space.{knob.name}" not in evidence.decided]
