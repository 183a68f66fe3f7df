"""Gradients and activations of the best trial, layer by layer, as training goes on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tuner.reporting.figures.figure import Figure
from tuner.reporting.layers import layers_by_epoch
from tuner.reporting.svg import Plot

if TYPE_CHECKING:
    from tuner.reporting.report import Report

NORMS = {"gradient_norm": "norm of the gradient", "activation_norm": "mean size of the activations"}
SHADES = 4  # the fifth is too faint for a line of its own


def layers(report: Report) -> Figure | None:
    """Draw both norms of every layer at the epochs that were recorded."""
    described = layers_by_epoch(report.best) if report.best else {}
    if len(described) < 2:
        return None
    epochs = list(described)
    n_layers = len(described[epochs[0]])
    drawn = []
    for norm, title in NORMS.items():
        values = np.array([[getattr(layer, norm) for layer in described[epoch]] for epoch in epochs])
        drawn.append(_panel(norm, title, epochs, values))
    return Figure(
        title="Gradients and activations by layer",
        sentence=(
            "Each layer of the best trial after some epochs, on average over its networks; both axes are logarithmic. "
            "If the gradient of the first layer is far below that of the last, it vanishes, and the first layers "
            "hardly learn. If activations grow from layer to layer, the gradient may explode."
        ),
        svg=f'<div class="small">{"".join(drawn)}</div>',
        legend=tuple((_shade(layer, n_layers), _name(layer, n_layers)) for layer in range(1, n_layers + 1)),
        wide=True,
    )


def _panel(key: str, title: str, epochs: list[int], values: np.ndarray) -> str:
    """Draw one line per layer; values are (epochs, layers), and what is 0 is drawn at the lower edge."""
    plot = Plot(width=310, height=220, margins=(34, 12, 40, 46))
    above = values[(values > 0) & np.isfinite(values)]
    low, high = (float(above.min()), float(above.max())) if len(above) else (1.0, 1.0)
    x = plot.x_scale(epochs[0], epochs[-1], "log")
    y = plot.y_scale(10 ** math.floor(math.log10(low)), 10 ** (math.floor(math.log10(high)) + 1), "log")
    plot.x_axis(x, "epoch", lambda epoch: f"{epoch:.0f}", [epoch for epoch in x.ticks() if epoch == int(epoch)])
    plot.y_axis(y, title, lambda of: f"{of:g}")
    for place, of_layer in enumerate(values.T, start=1):
        plot.line(x(epochs), y(np.nan_to_num(of_layer, posinf=high)), f"smooth {_shade(place, values.shape[1])}")
    return plot.svg(f"layers-{key}", f"{title.capitalize()} of {values.shape[1]} layers over the epochs")


def _shade(layer: int, n_layers: int) -> str:
    return f"shade{round((layer - 1) / max(n_layers - 1, 1) * (SHADES - 1))}"


def _name(layer: int, n_layers: int) -> str:
    return "output layer" if layer == n_layers else f"layer {layer}"
