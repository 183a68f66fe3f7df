"""Numbers as people write them: 12,345 and $1,234.00, 37%, (5.00), and limits of detection like <0.5.

A notation is detected from the training rows, kept with the encoding, and reads any other rows alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

CURRENCIES = "$€£¥₹₽₩₺₴₫฿"
CODES = "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR"
UNIT = rf"[A-Z]{{0,2}}[{CURRENCIES}]|{CODES}"
SPACES = "'’ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
THOUSANDS: dict[str, str] = {".": f",{SPACES}", ",": f".{SPACES}"}
"""Decimal sign -> the signs that may stand between thousands."""
SIGNS = "-+\N{MINUS SIGN}"
CELL = re.compile(
    rf"(?P<limit>[<>]=?\s*)?(?P<open>\()?(?P<sign>[{SIGNS}]\s*)?(?P<before>(?:{UNIT})\s*)?(?P<sign2>[{SIGNS}])?"
    rf"(?P<number>(?:\d[\d.,'’\s]*|[.,]\d+)(?<!\s)(?:[eE][-+]?\d+)?)\s*(?P<after>%|{UNIT})?(?P<close>\))?"
)
GLANCE = 1000  # levels that are enough to see what most of them are
LEAST_NUMBERS = 3  # different plain numbers beside limits: fewer are categories like <18 and >=18

Sign = Literal[".", ","]
Limit = Literal["<", ">"]
LIMIT_NAMES: dict[Limit, str] = {"<": "below", ">": "above"}
"""The sign of a limit -> the name of its flag."""


@dataclass(frozen=True, slots=True)
class Notation:
    """How the numbers of a column are written.

    ``thousands``: the sign between thousands, empty for none.  ``unit``: a currency or %, before or after the number.
    ``limits``: the signs of limits of detection that the training rows have.
    """

    decimal: Sign = "."
    thousands: str = ""
    unit: str = ""
    limits: tuple[Limit, ...] = ()

    def number(self, cell: str) -> float:
        """Return the number of a cell, a limit without its sign; NaN if it is not written like this."""
        match = CELL.fullmatch(cell)
        if match is None or _unit(match) not in ("", self.unit) or (match["limit"] and not self.limits):
            return np.nan
        if self.unit == "%" and not match["after"]:  # 0.37 could be 37%
            return np.nan
        signs = [sign for sign in (match["sign"], match["sign2"], match["open"]) if sign]
        if len(signs) > 1 or bool(match["open"]) != bool(match["close"]):
            return np.nan
        value = self._value(match["number"])
        return -value if signs and signs[0].strip() in ("-", "\N{MINUS SIGN}", "(") else value

    def _value(self, text: str) -> float:
        whole, point, rest = text.partition(self.decimal)
        if self.thousands and self.thousands in whole:
            first, *groups = whole.split(self.thousands)
            if not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups):
                return np.nan
            whole = first + "".join(groups)
        try:
            return float(f"{whole}.{rest}" if point else whole)
        except ValueError:
            return np.nan

    def numbers(self, levels: Sequence[str]) -> Doubles:
        """Return the number of each of several cells, NaN if it has none."""
        return np.array([self.number(level) for level in levels], dtype=np.float64)


def _unit(match: re.Match[str]) -> str:
    return (match["before"] or "").strip() or (match["after"] or "")


def limit_of(cell: str) -> Limit | None:
    """Return the sign of a limit, if the cell is one."""
    return next((sign for sign in LIMIT_NAMES if cell.startswith(sign)), None)


def detect_notation(levels: Sequence[str], decimal: str) -> Notation | None:
    """Return how the numbers among a column's different cells are written; None if most cells are no numbers.

    ``decimal``: the file's decimal sign, which the column follows unless only the other one reads more of its cells.
    """
    glance = [CELL.fullmatch(level) for level in _spread(levels)]
    if sum(match is not None for match in glance) < 0.5 * len(glance):
        return None
    matches = [match for level in levels if (match := CELL.fullmatch(level))]
    of_file: Sign = "," if decimal == "," else "."
    others: tuple[Sign, ...] = (of_file, "." if of_file == "," else ",")
    fitting = [notation for sign in others if (notation := _with_decimal(matches, sign))]
    cells = _spread([match.string for match in matches])
    return max(fitting, key=lambda one: int(np.isfinite(one.numbers(cells)).sum()), default=None)


def _spread(levels: Sequence[str]) -> Sequence[str]:
    """Return some of the levels, evenly spread over all."""
    return levels[:: max(1, len(levels) // GLANCE)]


def _with_decimal(matches: list[re.Match[str]], decimal: Sign) -> Notation | None:
    """Return the notation with a decimal sign; None for two units or signs between thousands, or few plain numbers."""
    units = {unit for match in matches if (unit := _unit(match))}
    between = {char for match in matches for char in match["number"] if char in THOUSANDS[decimal]}
    limits = {match["limit"].strip()[0] for match in matches if match["limit"]}
    plain = sum(not match["limit"] for match in matches)
    if len(units) > 1 or len(between) > 1 or (between == {" "} and _same_length(matches)):
        return None
    if limits and plain < max(LEAST_NUMBERS, len(matches) - plain):
        return None
    return Notation(decimal, "".join(between), "".join(units), tuple(sign for sign in LIMIT_NAMES if sign in limits))


def _same_length(matches: list[re.Match[str]]) -> bool:
    """Whether all numbers are of one length, as telephone numbers written in blocks are."""
    return len({len(match["number"]) for match in matches}) == 1


def example_of(notation: Notation, levels: Sequence[str]) -> str:
    """Say how a column is read by one of its cells, the one with the most signs."""
    limits = [level for level in levels if limit_of(level)] if notation.limits else []
    levels = [*limits[:1], *_spread(levels)]
    numbers = dict(zip(levels, notation.numbers(levels).tolist(), strict=True))
    cell = max(levels, key=lambda level: (abs(numbers[level]) > 0, len(re.findall(r"[^\d\s]", level))))
    flag = f", with a flag {LIMIT_NAMES[limit]!r}" if (limit := limit_of(cell)) else ""
    return f"its cells are numbers: {cell!r} is read as {notation.number(cell):.12g}{flag}"
