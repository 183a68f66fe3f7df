"""Errors measured on examples in classes or groups, and over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuner.analysis.intervals import ROUNDING, Z95, ErrorEstimate, Spread
from tuner.metrics import effective_rows
from tuner.units import Unit

MOST_OF_RAREST = 10.0
RESAMPLES = 2000
Weights = Callable[[NDArray[np.integer]], NDArray[np.floating]]


@dataclass(frozen=True, slots=True)
class ClassError:
    """The error on the examples of one class; NaN with the interval (0, 1) if there are none."""

    name: str
    estimate: ErrorEstimate


@dataclass(frozen=True, slots=True)
class ClassWeightedError:
    """Weighted mean of the errors of the classes in a set, with its interval.

    ``guess``: the lowest that always predicting one class has.
    """

    value: float
    low: float
    high: float
    guess: float


@dataclass(frozen=True, slots=True)
class SeedsError:
    """Mean error over ``seeds`` trainings with the same hyperparameters; the interval covers examples and seeds."""

    value: float
    low: float
    high: float
    seeds: int


def class_errors(
    y: NDArray[np.integer],
    wrong: NDArray[np.generic],
    class_names: Sequence[str],
    weights: NDArray[np.floating] | None = None,
    most: float | None = None,
) -> list[ClassError]:
    """Return the error of every class.

    ``y``: (n,) class indices, ``wrong``: (n,) bits or shares of networks, times the ``weights`` (n,), if rows have any.
    ``most``: of other losses than wrong or right, the largest.
    """
    if weights is not None or most is not None:
        own = np.ones(len(y)) if weights is None else weights
        return [_class_error(name, wrong[y == label], own[y == label], most) for label, name in enumerate(class_names)]
    of = np.bincount(y, minlength=len(class_names))
    wrongs = np.bincount(y, weights=np.asarray(wrong, dtype=np.float64), minlength=len(class_names))
    return [
        ClassError(name, ErrorEstimate.measured(float(k), int(n)))
        for name, k, n in zip(class_names, wrongs, of, strict=True)
    ]


def _class_error(
    name: str, wrong: NDArray[np.generic], weights: NDArray[np.floating], most: float | None
) -> ClassError:
    if not len(wrong):
        return ClassError(name, ErrorEstimate.measured(0, 0, most=most or 1.0))
    losses, own = wrong / weights.mean(), weights / weights.mean()
    effective = effective_weighted(losses, own) if most is None else effective_losses(losses / most, None, own)
    return ClassError(name, ErrorEstimate.measured(float(losses.sum()), len(losses), effective, most=most or 1.0))


def class_weighted_error(classes: Sequence[ClassError], weights: Weights) -> ClassWeightedError | None:
    """Return the mean of the classes' errors, weighted by ``weights(rows of each class)``; None without examples.

    The classes are disjoint samples: the lengths of their Wilson intervals, times their shares of the weight, are added
    in quadrature, as for a difference of two errors.  (MOVER: Zou & Donner 2008)
    """
    counts = np.array([row.estimate.n or 0 for row in classes])
    if not counts.any():
        return None
    there = [row.estimate for row in classes if row.estimate.n]
    weight = np.asarray(weights(counts), dtype=np.float64)[counts > 0]
    total = float(weight.sum())
    mean = float(np.average([one.value for one in there], weights=weight))
    below = math.hypot(*(w * (one.value - one.low) for w, one in zip(weight, there, strict=True))) / total
    above = math.hypot(*(w * (one.high - one.value) for w, one in zip(weight, there, strict=True))) / total
    return ClassWeightedError(mean, max(0.0, mean - below), min(1.0, mean + above), 1 - float(weight.max()) / total)


def independent_examples(
    wrong: NDArray[np.generic],
    groups: NDArray[np.integer] | None,
    weights: NDArray[np.floating] | None,
    strata: NDArray[np.integer] | None = None,
    *,
    rng: np.random.Generator,
    most: float | None = None,
    alike: float | None = None,
) -> float | None:
    """Return how many independent examples of one weight the rows are worth; None if each is one.

    ``wrong``: (n,) bits or shares, times the ``weights`` (n,), multiples of their mean, if rows have any. ``strata``:
    (n,) classes whose shares of the weight are fixed, as in a balanced error; with groups they count as if they were
    not, which is less. ``most``: of other losses than wrong or right, the largest; ``alike``: see
    :func:`effective_losses`.
    """
    if most is not None:
        return effective_losses(np.asarray(wrong) / most, groups, weights, alike)
    if groups is not None:
        return effective_examples(wrong, groups, weights, rng=rng)
    return None if weights is None else effective_weighted(wrong, weights, strata)


def effective_losses(
    shares: NDArray[np.floating],
    groups: NDArray[np.integer] | None,
    weights: NDArray[np.floating] | None,
    alike: float | None = None,
) -> float:
    """Return how many examples, wrong or right, tell as much of a share as these losses of their mean.

    ``shares``: (n,) losses as parts of the largest, times the ``weights`` (n,), multiples of their mean, if rows have
    any; linearized ones may be below 0. p(1 − p) / variance of the mean, times (1.96 / t)² with Student's t at as many
    degrees of freedom as the squares that make up the variance count for; if all losses are the same, as many as there
    are examples. Examples of one of the ``groups`` (n,) stay together. ``alike``: of linearized losses, the examples of
    the rarest class, half of which are the most degrees of freedom, and ten times as many the most that is returned: a
    few examples that happen to be ranked well show too little variance.
    """
    from scipy.special import stdtrit

    losses = np.asarray(shares, dtype=np.float64)
    n, p = len(losses), float(np.clip(losses.mean(), 0.0, 1.0))
    apart = losses - p * (1.0 if weights is None else weights)
    is_linearized = alike is not None
    alike = min(alike or math.inf, float(n) if weights is None else effective_rows(weights))
    if groups is not None:
        apart = np.bincount(np.unique(groups, return_inverse=True)[1], weights=apart)
        alike = min(alike, float(len(apart)))
    squares = np.square(apart)
    total, units = float(squares.sum()), len(squares)
    if units < 2 or not 0 < p < 1 or not total > 0:
        return alike
    freedom = max(2 * total**2 / max(float(np.square(squares).sum()) - total**2 / units, total**2 / units**2), 1.0)
    freedom, most = min(freedom, units - 1), math.inf
    if is_linearized:
        freedom, most = min(freedom, max(alike / 2, 1.0)), MOST_OF_RAREST * alike
    known = (Z95 / stdtrit(freedom, 0.975)) ** 2
    variance = total / n**2 * units / (units - 1)
    return float(min(known * p * (1 - p) / variance, most))


def error_of_rows(
    losses: NDArray[np.generic],
    unit: Unit,
    weights: NDArray[np.floating] | None = None,
    groups: NDArray[np.integer] | None = None,
    *,
    of: int | None = None,
) -> ErrorEstimate:
    """Return the error of some rows, by their losses (n,), weights (n,) and groups (n,), with its interval.

    ``unit``: of shares or of numbers; ``of``: the rows, of which there may be several losses each.
    """
    n = len(losses)
    rows = n if of is None else of
    if not n or not rows:
        return ErrorEstimate.measured(0.0, 0)
    own = None if weights is None else weights / weights.mean()
    weighted = np.asarray(losses, dtype=np.float64) * (1.0 if own is None else own)
    total = float(weighted.mean()) * rows
    if not unit.is_share:
        return ErrorEstimate.of_squares(total, rows, unit, Spread.of(weighted, groups, own))
    effective = None
    if groups is not None:
        effective = min(effective_losses(weighted, groups, own), float(n)) * rows / n
    elif own is not None:
        effective = effective_weighted(weighted, own) * rows / n
    return ErrorEstimate.measured(total, rows, effective)


def effective_weighted(
    wrong: NDArray[np.generic], weights: NDArray[np.floating], strata: NDArray[np.integer] | None = None
) -> float:
    """Return the effective number of independent examples of one weight.

    ``wrong``: (n,) bits or shares, times the ``weights`` (n,), multiples of their mean. At most (Σw)²/Σw² (Kish 1965),
    which takes errors to be as frequent at every weight; less where heavy examples vary more: p(1 − p) / variance of
    the error, with the variance Σ(w·(e − p))²/n² of a ratio, less what few wrong (or right) examples of unlike weights
    leave uncertain about it: Student's t at as many degrees of freedom as they are, over that at as many as they count
    for. (Korn & Graubard 1998) With equal weights it is n. With ``strata``: see :func:`_effective_in_strata`.
    """
    from scipy.special import stdtrit

    if strata is not None:
        return _effective_in_strata(wrong, weights, strata)

    losses = np.asarray(wrong, dtype=np.float64)
    n, most = len(losses), effective_rows(weights)
    sides = [side[side > ROUNDING * weights] for side in (losses, weights - losses)]
    plain = min(map(len, sides))
    if not plain:  # the mean of the losses would not tell: that of weights with mean 1 may be rounded to less
        return most
    p, alike = float(losses.mean()), min(map(effective_rows, sides))
    variance = float(((losses - p * weights) ** 2).sum()) / n**2
    if not variance:
        return most
    known = (stdtrit(plain, 0.975) / stdtrit(alike, 0.975)) ** 2
    return float(min(known * p * (1 - p) / variance, most))


def _effective_in_strata(
    wrong: NDArray[np.generic], weights: NDArray[np.floating], strata: NDArray[np.integer]
) -> float:
    """Return the effective number if each class's share s of the weight is fixed: p(1 − p) / Σ s²·p_c(1 − p_c)/n_c.

    What another sample would change are the classes' errors p_c alone, each of its n_c rows (or what these are worth,
    having weights). For the variances a class has 2 wrong and 2 right rows more, since few rows may show no error by
    chance. (Agresti & Coull 1998)
    """
    mean = variance = 0.0
    for label in np.unique(strata):
        own = weights[strata == label]
        share, losses = float(own.sum() / weights.sum()), np.asarray(wrong)[strata == label] / own.mean()
        n = effective_weighted(losses, own / own.mean())
        p = (losses.mean() * n + 2) / (n + 4)
        mean += share * p
        variance += share**2 * p * (1 - p) / n
    return float(mean * (1 - mean) / variance)


def effective_examples(
    wrong: NDArray[np.generic],
    groups: NDArray[np.integer],
    weights: NDArray[np.floating] | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> float:
    """Return the effective number of independent examples, from resampling whole groups.

    ``wrong``: (n,) bits or shares, times the ``weights`` (n,), multiples of their mean, if rows have any.

    n_eff = p(1 − p) / variance of the error over the resamples, less what so few groups leave uncertain about that
    variance: times (1.96 / t)² with Student's t at as many degrees of freedom as groups have an error (or a right one,
    if these are fewer). Between what it would be if whole groups were wrong together (n² / Σ sizes²) and n. Without any
    error (or any right one) nothing shows, and each group counts once.  (Korn & Graubard 1998 take the groups' number
    for the degrees of freedom, which covers too little where errors are rare.)
    """
    from scipy.special import stdtrit

    bits = np.asarray(wrong, dtype=np.float64)
    unit = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(unit, weights=weights)
    wrongs = np.bincount(unit, weights=bits)
    telling = int(min((wrongs > 0).sum(), (sizes - wrongs > ROUNDING * sizes).sum(), len(sizes) - 1))
    if telling < 1:
        return float(len(sizes))
    p = wrongs.sum() / len(bits)
    times = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=resamples)
    variance = float(((times @ wrongs) / (times @ sizes)).var()) * len(sizes) / (len(sizes) - 1)
    least = len(bits) / float((sizes**2).sum() / sizes.sum())
    known = (Z95 / stdtrit(telling, 0.975)) ** 2
    most = len(bits) if weights is None else effective_rows(weights)
    return float(np.clip(known * p * (1 - p) / variance if variance else most, min(least, most), most))


def seeds_error(errors: NDArray[np.floating], dev: ErrorEstimate) -> SeedsError | None:
    """Return the mean of the seeds' ``errors`` (K,); the interval covers examples and seeds; None for one seed.

    ``dev``: of the mean losses, measured on the same rows. The examples' part is its interval at the mean, the seeds'
    part t(K − 1)·s/√K; lengths are added in quadrature, as for a difference of two independent errors.
    """
    from scipy.special import stdtrit

    k = len(errors)
    if k < 2 or not dev.n:
        return None
    mean = float(errors.mean())
    low, high = replace(dev, value=mean).interval()
    seeds = float(stdtrit(k - 1, 0.975) * errors.std(ddof=1) / math.sqrt(k))
    most = dev.most if dev.spread is None else math.inf
    return SeedsError(
        mean, max(0.0, mean - math.hypot(mean - low, seeds)), min(most, mean + math.hypot(high - mean, seeds)), k
    )


def majority_error(y_train: ArrayLike, y: ArrayLike) -> float | None:
    """Return the error on ``y`` of always predicting the majority class of ``y_train``; None if one is empty."""
    seen, asked = np.asarray(y_train), np.asarray(y)
    if not len(seen) or not len(asked):
        return None
    classes, counts = np.unique(seen, return_counts=True)
    return float(np.mean(asked != classes[counts.argmax()]))
