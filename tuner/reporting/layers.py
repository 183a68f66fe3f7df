"""Vanishing and exploding gradients and dead units, as the chosen network's layers show them."""

from __future__ import annotations

import numpy as np

from tuner.reporting.wording import percent, value
from tuner.storage import NetworkRecord, TrialRecord

VANISHED = 1e-3  # of the last layer's gradient: with so little, the first layers stay what they were initialised to
MANY_DEAD = 0.5


def layers_sentence(best: TrialRecord | None) -> str:
    """Say what the gradient does on its way back and how many units are dead, on average over the trial's networks.

    Each network as it was last described; empty where none was.
    """
    described = [_last_described(network) for network in best.networks if network.layers] if best else []
    if not described:
        return ""
    epochs = sorted({int(layers[0, 0]) for layers in described})
    _, _, gradients, _, dead = np.mean(described, axis=0).T
    first, last, most_dead = gradients[0], gradients[-1], float(dead.max())
    after = f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    told = (
        f"In the best trial, after epoch {after}, the gradient's norm is {value(float(f'{first:.2g}'))} in the first "
        f"layer and {value(float(f'{last:.2g}'))} in the output layer"
    )
    if len(dead) > 1:
        told += f"; at most {percent(most_dead)} of a hidden layer's units are dead"
    return f"{told}{_trouble(first / last if last else 1.0, most_dead)}."


def _trouble(ratio: float, dead: float) -> str:
    if ratio < VANISHED:
        return ": it vanishes on its way back, so fewer layers or another initializer may learn more"
    if ratio > 1 / VANISHED:
        return ": it explodes on its way back, so a smaller alpha or another initializer may learn more"
    if dead > MANY_DEAD:
        return ", which learn no more: a smaller alpha or leaky_relu keeps them alive"
    return ""


def _last_described(network: NetworkRecord) -> np.ndarray:
    """(layers, 5): the rows of the last epoch that was described."""
    rows = np.array(network.layers, dtype=float)
    return np.asarray(rows[rows[:, 0] == rows[-1, 0]])
