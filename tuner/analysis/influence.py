"""Which hyperparameters certainly change the result, by trials that a sampler did not draw for their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.hyperparameters import Floats, SearchedHyperparameter

CHANCE = 0.05  # that any of several hyperparameters without effect is found
LEAST_FREEDOM = 3  # degrees of freedom that a test needs


def influential(
    hyperparameters: Sequence[SearchedHyperparameter],
    params: Sequence[Mapping[str, Any]],
    values: NDArray[np.floating],
) -> frozenset[str]:
    """Return the names of the hyperparameters on which the value certainly depends.

    ``params`` (without those that are idle) and ``values``: of the exploring trials alone. A sampler's trials crowd
    together where it was lucky, so that even a hyperparameter without effect has its good ones in one place.

    The ranks of the values are regressed on each hyperparameter, a parabola of its position or a mean for each choice.
    The one with the least p of its F test is kept if p is at most 5% / hyperparameters, and the next are tested beside
    it, since few points of an even sequence are correlated (forward selection).
    """
    import pandas as pd
    from scipy.special import fdtrc

    ranks: Floats = np.asarray(pd.Series(values).rank(), dtype=np.float64)  # scipy.stats is imported more slowly
    designs = {one.name: _columns(one, params) for one in hyperparameters}
    kept: list[str] = []
    while len(kept) < len(designs):
        rest, rank = _residual(ranks, [designs[name] for name in kept])
        p = {}
        for name in designs.keys() - set(kept):
            beside, rank_beside = _residual(ranks, [designs[other] for other in [*kept, name]])
            more, freedom = rank_beside - rank, len(ranks) - rank_beside
            if more and freedom >= LEAST_FREEDOM:
                explained = max(rest - beside, 0.0)
                p[name] = float(fdtrc(more, freedom, explained / more / max(beside / freedom, 1e-12)))
        first = min(p, key=lambda name: (p[name], name), default=None)
        if first is None or p[first] > CHANCE / len(designs):
            break
        kept.append(first)
    return frozenset(kept)


def _residual(ranks: Floats, designs: Sequence[Floats]) -> tuple[float, int]:
    """Sum of squares that the designs and a mean leave, and their rank."""
    columns = np.hstack([np.ones((len(ranks), 1)), *designs])
    fitted, _, rank, _ = np.linalg.lstsq(columns, ranks, rcond=1e-9)
    return float(((ranks - columns @ fitted) ** 2).sum()), int(rank)


def _columns(hyperparameter: SearchedHyperparameter, params: Sequence[Mapping[str, Any]]) -> Floats:
    """(trials, columns): centered position and its square, or one column per choice; 0 where it is idle."""
    acts = np.array([hyperparameter.name in trial for trial in params], dtype=bool)
    positions = hyperparameter.to_unit([trial[hyperparameter.name] for trial in params if hyperparameter.name in trial])
    if hyperparameter.categorical:
        columns = (positions[:, None] == np.arange(len(hyperparameter.bounds))).astype(float)
    else:
        columns = np.column_stack([positions - 0.5, (positions - 0.5) ** 2])
    whole = np.zeros((len(params), columns.shape[1]))
    whole[acts] = columns
    return whole
