"""Vanishing gradients, exploding gradients, dead units, copies of units and zero weights in the best trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple
from itertools import pairwise

import numpy as np

from tuner.formatting import count, join, percent, value
from tuner.nn import Architecture, LayerReport
from tuner.storage import NetworkRecord, TrialRecord

VANISHED = 1e-3  # of the last layer's gradient: with less, the first layers hardly change
MANY_DEAD = 0.5


def best_layers(trial: TrialRecord) -> list[LayerReport]:
    """Return each layer at the networks' best epochs, on average over the networks; empty if none was recorded."""
    described = [_at_best(network) for network in trial.networks if network.layers]
    return _mean(described) if described else []


def layers_by_epoch(trial: TrialRecord) -> dict[int, list[LayerReport]]:
    """Return each layer after the epochs that all networks recorded, on average over the networks, by epoch."""
    described = [network.layers for network in trial.networks if network.layers]
    if not described:
        return {}
    epochs = set.intersection(*({layer.epoch for layer in layers} for layers in described))
    return {
        epoch: _mean([[layer for layer in layers if layer.epoch == epoch] for layers in described])
        for epoch in sorted(epochs)
    }


def _mean(networks: Sequence[Sequence[LayerReport]]) -> list[LayerReport]:
    means = np.mean([[astuple(layer) for layer in layers] for layers in networks], axis=0).tolist()
    return [LayerReport(round(epoch), round(layer), *rest) for epoch, layer, *rest in means]


def _at_best(network: NetworkRecord) -> list[LayerReport]:
    """Return the layers after the best epoch, or after the last one where it was not recorded."""
    at_best = [layer for layer in network.layers if layer.epoch == network.best_epoch]
    return at_best or [layer for layer in network.layers if layer.epoch == network.layers[-1].epoch]


def layers_sentence(best: TrialRecord | None) -> str:
    """Say which of these problems the best trial's networks have; empty if there is none."""
    layers = best_layers(best) if best else []
    if best is None or not layers:
        return ""
    if copies := next((layer for layer in layers if layer.alike == 1), None):
        return _copies(copies, best.params.get("initializer"))
    first, last, deadest = layers[0].gradient_norm, layers[-1].gradient_norm, max(layers, key=lambda layer: layer.dead)
    if deadest.dead > MANY_DEAD:
        return (
            f"In the best trial {percent(deadest.dead)} of the units of layer {deadest.layer} are dead (they always "
            "output 0): try a smaller alpha or leaky_relu."
        )
    ratio = first / (last or 1.0)
    if VANISHED <= ratio <= 1 / VANISHED:
        return ""
    return (
        f"In the best trial the gradient {'vanishes' if ratio < VANISHED else 'explodes'} in backpropagation (norm "
        f"{value(float(f'{first:.2g}'))} in the first layer, {value(float(f'{last:.2g}'))} in the last): try fewer "
        "layers or another initializer."
    )


def zeros_sentence(best: TrialRecord, shape: Architecture) -> str:
    """Say how many weights of the best trial its L1 penalty made exactly 0, in all and by layer; empty without one."""
    l1, layers = best.params.get("l1"), best_layers(best)
    if not l1 or not layers or math.isnan(layers[0].zeros):
        return ""
    sizes = [n_in * n_out for n_in, n_out in pairwise(shape.widths)]
    total = sum(layer.zeros for layer in layers)
    by_layer = [percent(layer.zeros / size) for layer, size in zip(layers, sizes, strict=True)]
    mean = "on average " if len(best.networks) > 1 else ""
    named = f" (layer by layer {join(by_layer)})" if len(by_layer) > 1 else ""
    return (
        f"The L1 penalty of the best trial (l1 {value(l1)}) makes {mean}{total:,.0f} of its "
        f"{count(sum(sizes), 'weight')} exactly 0, {percent(total / sum(sizes))}{named}."
    )


def _copies(layer: LayerReport, initializer: str | None) -> str:
    """Say why the units of a layer are copies of each other, and what parts them."""
    all_zero = "the penalty made all their weights 0: try a smaller l1 or lambda"
    why = (
        "they began alike and get the same gradient: try another initializer than zeros"
        if initializer == "zeros"
        else all_zero
        if layer.weight_norm == 0
        else "try another initializer"
    )
    return f"In the best trial all units of layer {layer.layer} have the same weights, as if it were one unit; {why}."
