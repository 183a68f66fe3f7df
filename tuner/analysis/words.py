"""Numbers as people read them."""

from __future__ import annotations

import math


def percent(share: float, digits: int | None = None) -> str:
    """A share in per cent, "3.1 %"; two digits below 1 %, so that small errors are not all 0.1 %; "unknown" for NaN."""
    if math.isnan(share):
        return "unknown"
    return f"{_number(share, digits)} %"


def percent_range(low: float, high: float) -> str:
    """Two ends of an interval in per cent, "1.9-2.9 %" with an en dash."""
    return f"{_number(low, None)}–{_number(high, None)} %"


def _number(share: float, digits: int | None) -> str:
    if digits is None:
        digits = 2 if 0 < abs(share) < 0.01 else 1
    return f"{100 * share:.{digits}f}".replace("-", "−")
