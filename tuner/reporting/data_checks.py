"""What the checks of the data found, as the study keeps it."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.storage import StudyRecord

KEYS = ("honesty", "notices")
NO_FAULT = ("imbalance",)
"""Kinds of findings that make numbers hard to read, not wrong."""


def found_in_data(record: StudyRecord) -> list[str]:
    """List every finding once, as a sentence, in the order of the checks."""
    found = [notice for key in KEYS for notice in record.facts.get(key) or ()]
    return list(dict.fromkeys(str(n["text"]) if isinstance(n, Mapping) else str(n) for n in found))


def warnings(record: StudyRecord) -> list[str]:
    """The findings as long as which stand no number of the study can be trusted: leaks, shared rows, moved columns."""
    found = [finding for finding in record.facts.get("honesty") or () if isinstance(finding, Mapping)]
    grave = [one for one in found if one.get("severity") == "warning" and one.get("kind") not in NO_FAULT]
    return list(dict.fromkeys(str(one["text"]) for one in grave))
