"""Checks of arguments: each raises ArgumentError with what was expected and what was found."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

from tuner.errors import ArgumentError
from tuner.formatting import bounded


def one_of(name: str, value: object, allowed: Collection[str]) -> None:
    """Refuse a value that is not among the allowed names."""
    if value not in allowed:
        raise unexpected(name, f"one of {', '.join(sorted(allowed))}", repr(value))


def integer(name: str, value: Any, *, low: int) -> None:
    """Refuse what is not an integer ≥ ``low``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise unexpected(name, bounded("an integer", low=low), repr(value))


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
    is_number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not (is_number and low <= value <= high and above < value < below):
        raise unexpected(name, bounded("a number", low=low, above=above, high=high, below=below), repr(value))


def power_of_two(name: str, value: Any) -> None:
    """Refuse what is not 1, 2, 4, 8, …"""
    integer(name, value, low=1)
    if value & (value - 1):
        lower = 1 << (int(value).bit_length() - 1)
        raise unexpected(name, f"a power of two, like {lower} or {2 * lower}", repr(value))


def unexpected(name: str, expected: str, value: object) -> ArgumentError:
    """The error for an argument that is not what was expected."""
    return ArgumentError(f"{name}: expected {expected}, got {value}")
