"""Names of studies that follow one another."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection

VERSION = re.compile(r"(.+)-([1-9]\d{0,2})")
DATED = re.compile(r"(?:^|\D)\d{4}(-\d{2})?$")  # a year, or a year and a month: two digits behind go on with the date


def next_name(study: str, taken: Collection[str] = ()) -> str:
    """Name of the study that goes on from this one, the next that is not taken: digits, digits-2, digits-3.

    A number that is part of a date or of the study's own name is not counted up: churn-2026-11-01 is followed by
    churn-2026-11-01-2.
    """
    stem = study.rsplit("/", 1)[-1].removesuffix(".toml")
    match = VERSION.fullmatch(stem)
    number = 1
    if match and not (len(match[2]) == 2 and DATED.search(match[1])):
        stem, number = match[1], int(match[2])
    return next(name for k in itertools.count(number + 1) if (name := f"{stem}-{k}") not in taken)
