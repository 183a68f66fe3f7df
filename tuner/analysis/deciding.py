"""From class probabilities to decisions: their calibration, and the threshold of one of two classes.

Both are chosen on dev rows.  Rows that chose cannot say how good the choice is.  So what is said of it comes from
``cross_fitted``: each fold of the dev rows is decided by what the other folds choose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.calibration import LEAST
from tuner.analysis.classification import ranking
from tuner.analysis.intervals import Z95
from tuner.arguments import unexpected
from tuner.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Method: TypeAlias = Literal["temperature", "isotonic"]
METHODS: tuple[Method, ...] = ("temperature", "isotonic")

HOTTEST = 20.0
"""Of temperatures; the coldest is its inverse, as of dev rows that are all right."""
CURVE_POINTS = 20
SAME = 1e-12  # values of a goal that differ by rounding


# --- calibration ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Temperature:
    """Divides the logarithms of the probabilities by a number: above 1 they become less extreme.  (Guo et al. 2017)"""

    value: float

    @classmethod
    def fitted(cls, p: Floats, y: Ints, weights: Floats | None = None) -> Temperature:
        """Return the temperature with the lowest log loss on rows with probabilities (n, n_classes)."""
        from scipy.optimize import minimize_scalar

        rows = np.arange(len(y))

        def log_loss(logarithm: float) -> float:
            calibrated = cls(math.exp(logarithm))(p)
            return float(np.average(-np.log(np.maximum(calibrated[rows, y], LEAST)), weights=weights))

        ends = (-math.log(HOTTEST), math.log(HOTTEST))
        return cls(math.exp(float(minimize_scalar(log_loss, bounds=ends, method="bounded").x)))

    def __call__(self, p: Floats) -> Floats:
        """Return calibrated probabilities (n, n_classes)."""
        logits = np.log(np.maximum(p, LEAST)) / self.value
        grown = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(grown / grown.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Rising functions of the probabilities, linear between knots: one of class 1 of two, or one of each of more.

    ``maps``: (inputs, outputs) of the knots, the inputs rising strictly.  Those of more than two classes are divided by
    their sum.  (Zadrozny & Elkan 2002)
    """

    maps: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]

    @classmethod
    def fitted(cls, p: Floats, y: Ints, weights: Floats | None = None) -> Isotonic:
        """Return the functions with the least squared error on rows with probabilities (n, n_classes)."""
        from sklearn.isotonic import IsotonicRegression

        maps = []
        for k in [1] if p.shape[1] == 2 else range(p.shape[1]):
            fit = IsotonicRegression(out_of_bounds="clip").fit(p[:, k], y == k, sample_weight=weights)
            maps.append((tuple(fit.X_thresholds_.tolist()), tuple(np.clip(fit.y_thresholds_, 0, 1).tolist())))
        return cls(tuple(maps))

    def __call__(self, p: Floats) -> Floats:
        """Return calibrated probabilities (n, n_classes)."""
        if len(self.maps) == 1:
            of_one = np.interp(p[:, 1], *self.maps[0])
            return np.column_stack([1 - of_one, of_one])
        each = np.column_stack([np.interp(p[:, k], *knots) for k, knots in enumerate(self.maps)])
        total = each.sum(axis=1, keepdims=True)
        return np.where(total > 0, each / np.where(total > 0, total, 1), 1 / p.shape[1])


FITTED: dict[Method, Callable[[Floats, Ints, Floats | None], Temperature | Isotonic]] = {
    "temperature": Temperature.fitted,
    "isotonic": Isotonic.fitted,
}


# --- threshold --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ThresholdGoal:
    """What a threshold is chosen for: the best value of a measure, or ``least`` of precision or recall."""

    name: str
    least: float | None = None

    @classmethod
    def parse(cls, text: Any, name: str) -> ThresholdGoal:
        """Read "f1", "balanced_error", "cost", "precision>=0.9" or "recall>=80%".  Raises ArgumentError."""
        written = text.strip() if isinstance(text, str) else ""
        if written in BEST:
            return cls(written)
        match = re.fullmatch(r"(precision|recall)\s*(?:>=|≥)\s*(\d*\.?\d+)\s*(%?)", written)
        least = float(match[2]) / (100 if match[3] else 1) if match else 0.0
        if match is None or not 0 < least < 1:
            quotes = ", in quotes: a shell takes > for itself" if written in ("precision", "recall") else ""
            choices = f"{', '.join(BEST)}, 'precision>=0.9' or 'recall>=0.8' (between 0 and 1)"
            raise unexpected(name, f"one of {choices}{quotes}", text)
        return cls(match[1], least)

    def __str__(self) -> str:
        return self.name if self.least is None else f"{self.name}>={self.least:g}"


