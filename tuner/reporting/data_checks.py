"""What the data checks found, as the study stores it."""

from __future__ import annotations

from tuner.storage import StudyRecord

NO_FAULT = ("imbalance",)
"""Kinds of findings that do not make numbers wrong."""


def found_in_data(record: StudyRecord) -> list[str]:
    """Return every finding once, as a sentence, in the order of the checks."""
    return list(dict.fromkeys([*(finding.text for finding in record.facts.findings), *record.facts.notices]))


def warnings(record: StudyRecord) -> list[str]:
    """Return the findings that make every number of the study doubtful: leaks, duplicates, shifted columns."""
    findings = record.facts.findings
    return list(dict.fromkeys(one.text for one in findings if one.severity == "warning" and one.kind not in NO_FAULT))
