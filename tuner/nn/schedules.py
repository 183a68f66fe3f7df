"""Learning-rate schedules: a factor of α, constant within an epoch.

Epochs are counted from 0 here, so that the first epoch trains with α itself (except in a warm-up and in schedules that
rise first).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

CYCLE_RISES = 0.3
"""Share of the epochs in which the rate of one_cycle rises."""


class Schedule(NamedTuple):
    """``factor(epoch, decay_rate, decay_epochs, max_epochs)``, and the hyperparameters it uses."""

    factor: Callable[[int, float, int, int], float]
    hyperparameters: frozenset[str]


def _constant(epoch: int, rate: float, interval: int, max_epochs: int) -> float:
    """α"""
    return 1.0


def _inverse_time(epoch: int, rate: float, interval: int, max_epochs: int) -> float:
    """α / (1 + decay_rate · epoch), the lectures' learning-rate decay."""
    return 1.0 / (1.0 + rate * epoch)


def _step(epoch: int, rate: float, interval: int, max_epochs: int) -> float:
    """α / (1 + decay_rate · ⌊epoch / decay_epochs⌋), the lectures' discrete staircase."""
    return 1.0 / (1.0 + rate * (epoch // interval))


def _exponential(epoch: int, rate: float, interval: int, max_epochs: int) -> float:
    """α · e^(−decay_rate · epoch).  The lectures' 0.95^epoch is decay_rate = 0.0513; here 0 always means no decay."""
    return math.exp(-rate * epoch)


def _cosine(epoch: int, rate: float, interval: int, max_epochs: int) -> float:
    """α · (1 + cos(π · epoch / max_epochs)) / 2, above 0 in every epoch.  (Loshchilov & Hutter 2017, no restarts)"""
    return 0.5 * (1.0 + math.cos(math.pi * min(epoch, max_epochs - 1) / max_epochs))


def _one_cycle(epoch: int, rate: float, interval: int, max_epochs: int) -> float:
    """Up from α/25 to α in the first 30% of the epochs, then down to 0, each along half a cosine.  (Smith 2018)"""
    place = (epoch + 0.5) / max_epochs
    if place < CYCLE_RISES:
        return _between(1 / 25, 1.0, place / CYCLE_RISES)
    return _between(1.0, 0.0, (place - CYCLE_RISES) / (1 - CYCLE_RISES))


def _coslog4(epoch: int, rate: float, interval: int, max_epochs: int) -> float:
    """α · (1 − cos(2π log₂(1 + 15 t))) / 2, t from 0 to 1: four waves, each longer.  (Holzmüller et al. 2024)"""
    place = (min(epoch, max_epochs - 1) + 0.5) / max_epochs
    return _between(0.0, 1.0, 2 * math.log2(1 + 15 * place))


def _flat_cosine(epoch: int, rate: float, interval: int, max_epochs: int) -> float:
    """α in the first half of the epochs, then down to 0 along half a cosine."""
    return _between(1.0, 0.0, max(0.0, 2 * (min(epoch, max_epochs - 1) + 0.5) / max_epochs - 1))


def _between(start: float, end: float, way: float) -> float:
    """From start, where ``way`` is 0, to end, where it is 1, along half a cosine; back where it is 2."""
    return start + (end - start) * 0.5 * (1.0 - math.cos(math.pi * way))


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(_constant, frozenset()),
    "inverse_time": Schedule(_inverse_time, frozenset({"decay_rate", "decay_start"})),
    "step": Schedule(_step, frozenset({"decay_rate", "decay_epochs", "decay_start"})),
    "exponential": Schedule(_exponential, frozenset({"decay_rate", "decay_start"})),
    "cosine": Schedule(_cosine, frozenset({"decay_start"})),
    "one_cycle": Schedule(_one_cycle, frozenset()),
    "coslog4": Schedule(_coslog4, frozenset()),
    "flat_cosine": Schedule(_flat_cosine, frozenset({"decay_start"})),
}


def rate_factor(
    schedule: str,
    epoch: int,
    *,
    decay_rate: float,
    decay_epochs: int,
    decay_start: int,
    warmup_epochs: int,
    max_epochs: int,
) -> float:
    """Return the factor of α in an epoch (from 0): the schedule's, times a linear warm-up.

    A schedule that begins with α counts its epochs from ``decay_start`` on; before, its factor is 1.  With 1 an epoch
    has the rate that the lectures' notebooks compute after the epoch before, whose number they count from 0.
    The warm-up is (epoch + 1) / (warmup_epochs + 1) in the first ``warmup_epochs`` epochs, then 1.
    No factor is below 1e-12: momentum's slot is α v, rescaled when α changes, and would be lost at 0.
    """
    warmup = min(1.0, (epoch + 1) / (warmup_epochs + 1))
    factor, used = SCHEDULES[schedule]
    start = decay_start if "decay_start" in used else 0
    since, length = max(epoch - start, 0), max(max_epochs - start, 1)
    return max(warmup * factor(since, decay_rate, decay_epochs, length), 1e-12)