BEST = ("f1", "balanced_error", "cost")
LOWER_IS_BETTER = ("balanced_error", "cost")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A row is of the class ``positive``, an index, if its probability is ``value`` or more, else of the other one."""

    positive: int
    value: float


@dataclass(frozen=True, slots=True)
class ThresholdCurve:
    """Of each threshold, the highest first, (k,): the share of rows at or above it, and how good it is there.

    ``costs``: mean cost per row, None without costs.  ``n``: rows; ``n_positive``: those of the positive class, both by
    their weights, relative to the mean weight.
    """

    thresholds: Floats
    predicted: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    balanced_error: Floats
    cost: Floats | None
    n: float
    n_positive: float

    @classmethod
    def of(
        cls,
        scores: Floats,
        positive: NDArray[np.bool_],
        weights: Floats | None = None,
        costs: tuple[float, float] | None = None,
    ) -> ThresholdCurve | None:
        """Measure every threshold between two scores (n,), and one above all; None unless both classes have rows.

        ``costs``: of a missed positive row and of a false alarm.
        """
        ranked = ranking(scores, positive, weights)
        if ranked is None:
            return None
        n = float(len(scores))
        share = float(np.average(positive, weights=weights))
        recall, alarms = np.append(0, ranked.hits), np.append(0, ranked.alarms)
        predicted = share * recall + (1 - share) * alarms
        upper, lower = np.append(1, ranked.thresholds), np.append(ranked.thresholds, 0)
        middle = (upper + lower) / 2
        cost = None if costs is None else share * (1 - recall) * costs[0] + (1 - share) * alarms * costs[1]
        curve = cls(
            thresholds=np.where(middle > lower, middle, upper),
            predicted=predicted,
            precision=np.append(np.nan, ranked.precision),
            recall=recall,
            f1=2 * share * recall / (share + predicted),
            balanced_error=(1 - recall + alarms) / 2,
            cost=cost,
            n=n,
            n_positive=n * share,
        )
        return curve.at(slice(1, None)) if ranked.thresholds[0] >= 1 else curve

    def at(self, places: Any) -> ThresholdCurve:
        """Return some of the thresholds."""
        arrays = {name: getattr(self, name) for name in ("thresholds", "predicted", *MEASURES)}
        chosen: dict[str, Any] = {name: None if array is None else array[places] for name, array in arrays.items()}
        return ThresholdCurve(**chosen, n=self.n, n_positive=self.n_positive)

    def reached(self, goal: ThresholdGoal) -> Floats:
        """Return how good each threshold is for a goal, (k,): higher is better.

        For a least precision or recall one more row counts as wrong, since the threshold is the last at which these
        rows reach it: recall then reaches it on average, precision nearly.
        """
        if goal.name == "recall":
            return self.recall * self.n_positive / (self.n_positive + 1)
        if goal.name == "precision":
            called = self.predicted * self.n
            return np.where(called > 0, np.nan_to_num(self.precision) * called / (called + 1), 0.0)
        values = np.asarray(getattr(self, goal.name))
        return -values if goal.name in LOWER_IS_BETTER else values

    def place(self, goal: ThresholdGoal) -> int:
        """Return the place of the threshold for a goal; where none reaches the least value, of the one next to it."""
        reached = self.reached(goal)
        if goal.least is not None and (enough := np.flatnonzero(reached >= goal.least - SAME)).size:
            return int(enough[0] if goal.name == "recall" else enough[-1])
        best = np.flatnonzero(reached >= reached.max() - SAME)
        return int(best[len(best) // 2])

    def shown(self, place: int) -> ThresholdCurve:
        """Return some 20 thresholds with about equal steps of recall, and that at ``place``."""
        steps = np.linspace(0, 1, CURVE_POINTS + 1)[1:] * self.recall[-1]
        return self.at(np.unique([*np.searchsorted(self.recall, steps - SAME), place]))


MEASURES = ("precision", "recall", "f1", "balanced_error", "cost")


# --- both -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decision:
    """What is made of class probabilities.  Without a threshold the most probable class is predicted."""

    calibration: Temperature | Isotonic | None = None
    threshold: Threshold | None = None

    def probabilities(self, p: NDArray[np.floating]) -> Floats:
        """Return calibrated probabilities (n, n_classes)."""
        exact = np.asarray(p, dtype=np.float64)
        return exact if self.calibration is None else self.calibration(exact)

    def classes(self, calibrated: NDArray[np.floating]) -> Ints:
        """Return class indices (n,) from what :meth:`probabilities` returns."""
        if self.threshold is None:
            return np.asarray(calibrated.argmax(axis=1))
        positive = self.threshold.positive
        return np.where(calibrated[:, positive] >= self.threshold.value, positive, 1 - positive)


@dataclass(frozen=True, slots=True)
class DecisionTask:
    """What is to be chosen: a ``method`` of calibration, a ``goal`` for the threshold of a class, or both.

    ``positive``: the class, an index.
    ``costs``: of a missed positive row and of a false alarm.
    """

    method: Method | None = None
    goal: ThresholdGoal | None = None
    positive: int = 1
    costs: tuple[float, float] | None = None

    def curve(self, calibrated: Floats, y: Ints, weights: Floats | None) -> ThresholdCurve | None:
        """Return the curve of calibrated probabilities (n, 2)."""
        return ThresholdCurve.of(calibrated[:, self.positive], y == self.positive, weights, self.costs)

    def choose(self, p: NDArray[np.floating], y: Ints, weights: Floats | None = None) -> Decision:
        """Fit the calibration and choose the threshold on rows with probabilities (n, n_classes).

        ``weights``: (n,) of the rows; None: alike.
        """
        exact = np.asarray(p, dtype=np.float64)
        decision = Decision(None if self.method is None else FITTED[self.method](exact, y, weights))
        if self.goal is None:
            return decision
        curve = self.curve(decision.probabilities(exact), y, weights)
        value = 0.5 if curve is None else float(curve.thresholds[curve.place(self.goal)])
        return Decision(decision.calibration, Threshold(self.positive, value))


def cross_fitted(
    task: DecisionTask, p: NDArray[np.floating], y: Ints, folds: Ints, weights: Floats | None = None
) -> tuple[Ints, Floats]:
    """Return classes (n,) and calibrated probabilities (n, n_classes), each fold's as the other folds choose.

    ``folds``: (n,) the fold of each row.  Raises DataError for a single fold.
    """
    every: Sequence[int] = np.unique(folds).tolist()
    if len(every) < 2:
        raise DataError("the dev rows are one group: nothing is left to choose a threshold or calibration on")
    classes, calibrated = np.empty(len(y), dtype=np.int64), np.empty(p.shape)
    for fold in every:
        held = folds == fold
        decision = task.choose(p[~held], y[~held], None if weights is None else weights[~held])
        calibrated[held] = decision.probabilities(p[held])
        classes[held] = decision.classes(calibrated[held])
    return classes, calibrated


@dataclass(frozen=True, slots=True)
class ThresholdGain:
    """What a threshold for the balanced error would do to the class ``name``, on dev rows that did not choose it.

    ``low``, ``high``: the 95% interval of what it takes off the balanced error.  ``before`` and ``after``: balanced
    error; ``error_before`` and ``error_after``: error.
    """

    name: str
    before: float
    after: float
    low: float
    high: float
    error_before: float
    error_after: float


def threshold_gain(
    p: NDArray[np.floating],
    y: Ints,
    folds: Ints,
    names: Sequence[str],
    *,
    weights: Floats | None = None,
    groups: Ints | None = None,
) -> ThresholdGain | None:
    """Measure what a threshold would bring to rows with probabilities (n, 2); None unless both classes have rows.

    ``weights``: (n,) of the rows, multiples of their mean; ``groups``: (n,), whose rows are dependent.
    """
    sizes = np.bincount(y, weights, minlength=2)
    if not sizes.all() or len(np.unique(folds)) < 2:
        return None
    positive = 0 if sizes[0] < sizes[1] else 1
    classes, _ = cross_fitted(
        DecisionTask(goal=ThresholdGoal("balanced_error"), positive=positive), p, y, folds, weights
    )
    own = np.ones(len(y)) if weights is None else weights
    wrong = np.stack([p.argmax(axis=1) != y, classes != y]) * own
    before, after = wrong / (2 * sizes[y])  # shares of the balanced error
    fewer = before - after
    apart = fewer - np.where(y == 1, fewer[y == 1].mean(), fewer[y == 0].mean())
    sums = apart if groups is None else np.bincount(np.unique(groups, return_inverse=True)[1], apart)
    gain, noise = float(fewer.sum()), Z95 * math.sqrt(float((sums**2).sum()))
    errors = wrong.sum(axis=1) / own.sum()
    return ThresholdGain(
        names[positive], float(before.sum()), float(after.sum()), gain - noise, gain + noise, *errors.tolist()
    )
