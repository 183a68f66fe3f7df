"""Ranks, compared with SciPy's."""

import numpy as np
from scipy.stats import rankdata

from tuner.analysis.ranks import average_ranks


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    """By hand, and as SciPy ranks a hundred values of which many are equal."""
    assert average_ranks(np.array([0.5, 0.1, 0.5, np.inf])).tolist() == [2.5, 1, 2.5, 4]
    values = np.random.default_rng(0).integers(0, 30, 100).astype(np.float32)
    assert average_ranks(values).tolist() == rankdata(values).tolist()
