"""Would more data help? The posterior of a + b·n^−c, from errors at growing sizes of the training set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.effects import Effect
from tuner.analysis.intervals import ErrorEstimate, Spread, difference_interval
from tuner.analysis.learning_points import (
    BITS,
    LUCK_EXPONENT,
    TINY,
    LearningPoint,
    RowVariance,
    left_out_rows,
    shared_luck,
    size_errors,
)
from tuner.errors import ArgumentError
from tuner.formatting import join
from tuner.units import SHARE, Unit

Floats = NDArray[np.float64]

FURTHEST = 2.0  # never beyond twice the largest size
SIZES = 5
SMALLEST_SHARE = 1 / 16  # of the training set: smaller ones say little about the step to twice as much
FEWEST, FEWEST_PER_CLASS = 20, 5
LEAST_STEP = 1.25  # sizes closer together say the same thing twice
ENOUGH_SIZES = 4  # three parameters, and one size that can contradict them
EXPONENT_MEAN, EXPONENT_SD, EXPONENT_RANGE = 0.5, 0.35, (0.05, 1.5)
STEPS = 41  # of the curve that is drawn
G_GRID, TRAIN_GRID, SHARE_GRID, EXPONENT_GRID = 41, 7, 21, 21
LIKELY, LUCK_GRID = 400, 41  # equally likely values of a predicted error, and of the luck around each
NOTHING = 1e-6  # of the largest weight: such points change no figure, and are most of them
G_SPAN = 5.0  # standard errors around the error at the largest size


@dataclass(frozen=True, slots=True)
class Prediction:
    """The error expected with ``n_train`` examples, with its 95% interval."""

    n_train: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """A fitted curve: mean dev ``errors`` at its ``sizes``, and its ``predictions`` up to twice the data.

    ``now``: its prediction at the largest size. ``gain``: the fall of the error from there to twice the data.
    ``left_out``: how many training rows, left out at smaller sizes, it is based on in addition to the dev set.
    ``not_learned``: sizes with networks that did not learn their training examples, and were left out. ``unit``: of all
    errors.
    """

    sizes: tuple[int, ...]
    errors: tuple[float, ...]
    seeds: int
    predictions: tuple[Prediction, ...]
    now: Prediction
    gain: Effect
    material_gap: float = 0.02
    left_out: int = 0
    not_learned: tuple[int, ...] = ()
    unit: Unit = SHARE

    @property
    def today(self) -> float:
        """Dev error at the largest size."""
        return self.errors[-1]

    @property
    def estimate(self) -> float:
        """Today's dev error by the curve, which also uses the other sizes, the train error and left-out rows."""
        return self.now.value

    @property
    def twice(self) -> Prediction:
        """What twice the data would bring."""
        return self.predictions[-1]

    @property
    def enough_sizes(self) -> bool:
        """Whether there are enough sizes to contradict a wrong curve."""
        return len(self.sizes) >= ENOUGH_SIZES

    @property
    def helps(self) -> bool:
        """Whether twice the data certainly bring more than the material gap."""
        return self.enough_sizes and self.gain.low > self.material_gap

    @property
    def is_flat(self) -> bool:
        """Whether twice the data certainly bring less than the material gap."""
        return self.enough_sizes and self.gain.high < self.material_gap

    def promise(self) -> str:
        """Say what twice the data would bring; today's estimate and dev error are both given if they differ."""
        unit, twice = self.unit, self.twice
        begin, now, end = (unit.text(error) for error in (self.today, self.estimate, twice.value))
        if now != begin:
            begin = f"about {now} ({begin} on this dev set)"
        then = f"about {end} ({unit.span(twice.low, twice.high)})"
        fall = f"by {unit.gap(self.gain.value)}{unit.of_gaps} ({unit.span(self.gain.low, self.gain.high)})"
        if end == now:
            return f"Twice the data is hardly expected to lower dev error: {begin} today, {then} then, lower {fall}"
        return f"Twice the data would lower dev error from {begin} to {then}, {fall}"

    def sentence(self) -> str:
        """Say what twice the data would bring, and how certain that is."""
        return f"{self.promise()}{self._certainty()}.{self._not_learned()}"

    def _certainty(self) -> str:
        threshold = f"the threshold of {self.unit.gap(self.material_gap)}{self.unit.of_gaps}"
        if not self.enough_sizes:
            return f"; {len(self.sizes)} sizes are too few to trust the curve, which needs {ENOUGH_SIZES}"
        if self.is_flat:
            return f"; that is below {threshold}"
        return "" if self.helps else f"; whether that is above {threshold} is inconclusive"

    def _not_learned(self) -> str:
        if not self.not_learned:
            return ""
        sizes = join([f"{n:,}" for n in self.not_learned])
        return (
            f" Left out are networks on {sizes} examples that did not learn them: their train error is above the dev "
            f"error with {self.sizes[-1]:,}."
        )


