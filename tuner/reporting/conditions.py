"""Conditions on the rows of a table of trials, as people type them: ``dev_error < 5%``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tuner.errors import UsageError
from tuner.formatting import quoted, some_of
from tuner.reporting.frames import trial_row
from tuner.storage import TrialRecord

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
CONDITION = re.compile(rf"\s*([\w.]+)\s*({'|'.join(OPERATORS)})\s*(.*?)\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """A column compared with a value: a number, or a text that a cell has or has not."""

    place: int
    compare: Callable[[Any, Any], bool]
    value: float | str

    @classmethod
    def parse(cls, text: str, columns: Sequence[str], option: str = "--where") -> Condition:
        """Read a condition on one of these columns, given with ``option``.  Raises UsageError."""
        match = CONDITION.fullmatch(text)
        if match is None or not match[3]:
            raise UsageError(f"{option} {quoted(text)}: expected a column, one of {' '.join(OPERATORS)}, and a value")
        name, sign, given = match.groups()
        if name not in columns:
            raise UsageError(f"{option} {quoted(text)}: no column {quoted(name)}; there are {some_of(columns)}")
        number = _number(given)
        if number is None and sign not in ("=", "!="):
            raise UsageError(f"{option} {quoted(text)}: {sign} compares numbers, got {quoted(given)}")
        return cls(columns.index(name), OPERATORS[sign], given if number is None else number)

    def holds(self, row: Sequence[Any]) -> bool:
        """Whether it is true of a row; what is unknown equals nothing and is not different from anything."""
        cell = row[self.place]
        if cell is None:
            return False
        if isinstance(self.value, float) and isinstance(cell, int | float):
            return self.compare(float(cell), self.value)
        return self.compare in (operator.eq, operator.ne) and self.compare(str(cell), str(self.value))


def chosen_rows(
    trials: Iterable[TrialRecord],
    names: Sequence[str],
    baseline: float,
    conditions: Sequence[Condition],
    limit: int | None,
) -> Iterator[tuple[Any, ...]]:
    """Yield the first trials of which all conditions are true, as rows of :func:`trial_columns`; None: no limit."""
    rows = (trial_row(trial, names, baseline) for trial in trials)
    return islice((row for row in rows if all(condition.holds(row) for condition in conditions)), limit)


def _number(text: str) -> float | None:
    with suppress(ValueError):
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    return None
