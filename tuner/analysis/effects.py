"""Each hyperparameter's effect on bias and on variance: on train error and on the gap, with intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.hyperparameters import Floats, Idle, SearchedHyperparameter, columns, settle
from tuner.analysis.intervals import Z95

if TYPE_CHECKING:
    from tuner.analysis.surface import Surface

LEAST_TRIALS = 10  # fewer are too few for a fit
ENOUGH_EXPLORING = 20  # fewer show where the search looked, not the space
MOST_TRIALS = 150  # time grows with the cube of the trials
POINTS = 32  # of the space that an average runs over
CURVE_POINTS = 13
CURVE_NEIGHBOR = 1 / 12  # a curve is drawn where a trial lies within so much of the hyperparameter's range


@dataclass(frozen=True, slots=True)
class Effect:
    """A change of an error, with its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether its sign is certain: the interval excludes 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperparameterEffect:
    """Effect of a hyperparameter on bias (``train``: train error) and variance (``gap``: dev − train) over the space.

    Upper less lower quarter of its range, on the scale it was sampled on. For a hyperparameter without order (``level``
    names the choice) this choice less the mean of the others, at a level that allows for looking at every choice.
    ``*_near_best``: the same with all other hyperparameters as in the best trial.
    """

    hyperparameter: str
    level: str | None
    train: Effect
    gap: Effect
    train_near_best: Effect
    gap_near_best: Effect

    @property
    def dev_near_best(self) -> Effect:
        """The effect on dev error, train error plus gap, as if the two were measured apart: rather too wide."""
        train, gap = self.train_near_best, self.gap_near_best
        value, half = train.value + gap.value, math.hypot(train.high - train.value, gap.high - gap.value)
        return Effect(value, value - half, value + half)

    @property
    def label(self) -> str:
        """The hyperparameter, and the choice where it has no order."""
        return self.hyperparameter if self.level is None else f"{self.hyperparameter} {self.level}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperparameterCurve:
    """Mean train error and gap along a hyperparameter, averaged over the others, at ``values`` with trials near them.

    ``train``, ``gap``: (points, 3): mean, lower and upper end.
    """

    hyperparameter: str
    values: tuple[Any, ...]
    train: Floats
    gap: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperparameterEffects:
    """Every searched hyperparameter's effects and curves, and the number of trials behind them."""

    effects: tuple[HyperparameterEffect, ...]
    curves: tuple[HyperparameterCurve, ...]
    trials: int
    exploring: int

    @property
    def where_the_search_looked(self) -> bool:
        """Whether too few trials explored for this to be said of the whole space."""
        return self.exploring < ENOUGH_EXPLORING


def hyperparameter_effects(
    hyperparameters: Sequence[SearchedHyperparameter],
    params: Sequence[Mapping[str, Any]],
    train_error: Floats,
    gap: Floats,
    exploring: NDArray[np.bool_],
    best: int,
    *,
    rng: np.random.Generator,
    idle: Idle = lambda _: (),
) -> HyperparameterEffects | None:
    """Fit a surface to the train errors and one to the gaps, and read every hyperparameter's effect from them.

    One entry per complete trial that did not diverge: ``params`` by hyperparameter name, ``train_error`` and ``gap``
    (dev − train), whether it explores, and the place of the ``best``. Trials with a choice that is no longer
    offered are left out. A hyperparameter that is ``idle`` at a point says nothing there: a surface learns from the
    trials in which it acts alone, and its effect is an average over the points where it acts. None with fewer than 10
    trials or no hyperparameter that varies.
    """
    from threadpoolctl import threadpool_limits

    from tuner.analysis.surface import Surface

    known = np.array([all(one.offers(trial[one.name]) for one in hyperparameters) for trial in params], dtype=bool)
    kept = [trial for trial, stays in zip(params, known, strict=True) if stays]
    if len(kept) < LEAST_TRIALS or not known[best]:
        return None
    drawn = np.column_stack([one.to_unit([trial[one.name] for trial in kept]) for one in hyperparameters])
    positions, acts = settle(hyperparameters, drawn, idle)
    varies = np.ptp(positions, axis=0) > 0
    varied = list(itertools.compress(hyperparameters, varies))
    if not varied:
        return None
    positions, acts = positions[:, varies], acts[:, varies]
    at_best = params[best]
    random, best = exploring[known], int(known[:best].sum())
    used = _representatives(random, best, rng)
    X = columns(varied, positions[used])
    with threadpool_limits(1):  # matrices this small are not worth a second thread, and a search may be running beside
        surfaces = [Surface(X, y[known][used], random[used], rng) for y in (train_error, gap)]
        reader = _Reader(varied, positions[best], surfaces, lambda choices: idle({**at_best, **choices}), rng)
        effects = [effect for place in range(len(varied)) for effect in reader.effects(place)]
        curves = [reader.curve(place, positions[acts[:, place], place]) for place in range(len(varied))]
    return HyperparameterEffects(
        effects=tuple(effects), curves=tuple(curves), trials=len(kept), exploring=int(random.sum())
    )


