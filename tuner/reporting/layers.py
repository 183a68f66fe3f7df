"""Vanishing and exploding gradients and dead units, as the chosen network's layers show them."""

from __future__ import annotations

import numpy as np

from tuner.formatting import percent, value
from tuner.storage import NetworkRecord, TrialRecord

VANISHED = 1e-3  # of the last layer's gradient: with so little, the first layers stay what they were initialized to
MANY_DEAD = 0.5


def layers_sentence(best: TrialRecord | None) -> str:
    """Say which of these troubles the best trial's networks have, on average, each as it was last described.

    Empty where there is none, or where no layer was described.
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
            f"In the best trial {percent(most_dead)} of the units of layer {layer} are dead and learn no more: a "
            "smaller alpha or leaky_relu keeps them alive."
        )
    told = "vanishes" if ratio < VANISHED else "explodes"
    return (
        f"In the best trial the gradient {told} on its way back (norm {value(float(f'{gradients[0]:.2g}'))} in the "
        f"first layer, {value(float(f'{gradients[-1]:.2g}'))} in the last): fewer layers or another initializer may "
        "learn more."
    )


def _last_described(network: NetworkRecord) -> np.ndarray:
    """(layers, 5): the rows of the last epoch that was described."""
    rows = np.array(network.layers, dtype=float)
    return np.asarray(rows[rows[:, 0] == rows[-1, 0]])