def subset_sizes(n_train: int, n_classes: int, count: int = SIZES) -> list[int]:
    """At most ``count`` sizes in equal ratios, from a sixteenth of the training set (but some of each class) to all."""
    least = max(FEWEST, FEWEST_PER_CLASS * n_classes, math.ceil(SMALLEST_SHARE * n_train))
    steps = math.floor(math.log(n_train / least) / math.log(LEAST_STEP)) if n_train > least else 0
    return [round(n_train * (n_train / least) ** (-step / max(min(count - 1, steps), 1)))
            for step in range(min(count - 1, steps), -1, -1)]  # fmt: skip


def can_fit(n_train: int, n_classes: int) -> bool:
    """Whether so few examples can be cut to enough sizes for a curve that may be trusted."""
    return len(subset_sizes(n_train, n_classes)) >= ENOUGH_SIZES


def fit_learning_curve(points: Sequence[LearningPoint], material_gap: float = 0.02) -> LearningCurve:
    """Fit f(n) = a + b·n^−c with a, b ≥ 0 and c ~ N(0.5, 0.35) on 0.05-1.5, on a grid.

    The grid runs over g = f(largest size), over what can be the expected train error t there, over where between the
    two the limit a lies, and over c (see :class:`_Posterior`). The likelihood is normal, with the sizes' errors and
    their covariance as :func:`size_errors` has them from the dev set and, where they are known, from left-out training
    rows. Predicted is the mean over trainings, not the luck of a single one; the interval has room for the luck of the
    one training set that they will come from (:func:`shared_luck`), which no number of trainings averages away, and
    holds what the fit without the train error says, too: early stopping and dropout bend what the train error tells.

    The train error rises with the examples and stays below what the dev error falls to. So a smaller size whose
    networks have more of their own examples wrong than the largest size's have dev examples did not learn, and is left
    out.

    Of numbers f is the mean squared error, whose variance is not p(1 − p) (see :class:`RowVariance`); the curve has
    RMSEs, in the unit of the points.
    """
    given = sorted(points, key=lambda point: point.n_train)
    if not given or given[-1].wrong.size == 0:
        raise ArgumentError("a learning curve needs at least one size with a dev set, got none")
    unit = given[-1].unit
    learned = [point for point in given if point is given[-1] or not _failed_to_learn(point, given[-1])]
    rows = BITS if unit.is_share and unit.loss is None else RowVariance.of_squares(given[-1].wrong.mean(axis=0))
    sizes = np.array([point.n_train for point in learned], dtype=np.float64)
    fits = [
        _Posterior(
            sizes,
            *size_errors(learned, rows),
            train_error,
            shared_luck(learned, rows),
            learned[-1].independent_share if unit.is_share and unit.loss is None else 1.0,
            rows,
            unit,
        )
        for train_error in dict.fromkeys((learned[-1].train_error, None))
    ]
    ahead = np.unique(np.round(np.geomspace(sizes[0], FURTHEST * sizes[-1], STEPS)).astype(int))
    return LearningCurve(
        sizes=tuple(int(n) for n in sizes),
        errors=tuple(point.dev_error for point in learned),
        seeds=min(len(point.wrong) for point in learned),
        predictions=tuple(_all_fits([fit.predict(int(n)) for fit in fits]) for n in ahead),
        now=_all_fits([fit.predict(int(sizes[-1])) for fit in fits]),
        gain=_all_fits([fit.gain() for fit in fits]),
        material_gap=material_gap,
        left_out=left_out_rows(learned),
        not_learned=tuple(point.n_train for point in given if point.n_train not in sizes),
        unit=unit,
    )


def _failed_to_learn(point: LearningPoint, largest: LearningPoint) -> bool:
    """Whether the train error of a size is clearly above the dev error of the largest."""
    if point.train_error is None:
        return False
    if (unit := largest.unit).loss is not None:
        return point.train_error > float(largest.each.mean()) + unit.material_gap
    if not unit.is_share:
        squares = largest.wrong.mean(axis=0)
        spread = Spread.of(squares)
        of_train = ErrorEstimate.of_squares(point.train_error * point.n_train, point.n_train, unit, spread)
        of_dev = ErrorEstimate.of_squares(float(squares.sum(dtype=np.float64)), len(squares), unit, spread)
        return difference_interval(of_train, of_dev)[0] > 0
    share, error = largest.independent_share, float(largest.each.mean())
    train = ErrorEstimate(value=point.train_error, n=point.n_train, n_effective=share * point.n_train)
    n_dev = largest.wrong.shape[1]
    return difference_interval(train, ErrorEstimate(value=error, n=n_dev, n_effective=share * n_dev))[0] > 0


Estimate = TypeVar("Estimate", Prediction, Effect)


def _all_fits(estimates: Sequence[Estimate]) -> Estimate:
    """What the first fit expects, with an interval that holds the others' as well."""
    low, high = min(one.low for one in estimates), max(one.high for one in estimates)
    return replace(estimates[0], low=low, high=high)


