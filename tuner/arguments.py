"""Checks of arguments: each raises ArgumentError with what was expected and what was found."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from tuner.errors import ArgumentError
from tuner.formatting import bounded, one_line, shorten
from tuner.printable import is_unicode


def one_of(name: str, value: object, allowed: Collection[str]) -> None:
    """Refuse a value that is not among the allowed names."""
    if not isinstance(value, str) or value not in allowed:
        raise unexpected(name, f"one of {', '.join(sorted(allowed))}", value)


def integer(name: str, value: Any, *, low: int, high: float = math.inf) -> None:
    """Refuse what is not an integer with low ≤ value ≤ high."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        raise unexpected(name, bounded("an integer", low=low, high=high), value)


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
    if not (_is_finite(value) and low <= value <= high and above < value < below):
        raise unexpected(name, bounded("a number", low=low, above=above, high=high, below=below), value)


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def flag(name: str, value: Any) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise unexpected(name, "True or False", value)


def power_of_two(name: str, value: Any) -> None:
    """Refuse what is not 1, 2, 4, 8, …"""
    integer(name, value, low=1)
    if value & (value - 1):
        lower = 1 << (int(value).bit_length() - 1)
        raise unexpected(name, f"a power of two, like {lower} or {2 * lower}", value)


def text(name: str, value: Any) -> None:
    """Refuse what is not text that can be written as UTF-8."""
    if not isinstance(value, str) or not is_unicode(value):
        raise unexpected(name, "UTF-8 text", value)


def optional_text(name: str, value: Any) -> None:
    """Refuse what is neither None nor text that can be written as UTF-8."""
    if value is not None:
        text(name, value)


def path(name: str, value: Any) -> Path:
    """Return text or a path as a path; refuse what is neither."""
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise unexpected(name, "a path", value)
    return Path(value)


def unexpected(name: str, expected: str, value: object) -> ArgumentError:
    """The error for an argument that is not what was expected."""
    return ArgumentError(f"{name}: expected {expected}, got {shown(value)}")


def shown(value: object, most: int = 200) -> str:
    """A value as an error shows it, on one line of at most so many characters."""
    try:
        return shorten(one_line(repr(value)), most)
    except Exception:  # an integer of too many digits, a frame with a cell that cannot be compared
        return f"an object of type {type(value).__name__}"


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Return a list of texts as a tuple; refuse anything else, a single text, too."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise unexpected(name, "a list of names", value)
    for one in value:
        text(name, one)
    return tuple(value)
