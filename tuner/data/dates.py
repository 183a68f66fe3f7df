"""Dates: from text to seconds, and from seconds to inputs of a network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

DAY = 86_400.0
YEAR = 365.2425 * DAY  # the Gregorian calendar's mean year
MONDAY = 4 * DAY  # 1970-01-05, the first Monday of the epoch
FIRST_TIME = -25_567 * DAY  # 1900-01-01, the day that times without a date are read as

DAYS = ("%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y")
SHORT_DAYS = ("%m/%d/%y", "%d/%m/%y", "%d.%m.%y")
CLOCKS = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")
# If several formats fit every cell, the first one is used, and said: 03/04/2024 is March 4.
DATE_FORMATS = (
    "ISO8601",
    *DAYS,
    "%d-%m-%Y",
    *(f"{day} {time}" for day in DAYS for time in ("%H:%M", "%H:%M:%S")),
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%Y%m%d",
    "%m-%d-%Y",
    *SHORT_DAYS,
    *(f"{day} {time}" for day in SHORT_DAYS for time in ("%H:%M", "%H:%M:%S")),
    *(f"{day} {time}" for day in (*DAYS[:3], *SHORT_DAYS[:2]) for time in CLOCKS[2:]),
    *CLOCKS,
)
DATE_LIKE = re.compile(r"\d{4}-\d\d|\d[/.-]\d|\d[ -][A-Za-z]{3}[ -]\d|[A-Za-z]{3} \d{1,2}, \d{4}|^\d\d?:\d\d")

CYCLES = {"year": (0.0, YEAR), "week": (MONDAY, 7 * DAY), "day": (0.0, DAY)}
"""Name -> start in seconds since 1970, and length in seconds."""
PARTS = ("time", "year_sin", "year_cos", "week_sin", "week_cos", "day_sin", "day_cos")


def seconds_of(values: Any, date_format: str | None = None) -> Doubles:
    """Return seconds since 1970 (UTC), NaN for values that are not dates of this format."""
    import pandas as pd

    if date_format is None:
        moments = pd.to_datetime(pd.Series(values), utc=True)
    else:
        moments = pd.to_datetime(pd.Series(values, dtype=object), format=date_format, errors="coerce", utc=True)
    epoch = pd.Timestamp(0, tz="UTC")
    try:
        since = moments - epoch
    except (OverflowError, pd.errors.OutOfBoundsDatetime):  # outside the years 1677 to 2262, which nanoseconds reach
        since = moments.astype("datetime64[us, UTC]") - epoch.as_unit("us")
    seconds = since / pd.Timedelta(seconds=1)
    return np.asarray(seconds.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class DetectedFormat:
    """The format that fits most cells, their share, and the one with day and month swapped if it fits as many."""

    name: str
    share: float
    swapped: str | None = None


def detect_format(levels: list[str], counts: NDArray[np.int64]) -> DetectedFormat | None:
    """Return the format that fits most cells, or None if the text does not look like dates or times."""
    sample = levels[:50]
    if not sample or sum(DATE_LIKE.search(level) is not None for level in sample) < 0.9 * len(sample):
        return None

    def share_of(date_format: str) -> float:
        return float(counts[~np.isnan(seconds_of(levels, date_format))].sum() / counts.sum())

    best, share = "", 0.0
    for date_format in DATE_FORMATS:
        if np.isnan(seconds_of(sample, date_format)).mean() > 0.5:
            continue
        if (read := share_of(date_format)) > share:
            best, share = date_format, read
        if share == 1.0:
            break
    if not best:
        return None
    swapped = best.translate(str.maketrans("md", "dm"))
    is_ambiguous = swapped != best and swapped in DATE_FORMATS and share_of(swapped) == share
    return DetectedFormat(best, share, swapped if is_ambiguous else None)


def date_parts(seconds: Doubles) -> Doubles:
    """Return (n, 7): the time in days, then sine and cosine of its position in the year, week and day."""
    parts = np.empty((len(seconds), len(PARTS)))
    parts[:, 0] = seconds / DAY
    for place, (origin, period) in enumerate(CYCLES.values()):
        angle = 2 * np.pi * ((seconds - origin) % period) / period
        parts[:, 1 + 2 * place], parts[:, 2 + 2 * place] = np.sin(angle), np.cos(angle)
    return parts
