"""Vanishing gradients, exploding gradients and dead units in the best trial."""

from __future__ import annotations

import numpy as np

from tuner.formatting import percent, value
from tuner.storage import NetworkRecord, TrialRecord

VANISHED = 1e-3  # of the last layer's gradient: with less, the first layers hardly change
MANY_DEAD = 0.5


def layers_sentence(best: TrialRecord | None) -> str:
    """Say which of these problems the best trial's networks have, on average, at the last recorded epoch.

    Empty if there is none, or if no layer was recorded.
    """
    described = [_last_described(network) for network in best.networks if network.layers] if best else []
    if not described:
        return ""
    _, _, gradients, _, dead = np.mean(described, axis=0).T
    ratio, most_dead = gradients[0] / (gradients[-1] or 1.0), float(dead.max())
    if VANISHED <= ratio <= 1 / VANISHED and most_dead <= MANY_DEAD:
        return ""
    if most_dead > MANY_DEAD:
        layer = int(dead.argmax()) + 1
        return (
            f"In the best trial {percent(most_dead)} of the units of layer {layer} are dead (they always output "
            "0): try a smaller alpha or leaky_relu."
        )
    problem = "vanishes" if ratio < VANISHED else "explodes"
    return (
        f"In the best trial the gradient {problem} in backpropagation (norm {value(float(f'{gradients[0]:.2g}'))} in "
        f"the first layer, {value(float(f'{gradients[-1]:.2g}'))} in the last): try fewer layers or another "
        "initializer."
    )


def _last_described(network: NetworkRecord) -> np.ndarray:
    """Return the rows of the last recorded epoch, (layers, 5)."""
    rows = np.array(network.layers, dtype=float)
    return np.asarray(rows[rows[:, 0] == rows[-1, 0]])
