"""Numbers as people read them."""

from __future__ import annotations

import math


def points(share: float) -> str:
    """A share as points of per cent: one decimal, two below 0.95; "−" in front of negative ones, "unknown" for NaN."""
    if math.isnan(share):
        return "unknown"
    hundredfold = 100 * share
    text = f"{hundredfold:.1f}" if abs(hundredfold) >= 0.95 or round(hundredfold, 2) == 0 else f"{hundredfold:.2f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")


def percent(share: float) -> str:
    """A share in per cent: "3.1 %", "0.14 %"."""
    return f"{points(share)} %"


def span(low: float, high: float) -> str:
    """Two ends of an interval as points: "1.9–2.9"."""
    return f"{points(low)}–{points(high)}"


def number(value: float) -> str:
    """A hyperparameter's value, short: "0.0001", "64", "1e-06"."""
    return f"{value:.3g}"
