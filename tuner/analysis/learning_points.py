"""The points of a learning curve: each size's error and its standard error.

A network is measured on the dev set and, if these are like dev rows, on the training rows that it left out. Both are
estimates of the same error from independent examples, and the curve is fitted to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.intervals import Spread
from tuner.outcomes import StopReason
from tuner.units import SHARE, Unit

Floats = NDArray[np.float64]
Bits = NDArray[Any]
"""Whether something holds of each example, or its squared error, times its relative weight, if examples have any."""

LUCK_EXPONENT = 0.75  # 16 times the examples, an eighth of the trainings' variance, as on made problems
SHARED_LUCK = 0.5  # of a training's variance at the largest size; without it intervals cover too little
LEAST = 1e-3  # of p(1 − p)/n: all right, or all wrong alike, is no proof of a variance of zero
TINY = 1e-12  # a mean squared error of a millionth of the standard deviation, taken for the least


@dataclass(frozen=True, slots=True)
class RowVariance:
    """The variance of an example's loss where its mean is m: m(1 − m) if the loss is whether it is wrong.

    With ``deviation``, the relative one of squared errors, it is (deviation·m)².
    """

    deviation: float | None = None

    @classmethod
    def of_squares(cls, squares: Floats) -> RowVariance:
        """Return that of squared errors like these (n,)."""
        return cls(max(Spread.of(squares).deviation, LEAST))

    @property
    def most(self) -> float:
        """The largest mean loss that there is."""
        return 1.0 if self.deviation is None else np.inf

    def at(self, mean: Any) -> Any:
        """Return the variance at a mean, or at each of an array."""
        return mean * (1 - mean) if self.deviation is None else np.square(self.deviation * np.maximum(mean, TINY))

    def measured(self, mean: float, n: int) -> float:
        """Return the variance at a mean of n examples: at Wilson's center, as no errors are no proof of none."""
        return float(self.at(mean if self.deviation is not None else (mean * n + 2) / (n + 4)))


BITS = RowVariance()


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPoint:
    """One size: K networks trained on ``n_train`` examples each, with seeds of their own.

    Of numbers, all errors are mean squared errors, standardized; ``unit`` makes RMSEs of them, ``dev_error``.
    ``wrong``: (K, n_dev) dev bits at each one's best epoch. ``errors``: (K,) their dev errors after allowing for the
    choice of the epoch (:func:`tuner.analysis.epoch_corrected_errors`); None where no epoch was chosen: the counts.
    ``train_error``: of the examples they were trained on, their mean. ``left_out``, ``left_wrong``: (K, n_watched)
    which training rows each left out, and which of these it has wrong; None where that is of no use or not known.
    """

    n_train: int
    wrong: Bits
    errors: Floats | None = None
    train_error: float | None = None
    left_out: Bits | None = None
    left_wrong: Bits | None = None
    unit: Unit = SHARE

    @property
    def dev_error(self) -> float:
        """Mean dev error of the networks; of numbers the root of the mean of squares."""
        return float(self.unit.error(self.each.mean()))

    @property
    def each(self) -> Floats:
        """Dev error of every network."""
        errors: Floats = self.wrong.mean(axis=1) if self.errors is None else np.asarray(self.errors, dtype=np.float64)
        return errors

    @property
    def independent_share(self) -> float:
        """What an example is worth of one whose weight all have: 1 without weights."""
        p, variance = float(self.wrong.mean()), float(self.wrong.var(axis=1).mean())
        return min(p * (1 - p) / variance, 1.0) if variance and 0 < p < 1 else 1.0

    @property
    def left_out_each(self) -> Floats:
        """Error of every network on the rows that it left out; empty where there are none."""
        if self.left_out is None or self.left_wrong is None:
            return np.zeros(0)
        errors: Floats = self.left_wrong.sum(axis=1) / self.left_out.sum(axis=1)
        return errors

    @property
    def n_left_out(self) -> int:
        """Training rows that one of the networks or more left out."""
        return 0 if self.left_out is None else int(self.left_out.any(axis=0).sum())

    @property
    def left_out_error(self) -> float | None:
        """Error on the left-out rows, all networks together; None where there are none."""
        if self.left_out is None or self.left_wrong is None:
            return None
        return float(self.left_wrong.sum() / self.left_out.sum())

    def left_out_shares(self) -> Floats:
        """(n_watched,) how far each row moves :attr:`left_out_error` off its expected value, to first order.

        With all N looks at left-out rows, row i moves it by Σ_k (wrong_ki − error)/N over the networks k that left it
        out. Rows are independent, however often each was looked at, so that the squares add up to the variance.
        """
        assert self.left_out is not None
        assert self.left_wrong is not None
        off = self.left_wrong - self.left_out * (self.left_out_error or 0.0)
        shares: Floats = off.sum(axis=0) / self.left_out.sum()
        return shares


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningNetwork:
    """One network trained on ``n_train`` examples: the ``repeat``-th with seeds of its own (from 0), on one ``part``.

    ``part`` is the fold, 0 without folds. ``wrong``: (n_dev of the part,) bits at its best epoch; ``error``: its dev
    error after allowing for the choice of the epoch; ``train_wrong`` of its ``n_train`` examples. ``left_out`` and
    ``left_wrong``: (n_watched,) which of some training rows, the same for all networks, it was not trained on, and
    which of those it has wrong; empty where they do not stand for dev rows, or there are none.
    """

    n_train: int
    repeat: int
    part: int
    stop_reason: StopReason
    best_epoch: int
    epochs: int
    train_wrong: float
    error: float
    wrong: Bits
    seconds: float
    left_out: Bits = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    left_wrong: Bits = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))


