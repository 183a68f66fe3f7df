"""Checks of plain arguments: each returns nothing, or refuses with the value found and the bound."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

from tuner.errors import ArgumentError


def one_of(name: str, value: object, allowed: Collection[str]) -> None:
    """Refuse a value that is not among the allowed names."""
    if value not in allowed:
        raise ArgumentError(f"{name} must be one of {', '.join(sorted(allowed))}, got {value!r}")


def integer(name: str, value: Any, *, low: int) -> None:
    """Refuse what is not a whole number of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise ArgumentError(f"{name} must be a whole number of at least {low}, got {value!r}")


def number(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    above: float = -math.inf,
    high: float = math.inf,
    below: float = math.inf,
) -> None:
    """Refuse what is not a finite number with low ≤ value ≤ high, above < value and value < below."""
    known = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if known and low <= value <= high and above < value < below:
        return
    left = f"({above:g}" if above > low else f"[{low:g}" if low > -math.inf else "(-inf"
    right = f"{below:g})" if below < high else f"{high:g}]" if high < math.inf else "inf)"
    raise ArgumentError(f"{name} must be in {left}, {right}, got {value!r}")


def power_of_two(name: str, value: Any) -> None:
    """Refuse what is not 1, 2, 4, 8, …"""
    integer(name, value, low=1)
    if value & (value - 1):
        lower = 1 << (int(value).bit_length() - 1)
        raise ArgumentError(f"{name} must be a power of two, got {value} (the nearest are {lower} and {2 * lower})")
