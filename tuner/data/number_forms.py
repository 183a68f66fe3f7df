"""Forms of a number as inputs, other than itself normalized: ``[data] numeric``.

Each is fitted on the training rows, after missing cells were filled, and bounded, so that a number far outside of what
was seen counts no more than the largest one that was.  Knots t₀ < … < t_K cut the numbers into bins, and a number x has
the shares h_k(x) = clip((x − t_k) / (t_{k+1} − t_k), 0, 1) of them.

- robust: z / √(1 + (z/3)²) with z = (x − median) / (q₇₅ − q₂₅), within ±3 (RealMLP: Holzmüller et al. 2024);
- quantile: the normal quantile of the share of rows below x, linear between knots;
- piecewise_linear: every h_k, an input for each bin of about as many rows (Gorishniy et al. 2022);
- target_bins: the same with the bins of a small decision tree, which cuts where the target changes (the same);
- periodic: the same as quantile, of which the network itself learns periodic inputs (the same);
- auto: quantile for a skewed number; otherwise it is normalized.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tuner.formatting import count

Doubles = NDArray[np.float64]
NumberForm = Literal["robust", "quantile", "piecewise_linear", "periodic"]
STANDARDIZE: Literal["standardize"] = "standardize"
TARGET_BINS: Literal["target_bins"] = "target_bins"
PERIODIC: Literal["periodic"] = "periodic"
AUTO: Literal["auto"] = "auto"
ChosenForm = Literal[NumberForm, "target_bins", "auto"]
NumericForm = Literal["standardize", ChosenForm]
"""What a definition may say: one of these, or itself normalized."""
FORMS: tuple[NumericForm, ...] = get_args(NumericForm)

ROBUST_LIMIT = 3.0
HUGE = 1e100
"""A z that is ±3 as a robust input, to the last digit, like all that are farther away."""
BINS = 16
ROWS_OF_A_BIN = 10
LEAVES_AT_MOST = 200  # of a tree, if they have equally many rows
LEAST_GAIN = 1e-7  # of a cut in Gini impurity or in squared standard deviations: less is rounding
ROWS_OF_A_TREE = 100_000
"""Evenly among the training rows; of more a tree takes seconds per column, and its cuts hardly move."""
KNOTS = 100
"""Of quantile, at most."""
FARTHEST = 3.0
"""Standard deviations from the middle at which quantile puts the smallest and the largest number."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the training rows (n,) are to predict: indices of ``class_names``, or without these numbers.

    ``units``: each row's number in the file, or that of its group.  ``weights``: None if all are alike.
    """

    y: NDArray[Any]
    units: NDArray[np.int64]
    class_names: tuple[str, ...] = ()
    weights: Doubles | None = None


@dataclass(frozen=True, slots=True)
class FittedForm:
    """A form, with what it learned of the training rows: knots (K + 1,), and the quantile at each of them."""

    name: NumberForm
    knots: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = ()
    values: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = ()

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in zip(self.knots, self.knots[1:], strict=False))
        if not rising or (len(self.knots) < 2) != (self.name == "robust"):
            raise ValueError(f"knots of {self.name}: expected rising numbers, two or more, got {len(self.knots)}")
        if len(self.values) != (len(self.knots) if self.is_quantile else 0):
            raise ValueError(f"values of {self.name}: expected one for each knot of quantile, got {len(self.values)}")

    @property
    def is_quantile(self) -> bool:
        """Whether its input is a normal quantile."""
        return self.name in ("quantile", PERIODIC)

    @property
    def n_inputs(self) -> int:
        """How many inputs it makes of a number."""
        return len(self.knots) - 1 if self.name == "piecewise_linear" else 1

    @property
    def shown(self) -> str:
        """What `tuner data` says of it."""
        if self.name == PERIODIC:
            return "periodic inputs of quantile"
        bins = f", {count(self.n_inputs, 'bin')}" if self.name == "piecewise_linear" else ""
        return self.name.replace("_", " ") + bins

    def of(self, z: Doubles) -> Doubles:
        """Return the inputs (n, n_inputs) of numbers (n,); for robust they are normalized already."""
        if self.name == "robust":
            z = np.clip(z, -HUGE, HUGE)  # infinite where the spread is below 1e-308
            return np.asarray(z / np.hypot(1, z / ROBUST_LIMIT))[:, None]
        if self.is_quantile:
            made = np.interp(z, self.knots, self.values)  # infinite between knots less than 1e-308 apart
            return np.clip(made, self.values[0], self.values[-1])[:, None]
        knots = np.array(self.knots)
        with np.errstate(over="ignore"):  # the same: their bin is a step
            return np.asarray(np.clip((z[:, None] - knots[:-1]) / np.diff(knots), 0, 1))


def fit_form(name: NumberForm, x: Doubles) -> tuple[FittedForm, float, float]:
    """Fit a form on numbers (n,) that are not all equal; returns it with the μ and σ to normalize by before."""
    if name == "robust":
        low, middle, high = np.quantile(x, (0.25, 0.5, 0.75)).tolist()
        spread = high - low or (float(x.max()) - float(x.min())) / 2  # RealMLP's, where half of the rows are alike
        return FittedForm(name), middle, spread
    if name == "piecewise_linear":
        bins = int(np.clip(len(x) // ROWS_OF_A_BIN, 1, BINS))
        return FittedForm(name, _knots(x, bins)), 0.0, 1.0
    knots = _knots(x, min(KNOTS, len(x)) - 1)
    ordered = np.sort(x)
    below, upto = (np.searchsorted(ordered, knots, side=side) / len(x) for side in ("left", "right"))
    normal = NormalDist()
    ends = normal.cdf(-FARTHEST), normal.cdf(FARTHEST)
    middle_ranks = np.clip((below + upto) / 2, *ends)
    return FittedForm(name, knots, tuple(normal.inv_cdf(rank) for rank in middle_ranks.tolist())), 0.0, 1.0


def _knots(x: Doubles, bins: int) -> tuple[float, ...]:
    """Return the ends of bins of about as many numbers; fewer, where a number is frequent."""
    return tuple(np.unique(np.quantile(x, np.linspace(0, 1, bins + 1))).tolist())


def fit_target_bins(x: Doubles, target: Target) -> FittedForm:
    """Fit a piecewise linear form on numbers (n,) that are not all equal, with one bin if the target has no use for it.

    The tree is given ranks, as it computes in float32, in which numbers that differ may be equal.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    some = np.linspace(0, len(x) - 1, min(len(x), ROWS_OF_A_TREE)).astype(np.int64)
    levels, ranks = np.unique(x[some], return_inverse=True)
    kind = DecisionTreeRegressor if target.y.dtype.kind == "f" else DecisionTreeClassifier
    least_rows = max(ROWS_OF_A_BIN, len(some) // LEAVES_AT_MOST)
    tree = kind(max_leaf_nodes=BINS, min_samples_leaf=least_rows, min_impurity_decrease=LEAST_GAIN, random_state=0)
    weights = None if target.weights is None else target.weights[some]
    cuts = tree.fit(ranks[:, None], target.y[some], sample_weight=weights).tree_
    below = np.floor(np.sort(cuts.threshold[cuts.feature >= 0])).astype(np.int64)
    between = levels[below] / 2 + levels[below + 1] / 2
    return FittedForm("piecewise_linear", tuple(np.unique([x.min(), *between, x.max()]).tolist()))
