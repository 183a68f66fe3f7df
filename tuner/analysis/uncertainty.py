"""Where the uncertainty of a dev error comes from: the dev rows, the training, the choice of the trial.

(Bouthillier et al. 2021, arXiv:2103.03098)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuner.analysis.comparison import in_blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertainty:
    """Standard deviations of the parts of a dev error, in its unit.

    ``rows``: of the error counted on so many dev rows. ``training``: of the true errors of networks with the same
    hyperparameters, whose seeds differ, with folds their training rows, too; None with one network. ``choice``: of the
    true errors of the trials that are statistically tied with the best; None with one.
    """

    rows: float
    training: float | None
    choice: float | None


def spread_beyond_rows(losses: ArrayLike, n_effective: float | None = None) -> float | None:
    """Return the standard deviation of the true errors of k models judged on the same rows; None with one model.

    ``losses``: (k, n). The variance of their mean losses, less what n rows (or fewer independent ones) bring into the
    difference of two models; 0 where these explain all of it.
    """
    rows = np.asarray(losses)
    k, n = rows.shape
    if k < 2 or n < 2:
        return None
    between = float(rows.mean(axis=1, dtype=np.float64).var(ddof=1))
    of_rows = np.concatenate([block.var(axis=1, ddof=1) for block in in_blocks(rows.T, np.float64)])
    by_rows = (float(of_rows.mean()) - between) / ((n_effective or n) - 1)
    return math.sqrt(max(between - by_rows, 0.0))


def spread_beyond_folds(
    errors: NDArray[Any], sizes: NDArray[Any], row_variances: NDArray[Any] | None = None
) -> float | None:
    """Return the standard deviation of the true errors of k models, each judged on rows of its own; None with one.

    ``errors``, ``sizes`` and ``row_variances``: (k,). The variance of the errors, less the mean of what rows bring: by
    the variances of the rows' losses, or binomial ones.
    """
    if len(errors) < 2 or sizes.min() < 2:
        return None
    by_rows = float((errors * (1 - errors) / (sizes - 1) if row_variances is None else row_variances / sizes).mean())
    return math.sqrt(max(float(errors.var(ddof=1)) - by_rows, 0.0))