def diverged_shares(
    hyperparameter: SearchedHyperparameter, values: Sequence[Any], diverged: NDArray[np.bool_]
) -> list[tuple[Any, Any, int, int]]:
    """(from, to, diverged, trials) in each quarter of a hyperparameter's range, or at each choice."""
    position = hyperparameter.to_unit(values)
    if hyperparameter.categorical:
        places = [(float(i), float(i), position == i) for i in range(len(hyperparameter.bounds))]
    else:
        quarter = np.minimum((position * 4).astype(int), 3)
        places = [(i / 4, (i + 1) / 4, quarter == i) for i in range(4)]
    return [
        (hyperparameter.from_unit(low), hyperparameter.from_unit(high), int(diverged[inside].sum()), int(inside.sum()))
        for low, high, inside in places
    ]


def _representatives(exploring: NDArray[np.bool_], best: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """At most MOST_TRIALS trials: half of them exploring where there are so many, and always the best."""
    n = len(exploring)
    if n <= MOST_TRIALS:
        return np.arange(n)
    rank = np.where(exploring, rng.random(n), 1 + rng.random(n))
    wandering = np.argsort(rank)[: min(int(exploring.sum()), MOST_TRIALS // 2)]
    rest = np.setdiff1d(np.arange(n), [*wandering, best])
    others = rng.choice(rest, size=MOST_TRIALS - len(np.union1d(wandering, [best])), replace=False)
    return np.union1d(np.union1d(wandering, [best]), others)


class _Reader:
    """Averages of the two surfaces over points that differ in one hyperparameter alone."""

    def __init__(
        self,
        hyperparameters: Sequence[SearchedHyperparameter],
        at_best: Floats,
        surfaces: Sequence[Surface],
        idle: Idle,
        rng: np.random.Generator,
    ) -> None:
        self.hyperparameters = hyperparameters
        self.surfaces = surfaces
        self.idle = idle
        # A Latin hypercube: every hyperparameter's range is met evenly, whatever the others do.
        self.u = (
            rng.random((POINTS, len(hyperparameters))).argsort(axis=0) + rng.random((POINTS, len(hyperparameters)))
        ) / POINTS
        self.space = np.column_stack([one.spread(u) for one, u in zip(hyperparameters, self.u.T, strict=True)])
        self.near_best = np.tile(at_best, (POINTS, 1))

    def effects(self, place: int) -> list[HyperparameterEffect]:
        """One effect of an ordered hyperparameter, one of each choice otherwise."""
        hyperparameter = self.hyperparameters[place]
        u = self.u[:, place]
        if not hyperparameter.categorical:
            return [
                self._effect(
                    place, None, [hyperparameter.quarter(u, upper=True)], [hyperparameter.quarter(u, upper=False)], Z95
                )
            ]
        n = len(hyperparameter.bounds)
        each = [np.full(POINTS, float(i)) for i in range(n)]
        z = NormalDist().inv_cdf(1 - 0.025 / n)
        return [
            self._effect(place, str(choice), [each[i]], each[:i] + each[i + 1 :], z)
            for i, choice in enumerate(hyperparameter.bounds)
        ]

    def _effect(
        self, place: int, level: str | None, upper: list[Floats], lower: list[Floats], z: float
    ) -> HyperparameterEffect:
        effects = []
        for points in (self.space, self.near_best):
            high, low = (self._points(points, place, ends) for ends in (upper, lower))
            for surface in self.surfaces:
                value, error = surface.contrast(high, low) if len(high) else (0.0, 0.0)
                effects.append(Effect(value, value - z * error, value + z * error))
        train, gap, train_near_best, gap_near_best = effects
        return HyperparameterEffect(
            hyperparameter=self.hyperparameters[place].name,
            level=level,
            train=train,
            gap=gap,
            train_near_best=train_near_best,
            gap_near_best=gap_near_best,
        )

    def _points(self, points: Floats, place: int, ends: list[Floats]) -> Floats:
        """Copies of the points with one hyperparameter's positions replaced, as columns; those where it acts."""
        copies = []
        for positions in ends:
            copy = points.copy()
            copy[:, place] = positions
            copies.append(copy)
        settled, acts = settle(self.hyperparameters, np.vstack(copies), self.idle)
        return columns(self.hyperparameters, settled[acts[:, place]])

    def curve(self, place: int, positions: Floats) -> HyperparameterCurve:
        """Means along one hyperparameter, at its levels or at evenly spaced positions, where trials lie."""
        hyperparameter = self.hyperparameters[place]
        count = hyperparameter.levels or CURVE_POINTS
        grid = np.arange(count) / (1 if hyperparameter.categorical else max(count - 1, 1))
        near = np.abs(grid[:, None] - positions).min(axis=1) <= CURVE_NEIGHBOR
        lines: list[list[tuple[float, float, float]]] = [[], []]
        for position in grid[near]:
            points = self._points(self.space, place, [np.full(POINTS, position)])
            for line, surface in zip(lines, self.surfaces, strict=True):
                value, error = surface.contrast(points)
                line.append((value, value - Z95 * error, value + Z95 * error))
        return HyperparameterCurve(
            hyperparameter=hyperparameter.name,
            values=tuple(hyperparameter.from_unit(float(position)) for position in grid[near]),
            train=np.array(lines[0]),
            gap=np.array(lines[1]),
        )
