"""The size of the weights against the penalties that are searched."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tuner.formatting import count
from tuner.nn import LayerReport
from tuner.reporting.axes import HyperparameterAxis, hyperparameter_axes
from tuner.reporting.figures.figure import Figure
from tuner.reporting.layers import best_layers
from tuner.reporting.svg import Plot

if TYPE_CHECKING:
    from tuner.reporting.report import Report

PENALTIES = ("lambda", "l1")
FEWEST = 3  # trials


def weights(report: Report) -> Figure | None:
    """Draw the norm of each trial's weights along λ and λ₁."""
    norms = {trial.number: _norm(best_layers(trial)) for trial in report.findings.judged}
    known = [(trial.params, norms[trial.number]) for trial in report.findings.judged if norms[trial.number] > 0]
    axes = [axis for axis in hyperparameter_axes(report.definition) if axis.name in PENALTIES]
    if len(known) < FEWEST or not axes:
        return None
    return Figure(
        title="Norm of the weights along the penalty",
        sentence=(
            "One dot per trial: the Frobenius norm of all its weights at the best epoch, on average over its networks. "
            "Where the norm does not fall, the penalty is too small to matter."
        ),
        svg=f'<div class="small">{"".join(_panel(axis, known) for axis in axes)}</div>',
        wide=True,
    )


def _norm(layers: list[LayerReport]) -> float:
    """Return the norm of the weights of all layers; 0 if it was not recorded."""
    norm = math.hypot(*(layer.weight_norm for layer in layers))
    return norm if math.isfinite(norm) else 0.0


def _panel(axis: HyperparameterAxis, known: list[tuple[dict[str, Any], float]]) -> str:
    plot = Plot(width=310, height=220, margins=(34, 12, 40, 42))
    at = [(place, norm) for params, norm in known if (place := axis.position(params.get(axis.name))) is not None]
    x, y = plot.x_scale(0, 1), plot.y_scale(0, 1.05 * max(norm for _, norm in known))
    plot.y_axis(y, "norm of the weights", lambda of: f"{of:g}", y.ticks(4))
    plot.below(*axis.ticks_on(x))
    plot.text((plot.left + plot.right) / 2, plot.height - 6, axis.name, "axis", "middle")
    plot.dots(x([place for place, _ in at]), y([norm for _, norm in at]), "complete")
    return plot.svg(f"weights-{axis.name}", f"Norm of the weights of {count(len(at), 'trial')} along {axis.name}")
