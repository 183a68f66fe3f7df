"""Work as a list of calls, bound once to the arrays they go over and then made again and again.

What Python does between two NumPy calls (methods, loops, conditions, looking names up) takes a sixth of a step of a
small network; in a flat list of bound calls next to nothing is left of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

Call: TypeAlias = Callable[[], object]
"""A NumPy function, bound to its operands and to where its result goes."""


def run(calls: Sequence[Call]) -> None:
    """Make the calls, one after the other."""
    for call in calls:
        call()