def learning_points(networks: Sequence[LearningNetwork], unit: Unit = SHARE) -> list[LearningPoint]:
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
        every = [network for group in groups for network in group]
        watched = all(network.left_out.any() for network in every)
        points.append(
            LearningPoint(
                n_train=n_train,
                wrong=np.stack([np.concatenate([network.wrong for network in group]) for group in groups]),
                errors=np.array([np.average([n.error for n in g], weights=[len(n.wrong) for n in g]) for g in groups]),
                train_error=sum(network.train_wrong for network in every) / (n_train * len(every)),
                left_out=np.stack([network.left_out for network in every]) if watched else None,
                left_wrong=np.stack([network.left_wrong for network in every]) if watched else None,
                unit=unit,
            )
        )
    return points


def left_out_rows(points: Sequence[LearningPoint]) -> int:
    """How many training rows some network left out, at any size."""
    left_out = [point.left_out.any(axis=0) for point in points if point.left_out is not None]
    return int(np.logical_or.reduce(left_out).sum()) if left_out else 0


def size_errors(points: Sequence[LearningPoint], rows: RowVariance = BITS) -> tuple[Floats, Floats]:
    """(J,) each size's error by all that was measured, and the covariance (J, J) of what chance did to it.

    Where no size has left-out rows that is the dev error. Otherwise the dev errors D (of all sizes) and the left-out
    errors L (of those sizes that have them) are y = Aθ + chance, A = [I; the rows of I that L has], and returned is the
    generalized least squares estimate θ = (AᵀV⁻¹A)⁻¹AᵀV⁻¹y with its covariance (AᵀV⁻¹A)⁻¹, which a normal likelihood
    of θ needs and no more. In V stand the dev sample, in which all of D move together; the left-out rows, in which L
    does, as far as they are the same rows; and the trainings, whose luck the D and L of a size share.
    """
    dev = np.array([point.each.mean() for point in points])
    beside = [place for place, point in enumerate(points) if point.left_out is not None]
    if not beside:
        return dev, _dev_covariance(points, rows) + np.diag(_seeds_variance(points, rows))
    left_out = np.array([points[place].left_out_error for place in beside])
    design = np.vstack([np.eye(len(points)), np.eye(len(points))[beside]])
    by_rows = np.zeros((len(design), len(design)))
    by_rows[: len(points), : len(points)] = _dev_covariance(points, rows)
    by_rows[len(points) :, len(points) :] = _left_out_covariance([points[place] for place in beside], rows)
    weighed = np.linalg.solve(by_rows + design @ _luck_covariance(points, rows) @ design.T, design)
    covariance = np.linalg.inv(design.T @ weighed)
    return covariance @ (weighed.T @ np.concatenate([dev, left_out])), (covariance + covariance.T) / 2


