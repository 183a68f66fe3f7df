"""What the checks of the data found, as the study keeps it."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.storage import StudyRecord

KEYS = ("honesty", "notices")


def honesty(record: StudyRecord) -> list[str]:
    """List every finding once, as a sentence, in the order of the checks."""
    found = [notice for key in KEYS for notice in record.facts.get(key) or ()]
    return list(dict.fromkeys(str(n["text"]) if isinstance(n, Mapping) else str(n) for n in found))
