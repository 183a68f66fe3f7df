"""What the checks of the data found, as the study keeps it."""

from __future__ import annotations

from tuner.storage import StudyRecord

NO_FAULT = ("imbalance",)
"""Kinds of findings that make numbers hard to read, not wrong."""


def found_in_data(record: StudyRecord) -> list[str]:
    """List every finding once, as a sentence, in the order of the checks."""
    return list(dict.fromkeys([*(finding.text for finding in record.facts.findings), *record.facts.notices]))


def warnings(record: StudyRecord) -> list[str]:
    """The findings as long as which stand no number of the study can be trusted: leaks, shared rows, moved columns."""
    found = record.facts.findings
    return list(dict.fromkeys(one.text for one in found if one.severity == "warning" and one.kind not in NO_FAULT))
