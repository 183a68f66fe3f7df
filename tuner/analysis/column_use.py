"""What a model uses: how much larger its error is when a column's cells are shuffled among the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.effects import Effect
from tuner.analysis.intervals import Z95

if TYPE_CHECKING:
    import pandas as pd

CORRELATED = 0.8
"""The least absolute rank correlation of two inputs whose columns are shuffled together, too."""
NUDGE = 1e-4


@dataclass(frozen=True)
class ShuffledColumns:
    """Columns that were shuffled together, and by how much that raised the error."""

    columns: tuple[str, ...]
    increase: Effect


@dataclass(frozen=True)
class SingleColumn:
    """A column by which small trees predict the dev rows nearly as well as the networks do by all columns.

    The errors of these trees, of the networks, and of the same prediction for every row.
    """

    column: str
    error: float
    model: float
    constant: float


@dataclass(frozen=True)
class Dependence:
    """The mean prediction (k,) of the dev rows if a column had the same value in each, for k values of it.

    ``of``: the class whose mean probability it is, or the one of several targets, which is then in its standard
    deviations from its mean (``is_number``); empty where one number is predicted.  ``positions``: the values as
    numbers, dates in seconds, categories as codes, which are not ``is_ordered``; ``labels``: as people read them.
    """

    column: str
    of: str
    is_ordered: bool
    positions: tuple[float, ...]
    labels: tuple[str, ...]
    means: tuple[float, ...]
    is_number: bool = False


@dataclass(frozen=True)
class ColumnUse:
    """The columns of the model of a ``trial``, on ``rows`` dev rows, the most important first.

    ``groups``: strongly correlated columns, shuffled together.  ``droppable``: columns whose shuffling, all together,
    certainly raises the error by less than half the threshold.  ``left_out``: columns for which there was no time.
    ``too_good``: columns that alone predict nearly as well; ``dependence``: the curves of the first columns.
    """

    trial: int
    rows: int
    columns: tuple[ShuffledColumns, ...]
    groups: tuple[ShuffledColumns, ...] = ()
    droppable: ShuffledColumns | None = None
    left_out: int = 0
    too_good: tuple[SingleColumn, ...] = ()
    dependence: tuple[Dependence, ...] = ()

    @property
    def dependence_frame(self) -> pd.DataFrame:
        """One row per value of the first columns: ``column``, ``value``, ``class`` (empty for numbers) and ``mean``."""
        import pandas as pd

        rows = [
            (curve.column, label, curve.of, mean)
            for curve in self.dependence
            for label, mean in zip(curve.labels, curve.means, strict=True)
        ]
        return pd.DataFrame(rows, columns=["column", "value", "class", "mean"])

    @property
    def frame(self) -> pd.DataFrame:
        """One row per column and per group of them: ``columns``, ``increase``, ``low`` and ``high``."""
        import pandas as pd

        rows = [
            (", ".join(each.columns), each.increase.value, each.increase.low, each.increase.high)
            for each in (*self.columns, *self.groups)
        ]
        return pd.DataFrame(rows, columns=["columns", "increase", "low", "high"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ColumnUse:
        """Return what ``to_dict`` made plain.  Raises KeyError, TypeError or ValueError for anything else."""
        columns, groups = (tuple(map(_shuffled, document[key])) for key in ("columns", "groups"))
        droppable = document["droppable"]
        return cls(
            int(document["trial"]),
            int(document["rows"]),
            columns,
            groups,
            None if droppable is None else _shuffled(droppable),
            int(document["left_out"]),
            tuple(map(_single, document["too_good"])),
            tuple(map(_dependence, document["dependence"])),
        )


def _shuffled(document: Mapping[str, Any]) -> ShuffledColumns:
    ends = {end: float(document["increase"][end]) for end in ("value", "low", "high")}
    return ShuffledColumns(tuple(map(str, document["columns"])), Effect(**ends))


def _single(document: Mapping[str, Any]) -> SingleColumn:
    return SingleColumn(str(document["column"]), *(float(document[key]) for key in ("error", "model", "constant")))


def _dependence(document: Mapping[str, Any]) -> Dependence:
    positions, labels, means = (tuple(map(kind, document[key])) for key, kind in DEPENDENCE.items())
    if not len(positions) == len(labels) == len(means) > 1 or not np.isfinite([*positions, *means]).all():
        raise ValueError(f"expected as many labels and numbers as positions, at least 2, got {len(positions)}")
    return Dependence(
        str(document["column"]),
        str(document["of"]),
        bool(document["is_ordered"]),
        positions,
        labels,
        means,
        bool(document["is_number"]),
    )


DEPENDENCE: Mapping[str, Callable[[Any], Any]] = {"positions": float, "labels": str, "means": float}


def error_increase(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    error: Callable[[float], float],
    groups: NDArray[np.integer] | None = None,
) -> Effect:
    """Return by how much an error rose, with its 95% interval over rows (or groups of rows) and shuffles.

    ``before`` (n,): losses of the rows, ``after`` (shuffles, n): those with shuffled cells; ``error``: of a mean loss.
    """
    shuffled = after.mean(axis=0)
    means = [float(before.mean()), float(shuffled.mean())]
    slopes = [(error(mean + NUDGE) - error(mean)) / NUDGE for mean in means]
    of_rows = slopes[1] * (shuffled - means[1]) - slopes[0] * (before - means[0])
    if groups is not None:
        of_rows = np.bincount(np.unique(groups, return_inverse=True)[1], weights=of_rows)
    variance = float((of_rows**2).sum()) / len(before) ** 2
    if len(after) > 1:
        variance += slopes[1] ** 2 * float(after.mean(axis=1).var(ddof=1)) / len(after)
    value, half = error(means[1]) - error(means[0]), Z95 * math.sqrt(variance)
    return Effect(value, value - half, value + half)


def correlated_columns(X: NDArray[np.floating], columns: Sequence[Sequence[int]]) -> list[list[int]]:
    """Group columns of which two inputs each have a rank correlation of at least 0.8; those alone are left out.

    ``X`` (n, n_features); ``columns``: the inputs of each column.  Returns the places of the columns, group by group.
    """
    import pandas as pd
    from scipy.sparse.csgraph import connected_components

    ranks = pd.DataFrame(X).rank().to_numpy(np.float64, copy=True)
    ranks -= ranks.mean(axis=0)
    ranks /= np.maximum(np.linalg.norm(ranks, axis=0), 1e-12)
    strong = np.abs(ranks.T @ ranks) >= CORRELATED
    owner = np.full(X.shape[1], -1)
    for place, inputs in enumerate(columns):
        owner[list(inputs)] = place
    a, b = np.nonzero(strong)
    used = (owner[a] >= 0) & (owner[b] >= 0)
    linked = np.zeros((len(columns), len(columns)), dtype=bool)
    linked[owner[a[used]], owner[b[used]]] = True
    _, labels = connected_components(linked, directed=False)
    groups = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    return [group for group in groups if len(group) > 1]