def shared_luck(points: Sequence[LearningPoint], rows: RowVariance = BITS) -> float:
    """λ of the variance λ·(n/m)^-¾·p(1 − p) by which trainings on n examples of one training set all move together."""
    return SHARED_LUCK * _seed_share(points, _falls(points), rows)


def _seeds_variance(points: Sequence[LearningPoint], rows: RowVariance) -> Floats:
    """(J,) what the seeds add to the variance of the sizes' mean errors: φ·p(1 − p)/K, with one φ for all sizes."""
    share = _seed_share(points, np.ones(len(points)), rows)
    variance: Floats = share * _spread(points, rows) / _seeds(points)
    return variance


def _luck_covariance(points: Sequence[LearningPoint], rows: RowVariance) -> Floats:
    """(J, J) what the luck of trainings adds to the sizes' mean errors, where the examples' chance no longer hides it.

    A training on n of m examples has the variance φ·(n/m)^-¾·p(1 − p), and the K trainings of a size each their own.
    Beside it stands what no spread between them shows, since all come from the one training set: half a training's.
    """
    falls = _falls(points)
    share, spread = _seed_share(points, falls, rows), _spread(points, rows)
    shared = np.sqrt(SHARED_LUCK * share * spread)
    covariance: Floats = np.diag(share * falls * spread / _seeds(points)) + np.outer(shared, shared)
    return covariance


def _falls(points: Sequence[LearningPoint]) -> Floats:
    """(J,) the trainings' variance at each size, of that at the largest."""
    sizes = np.array([point.n_train for point in points], dtype=np.float64)
    falls: Floats = (sizes / sizes[-1]) ** -LUCK_EXPONENT
    return falls


def _seed_share(points: Sequence[LearningPoint], scales: Floats, rows: RowVariance) -> float:
    """φ of a training's variance φ·scale·p(1 − p), pooled over the sizes that have several seeds."""
    squares = freedom = 0.0
    for point, scale in zip(points, scales, strict=True):
        each = point.each
        variance = rows.measured(float(each.mean()), point.wrong.shape[1])
        squares += float(((each - each.mean()) ** 2).sum()) / (scale * variance)
        freedom += len(each) - 1
    return squares / freedom if freedom else 0.0


def _seeds(points: Sequence[LearningPoint]) -> Floats:
    return np.array([len(point.wrong) for point in points], dtype=np.float64)


def _spread(points: Sequence[LearningPoint], rows: RowVariance) -> Floats:
    """(J,) p(1 − p) of the dev examples."""
    return np.array([rows.measured(float(point.wrong.mean()), point.wrong.shape[1]) for point in points])


def _dev_covariance(points: Sequence[LearningPoint], rows: RowVariance) -> Floats:
    """Covariance of the sizes' mean dev errors as far as the dev sample makes it, common to all of them."""
    shares = np.array([point.wrong.mean(axis=0) for point in points])
    n = shares.shape[1]
    covariance: Floats = np.atleast_2d(np.cov(shares, bias=True)) / n + np.diag(_spread(points, rows)) / n * LEAST
    return covariance


def _left_out_covariance(points: Sequence[LearningPoint], rows: RowVariance) -> Floats:
    """Covariance of the sizes' left-out errors as far as the rows make it, each counted once."""
    shares = np.array([point.left_out_shares() for point in points])
    each = [rows.measured(point.left_out_error or 0.0, point.n_left_out) / point.n_left_out for point in points]
    covariance: Floats = shares @ shares.T + np.diag(each) * LEAST
    return covariance
