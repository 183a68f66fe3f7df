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
    true errors of the trials that are statistically tied with the best; None with one. ``seed``: of the dev errors of
    one trial trained with other seeds on the same split; ``split``: what another split adds to that, with the other dev
    rows that it brings; both None unless the best trials were trained again.
    """

    rows: float
    training: float | None
    choice: float | None
    seed: float | None = None
    split: float | None = None


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


def spread_by_seed(errors: ArrayLike, again: ArrayLike) -> float | None:
    """Return the standard deviation of a dev error over the seeds, from k trials trained twice on one split.

    ``errors``: (k,) by which the trials were chosen; ``again``: (k,) with other seeds. By how much these are higher on
    average is what the choice owes to its seeds, which is no part of the spread. None for one trial.
    """
    differences = np.asarray(again, dtype=np.float64) - np.asarray(errors, dtype=np.float64)
    return float(differences.std(ddof=1)) / math.sqrt(2) if len(differences) > 1 else None


def spread_by_split(again: ArrayLike, elsewhere: ArrayLike, seed: float) -> float:
    """Return what another split adds to the standard deviation of a dev error, whose seed alone has ``seed``.

    ``again``, ``elsewhere``: (k,) errors of k trials, chosen by neither, on one split and on another.
    """
    differences = np.asarray(elsewhere, dtype=np.float64) - np.asarray(again, dtype=np.float64)
    return math.sqrt(max(float(np.square(differences).mean()) / 2 - seed**2, 0.0))