class _Posterior:
    """Weights of every (g, t, s, c) of the grid; f(n) = a + (g − a)(n/n_max)^−c with a = t + s·(g − t).

    With the hyperparameters as they are, more examples raise the expected train error t and lower the dev error, both
    toward the limit a. So what more data can bring is a part of the gap g − t, and s is flat on [0, 1]. Of t is known
    the ``train_error`` of the largest size, which n other training examples would move by √(t(1 − t)/n). Where t comes
    out above g, nothing is left to gain: a = g. Without a train error t is 0.

    Most gaps are small, and a dev set that happens to be hard makes its own look large. With τ the standard error of
    the measured gap, τ/(τ + gap) is flat on [0, 1], the uniform shrinkage prior: what chance can make is pulled in, a
    gap of many τ is left alone.
    """

    def __init__(
        self,
        sizes: Floats,
        errors: Floats,
        covariance: Floats,
        train_error: float | None,
        luck: float,
        share: float = 1.0,
        rows: RowVariance = BITS,
        unit: Unit = SHARE,
    ) -> None:
        self.largest = sizes[-1]
        self.luck, self.rows, self.unit = luck, rows, unit
        sd = math.sqrt(covariance[-1, -1])
        low, high = max(errors[-1] - G_SPAN * sd, 0.0), min(errors[-1] + G_SPAN * sd, rows.most)
        trains, train_sd = _expected_train_errors(train_error, round(share * self.largest), rows)
        self.g, t, of_gap, self.c = (
            grid.ravel()
            for grid in np.meshgrid(
                np.linspace(low, high, G_GRID),
                trains,
                _middles(SHARE_GRID),
                np.linspace(*EXPONENT_RANGE, EXPONENT_GRID),
                indexing="ij",
            )
        )
        gap = np.maximum(self.g - t, 0.0)
        self.a = self.g - (1 - of_gap) * gap
        misfit = np.array([self.at(n) for n in sizes]) - errors[:, None]
        log = -0.5 * (misfit * np.linalg.solve(covariance, misfit)).sum(axis=0)
        log -= 0.5 * ((self.c - EXPONENT_MEAN) / EXPONENT_SD) ** 2
        if train_error is not None:
            log -= 2 * np.log(gap + math.hypot(sd, train_sd))
        weights = np.exp(log - log.max())
        kept = weights > NOTHING
        self.g, self.a, self.c = self.g[kept], self.a[kept], self.c[kept]
        self.weights = weights[kept] / weights[kept].sum()

    def at(self, n: float) -> Floats:
        """f(n) at every point of the grid."""
        f: Floats = np.minimum(self.a + (self.g - self.a) * (n / self.largest) ** -self.c, self.rows.most)
        return f

    def predict(self, n: int) -> Prediction:
        """Mean of f(n), and the 2.5% and 97.5% points of what the luck of a training set makes of it.

        Smaller ones than the largest are drawn from that, and share its luck.
        """
        f = self.at(n)
        likely = self._likely(f)
        sd = np.sqrt(self.luck * max(n / self.largest, 1.0) ** -LUCK_EXPONENT * self.rows.at(likely))
        ends = np.quantile(np.clip(_moved(likely, sd), 0.0, self.rows.most), [0.025, 0.975])
        value, low, high = self.unit.error(np.array([self.weights @ f, *ends]))
        return Prediction(n, float(value), float(low), float(high))

    def gain(self) -> Effect:
        """Mean of f(largest) − f(twice), both at the same point of the grid, and the 2.5% and 97.5% points of the fall.

        Twice the data contain today's and share their luck, so that the fall has the variance that the luck loses.
        """
        now, then = self.at(self.largest), self.at(FURTHEST * self.largest)
        expected = self.unit.error(now) - self.unit.error(then)
        today = float(self.weights @ now)
        sd = math.sqrt(self.luck * (1 - FURTHEST**-LUCK_EXPONENT) * self.rows.at(today))
        if not self.unit.is_share:  # by the slope of the error, scale·√mean or scale·mean
            sd *= self.unit.error(today) * (1.0 if self.unit.is_absolute else 0.5) / max(today, TINY)
        low, high = np.quantile(_moved(self._likely(expected), sd), [0.025, 0.975])
        return Effect(float(self.weights @ expected), float(low), float(high))

    def _likely(self, values: Floats) -> Floats:
        """Equally likely ones of the values at the points of the grid."""
        order = np.argsort(values)
        likely: Floats = np.interp(_middles(LIKELY), np.cumsum(self.weights[order]), values[order])
        return likely


def _moved(likely: Floats, sd: Floats | float) -> Floats:
    """Equally likely values, each moved by normal chance."""
    moved: Floats = likely + np.outer(_normal_points(LUCK_GRID), sd * np.ones(len(likely)))
    return moved


def _expected_train_errors(train_error: float | None, n: int, rows: RowVariance) -> tuple[Floats, float]:
    """Equally likely values of the train error that n examples are expected to have, and its standard error."""
    if train_error is None:
        return np.zeros(1), 0.0
    sd = math.sqrt(rows.measured(train_error, n) / n)
    return np.maximum(train_error + sd * _normal_points(TRAIN_GRID), 0.0), sd


def _normal_points(count: int) -> Floats:
    """Equally likely points of a standard normal."""
    return np.array([NormalDist().inv_cdf(place) for place in _middles(count)])


def _middles(count: int) -> Floats:
    """Of so many equal parts of [0, 1]."""
    middles: Floats = (np.arange(count) + 0.5) / count
    return middles
