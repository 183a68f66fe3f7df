"""Learning-rate schedules: a factor of α, constant within an epoch.

Epochs are counted from 0 here, so that the first epoch trains with α itself (except in a warm-up).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple


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


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(_constant, frozenset()),
    "inverse_time": Schedule(_inverse_time, frozenset({"decay_rate", "decay_start"})),
    "step": Schedule(_step, frozenset({"decay_rate", "decay_epochs", "decay_start"})),
    "exponential": Schedule(_exponential, frozenset({"decay_rate", "decay_start"})),
    "cosine": Schedule(_cosine, frozenset({"decay_start"})),
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

    The schedule counts its epochs from ``decay_start`` on; before, its factor is 1.  With 1 an epoch has the rate that
    the lectures' notebooks compute after the epoch before, whose number they count from 0.
    The warm-up is (epoch + 1) / (warmup_epochs + 1) in the first ``warmup_epochs`` epochs, then 1.
    No factor is below 1e-12: momentum's slot is α v, rescaled when α changes, and would be lost at 0.
    """
    warmup = min(1.0, (epoch + 1) / (warmup_epochs + 1))
    since, length = max(epoch - decay_start, 0), max(max_epochs - decay_start, 1)
    return max(warmup * SCHEDULES[schedule].factor(since, decay_rate, decay_epochs, length), 1e-12)
