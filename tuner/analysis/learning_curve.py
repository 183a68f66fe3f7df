"""Would more data help: the posterior of a + b·n^−c, from errors at growing sizes of the training set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.words import percent, span
from tuner.errors import ArgumentError

Floats = NDArray[np.float64]

FURTHEST = 2.0  # never beyond twice the largest size
ENOUGH_SIZES = 4  # three parameters, and one size that can contradict them
EXPONENT_MEAN, EXPONENT_SD, EXPONENT_RANGE = 0.5, 0.35, (0.05, 1.5)
GRID = 41
G_SPAN = 5.0  # standard errors around the error at the largest size


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPoint:
    """One size: K networks trained on ``n_train`` examples each, with seeds of their own.

    ``wrong``: (K, n_dev) dev bits at each one's best epoch. ``errors``: (K,) their dev errors after allowing for the
    choice of the epoch (:func:`tuner.analysis.epoch_corrected_errors`); None where no epoch was chosen: the counts.
    ``train_error``: of the examples they were trained on, their mean.
    """

    n_train: int
    wrong: NDArray[np.bool_]
    errors: Floats | None = None
    train_error: float | None = None

    @property
    def each(self) -> Floats:
        """Dev error of every network."""
        found: Floats = self.wrong.mean(axis=1) if self.errors is None else np.asarray(self.errors, dtype=np.float64)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningNetwork:
    """One network trained on ``n_train`` examples: the ``repeat``-th with seeds of its own (from 0), on one ``part``.

    ``part`` is the fold, 0 without folds. ``wrong``: (n_dev of the part,) bits at its best epoch; ``error``: its dev
    error after allowing for the choice of the epoch; ``train_wrong`` of its ``n_train`` examples.
    """

    n_train: int
    repeat: int
    part: int
    stop_reason: str
    best_epoch: int
    epochs: int
    train_wrong: int
    error: float
    wrong: NDArray[np.bool_]
    seconds: float


def learning_points(networks: Sequence[LearningNetwork]) -> list[LearningPoint]:
    """One point a size. With folds the dev sets of a repeat's networks, one a fold, are together the dev set.

    A repeat with a network that diverged before any epoch ended well says nothing about the size, and is left out.
    """
    repeats: dict[tuple[int, int], list[LearningNetwork]] = {}
    for network in sorted(networks, key=lambda one: (one.n_train, one.repeat, one.part)):
        repeats.setdefault((network.n_train, network.repeat), []).append(network)
    kept = {key: group for key, group in repeats.items() if all(network.best_epoch for network in group)}
    points = []
    for n_train in dict.fromkeys(size for size, _ in kept):
        groups = [group for (size, _), group in kept.items() if size == n_train]
        points.append(
            LearningPoint(
                n_train=n_train,
                wrong=np.stack([np.concatenate([network.wrong for network in group]) for group in groups]),
                errors=np.array([_weighted_error(group) for group in groups]),
                train_error=sum(network.train_wrong for group in groups for network in group)
                / (n_train * sum(map(len, groups))),
            )
        )
    return points


def _weighted_error(networks: Sequence[LearningNetwork]) -> float:
    """Dev error over all parts."""
    return float(np.average([network.error for network in networks], weights=[len(n.wrong) for n in networks]))


@dataclass(frozen=True, slots=True)
class Prediction:
    """The error expected with ``n_train`` examples, with its 95 % interval."""

    n_train: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """A fitted curve: mean ``errors`` at the ``sizes`` it rests on, and its ``predictions`` up to twice the data."""

    sizes: tuple[int, ...]
    errors: tuple[float, ...]
    seeds: int
    predictions: tuple[Prediction, ...]

    @property
    def today(self) -> float:
        """Dev error at the largest size."""
        return self.errors[-1]

    @property
    def twice(self) -> Prediction:
        """What twice the data would bring."""
        return self.predictions[-1]

    @property
    def enough_sizes(self) -> bool:
        """Whether there are sizes enough to contradict a wrong curve."""
        return len(self.sizes) >= ENOUGH_SIZES

    @property
    def helps(self) -> bool:
        """Whether the interval at twice the data lies below today's error."""
        return self.enough_sizes and self.twice.high < self.today

    def sentence(self) -> str:
        """Say what twice the data would bring, and what is not certain about it."""
        found = (
            f"Twice the data would bring dev error from {percent(self.today)} to about {percent(self.twice.value)} "
            f"({span(self.twice.low, self.twice.high)})"
        )
        if not self.enough_sizes:
            return f"{found}; {len(self.sizes)} sizes are too few to trust the curve, {ENOUGH_SIZES} are needed."
        if not self.helps:
            return f"{found}; today's error is inside that interval, so more data may not help."
        return f"{found}."


