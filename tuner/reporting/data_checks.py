"""What the data checks found, as the study stores it."""

from __future__ import annotations

from tuner.storage import StudyRecord

NO_FAULT = ("imbalance", "few_rows")
"""Kinds of findings that do not make numbers wrong."""


def found_in_data(record: StudyRecord) -> list[str]:
    """Return every finding once, as a sentence, in the order of the checks."""
    return list(dict.fromkeys([*(finding.text for finding in record.facts.findings), *record.facts.notices]))


def share_in_doubt(record: StudyRecord) -> float | None:
    """Return the largest share of rows that a warning is about, if all are of rows: an error changes by no more."""
    doubtful = [one for one in record.facts.findings if one.severity == "warning" and one.kind not in NO_FAULT]
    shares = [one.evidence.get("share") if one.kind == "same_rows" else None for one in doubtful]
    known = [share for share in shares if share is not None]
    return max(known) if known and len(known) == len(shares) else None


def warnings(record: StudyRecord) -> list[str]:
    """Return the findings that make every number of the study doubtful: leaks, duplicates, shifted columns."""
    findings = record.facts.findings
    return list(dict.fromkeys(one.text for one in findings if one.severity == "warning" and one.kind not in NO_FAULT))
