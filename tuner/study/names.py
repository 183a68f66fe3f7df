"""Names of successive studies."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection

VERSION = re.compile(r"(.+)-([1-9]\d{0,2})")
DATED = re.compile(r"(?:^|\D)\d{4}(-\d{2})?$")  # a year, or a year and a month: two digits after it belong to the date


def next_name(study: str, taken: Collection[str] = ()) -> str:
    """Return the next name after a study's that is not taken: digits, digits-2, digits-3.

    A number that is part of a date is not counted up: churn-2026-11-01 is followed by churn-2026-11-01-2.
    """
    stem = study.rsplit("/", 1)[-1].removesuffix(".toml")
    match = VERSION.fullmatch(stem)
    number = 1
    if match and not (len(match[2]) == 2 and DATED.search(match[1])):
        stem, number = match[1], int(match[2])
    return next(name for k in itertools.count(number + 1) if (name := f"{stem}-{k}") not in taken)