def fit_learning_curve(points: Sequence[LearningPoint]) -> LearningCurve:
    """Fit f(n) = a + b·n^−c with a, b ≥ 0 and c ~ N(0.5, 0.35) on 0.05-1.5, on a grid.

    The grid runs over g = f(largest size), a/g and c, flat in the first two. The likelihood is normal with the
    covariance that the dev examples give the sizes' mean errors (they share the dev set, and move together) plus the
    seeds' variance, taken as φ·p(1 − p) with one φ. Predicted is the mean over trainings, not the luck of a single one.
    """
    given = sorted(points, key=lambda point: point.n_train)
    if not given or given[-1].wrong.size == 0:
        raise ArgumentError("a learning curve needs at least one size with a dev set, got none")
    sizes = np.array([point.n_train for point in given], dtype=np.float64)
    errors = np.array([point.each.mean() for point in given])
    curve = _Posterior(sizes, errors, _covariance(given))
    ahead = np.unique(np.round(np.geomspace(sizes[0], FURTHEST * sizes[-1], GRID)).astype(int))
    return LearningCurve(
        sizes=tuple(int(n) for n in sizes),
        errors=tuple(float(e) for e in errors),
        seeds=min(len(point.wrong) for point in given),
        predictions=tuple(curve.predict(int(n)) for n in ahead),
    )


def _seed_share(points: Sequence[LearningPoint]) -> float:
    """φ of the seeds' variance φ·p(1 − p), pooled over the sizes that have several seeds."""
    squares = freedom = 0.0
    for point in points:
        each = point.each
        p = _inside(float(each.mean()), point.wrong.shape[1])
        squares += float(((each - each.mean()) ** 2).sum()) / (p * (1 - p))
        freedom += len(each) - 1
    return squares / freedom if freedom else 0.0


def _covariance(points: Sequence[LearningPoint]) -> Floats:
    """Covariance of the sizes' mean errors: the dev sample's, common to all, and the seeds'."""
    shares = np.array([point.wrong.mean(axis=0) for point in points])
    n = shares.shape[1]
    p = np.array([_inside(float(share.mean()), n) for share in shares])
    seeds = _seed_share(points) * p * (1 - p) / np.array([len(point.wrong) for point in points])
    least = np.diag(p * (1 - p)) / n * 1e-3  # all right, or all wrong alike, is no proof of a variance of zero
    found: Floats = np.atleast_2d(np.cov(shares, bias=True)) / n + np.diag(seeds) + least
    return found


def _inside(p: float, n: int) -> float:
    """Wilson's centre, so that no errors in n examples do not mean a variance of zero."""
    return (p * n + 2) / (n + 4)


class _Posterior:
    """Weights of every (g, a/g, c) of the grid; f(n) = a + (g − a)(n/n_max)^−c."""

    def __init__(self, sizes: Floats, errors: Floats, covariance: Floats) -> None:
        self.largest = sizes[-1]
        sd = math.sqrt(covariance[-1, -1])
        low, high = max(errors[-1] - G_SPAN * sd, 0.0), min(errors[-1] + G_SPAN * sd, 1.0)
        c = np.linspace(*EXPONENT_RANGE, GRID)
        self.g, share, self.c = (
            grid.ravel()
            for grid in np.meshgrid(np.linspace(low, high, GRID), np.linspace(0, 1, GRID), c, indexing="ij")
        )
        self.a = share * self.g
        misfit = np.array([self.at(n) for n in sizes]) - errors[:, None]
        log = -0.5 * (misfit * np.linalg.solve(covariance, misfit)).sum(axis=0)
        log -= 0.5 * ((self.c - EXPONENT_MEAN) / EXPONENT_SD) ** 2
        self.weights = np.exp(log - log.max())
        self.weights /= self.weights.sum()

    def at(self, n: float) -> Floats:
        """f(n) at every point of the grid."""
        f: Floats = np.minimum(self.a + (self.g - self.a) * (n / self.largest) ** -self.c, 1.0)
        return f

    def predict(self, n: int) -> Prediction:
        """Mean of f(n), and its 2.5 % and 97.5 % points."""
        f = self.at(n)
        order = np.argsort(f)
        low, high = np.interp([0.025, 0.975], np.cumsum(self.weights[order]), f[order])
        return Prediction(n, float(self.weights @ f), float(low), float(high))
