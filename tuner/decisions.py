"""Which class to predict from probabilities where mistakes differ in cost: the one of the lowest expected cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def least_cost(probabilities: Array, costs: Array) -> Array:
    """Return the class of the lowest expected cost Σₖ pₖ · costs[k, j], the first of equals.

    ``probabilities``: (..., n_classes).  ``costs``: (n_classes, n_classes), at [k, j] what it costs to predict class j
    for a row of class k.
    """
    return np.asarray((np.asarray(probabilities, dtype=np.float64) @ costs).argmin(axis=-1))
