"""Lists of NumPy calls, bound to their arrays once and run many times.

Between NumPy calls, Python's methods, loops, conditions and name lookups take a sixth of a step of a small network; a
flat list of bound calls avoids almost all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

Call: TypeAlias = Callable[[], object]
"""A NumPy function, bound to its operands and its output."""


def run(calls: Sequence[Call]) -> None:
    """Run the calls, one after the other."""
    for call in calls:
        call()
