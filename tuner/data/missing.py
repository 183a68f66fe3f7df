"""The spellings of a missing cell."""

from __future__ import annotations

from collections.abc import Iterable

# Missing values of pandas, and "?" of the UCI repository.
MISSING = frozenset(
    {"", "?", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None", "<NA>", "#N/A", "#NA", "NaT"}
)
MISSING_LABELS = MISSING - {"None", "n/a"}  # both can be names of classes


def missing_cells(missing: Iterable[str], keep: Iterable[str] | None) -> frozenset[str]:
    """Return the texts that count as missing: the usual ones and ``missing``, without ``keep``."""
    return (MISSING | frozenset(missing)) - frozenset(keep or ())


def missing_labels(missing: Iterable[str], keep: Iterable[str] | None) -> frozenset[str]:
    """Return the same for the target's cells."""
    return (MISSING_LABELS | frozenset(missing)) - frozenset(keep or ())
