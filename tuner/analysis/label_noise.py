"""The share of labels that are wrong: what confident predictions and near rows contradict, beyond what is hard.

With probabilities η of the right class, and labels of which a share ε is changed to any other of K classes, a label y
has the probability (1 − ε)·η_y + ε·(1 − η_y)/(K − 1).  η is what networks predict, together with the classes of the
nearest training rows: softmax(Σ_j w_j·log p_j), with weights w_j > 0 that the labels choose.  Where classes overlap, η
is lower and ε is not needed; a network that is confidently wrong on a whole region is contradicted by the neighbors
there.  The interval of ε is that of the profile likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.classification import Share

MOST = 0.5
"""The largest share that is looked for."""
POINTS = 17
FINE = 20
"""Shares between two neighboring points, where the likelihood is interpolated."""
HALF_CHI_SQUARE = 1.9207
"""By how much the log-likelihood may fall within the 95% interval."""
LEAST = 1e-3
"""Of the mean probability of a class: no view is surer than that."""
WEIGHTS = (-6.0, 3.0)
"""The logarithms of the least and the largest weight."""


def wrong_label_share(y: NDArray[np.integer], views: Sequence[NDArray[np.floating]], effective: float = 1.0) -> Share:
    """Estimate the share of wrong labels.

    ``y`` (n,): class indices; ``views``: probabilities (n, n_classes) of what did not learn from these rows.
    ``effective``: for how many independent rows each of the n counts.
    """
    from scipy.interpolate import CubicSpline
    from scipy.optimize import minimize

    n, n_classes = views[0].shape
    logs = np.stack([np.log(np.maximum(view, LEAST / n_classes)) for view in views])
    of_label = np.take_along_axis(logs, np.broadcast_to(y[:, None], (len(views), n, 1)), axis=2)[:, :, 0]

    def cost(log_weights: NDArray[np.float64], share: float) -> tuple[float, NDArray[np.float64]]:
        """Return minus the log-likelihood and its gradient."""
        weights = np.exp(log_weights)
        scores = np.tensordot(weights, logs, axes=1)
        scores -= scores.max(axis=1, keepdims=True)
        eta = np.exp(scores)
        eta /= eta.sum(axis=1, keepdims=True)
        right = eta[np.arange(n), y]
        slope = 1 - share - share / (n_classes - 1)
        probable = np.maximum(slope * right + share / (n_classes - 1), 1e-12)
        above_mean = of_label - (eta * logs).sum(axis=2)
        gradient = (slope * right / probable * above_mean).sum(axis=1) * weights
        return -float(np.log(probable).sum()), -gradient

    roots = np.linspace(0, 1, POINTS)
    start, heights = np.zeros(len(views)), []
    for share in MOST * roots**2:
        best = minimize(cost, start, args=(share,), jac=True, method="L-BFGS-B", bounds=[WEIGHTS] * len(views))
        start = best.x
        heights.append(-float(best.fun) * effective)
    fine = np.linspace(0, 1, (POINTS - 1) * FINE + 1)
    height = CubicSpline(roots, heights)(fine)
    inside = fine[height >= height.max() - HALF_CHI_SQUARE]
    value, low, high = (float(MOST * root**2) for root in (fine[height.argmax()], inside[0], inside[-1]))
    return Share(value, low, high, n)
