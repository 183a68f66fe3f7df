"""A model's threshold and calibration as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuner.formatting import percent, quoted, value

if TYPE_CHECKING:
    from tuner.modeling import Model
    from tuner.modeling.metadata import CalibrationMetadata, CurveMetadata, DecisionMetadata, MeasureMetadata

BAR = 24  # characters
NAMES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "balanced_error": "balanced error",
    "error": "error",
    "cost": "cost per row",
}
"""Measure of a threshold -> its name for people."""


def threshold_text(model: Model) -> str:
    """Say from which probability on the model predicts which class."""
    decision = model.metadata.decision
    assert decision is not None
    assert decision.threshold is not None
    at, calibrated = decision.threshold, "" if decision.calibration is None else " calibrated"
    name = quoted(model.metadata.class_names[at.positive])
    return f"threshold: class {name} from a{calibrated} probability of {at.value:.4g} on"


def decision_lines(model: Model, *, with_curve: bool) -> list[str]:
    """Describe threshold and calibration, and how good they are on dev rows that did not choose them."""
    decision = model.metadata.decision
    if decision is None:
        return []
    lines = [] if decision.calibration is None else _calibration_lines(decision.calibration)
    if decision.threshold is None:
        return lines
    at = decision.threshold
    rows = f"{decision.rows:,} dev rows, {at.rows:,} of that class"
    lines.append(f"{threshold_text(model)}, chosen for {at.goal} on {rows}")
    if with_curve:
        lines += _curve_lines(at.curve, at.value, at.goal.partition(">")[0])
    return [*lines, *_measure_lines(decision, at.before, at.dev)]


def _calibration_lines(of: CalibrationMetadata) -> list[str]:
    by = "isotonic regression" if of.temperature is None else f"temperature {of.temperature:.3g}"
    lines = [
        f"calibrated by {by}: on dev rows that it was not fitted on, the log loss goes from {of.before.log_loss:.4f} "
        f"to {of.dev.log_loss:.4f}, the calibration error from {percent(of.before.error)} to {percent(of.dev.error)} "
        f"(right probabilities: up to {percent(of.dev.error_by_chance_95)})"
    ]
    if of.dev.log_loss >= of.before.log_loss:
        lines.append("  the log loss is not lower: this calibration does not help")
    return lines


def _curve_lines(curve: CurveMetadata, chosen: float, goal: str) -> list[str]:
    values = getattr(curve, goal)
    most = max((of for of in values if of is not None), default=0.0)
    lines = [f"  {'threshold':>9}  predicted  precision   recall       F1  balanced error"]
    lines[0] += "" if curve.cost is None else f"  {'cost':>7}"
    columns: list[Sequence[float | None]] = [
        *(curve.predicted, curve.precision, curve.recall, curve.f1, curve.balanced_error)
    ]
    widths = (9, 9, 7, 7, 14)
    for k, threshold in enumerate(curve.thresholds):
        cells = "  ".join(f"{percent(column[k]):>{width}}" for column, width in zip(columns, widths, strict=True))
        cells += "" if curve.cost is None else f"  {value(curve.cost[k]):>7}"
        bar = "█" * round(BAR * (values[k] or 0.0) / most) if most else ""
        mark = "→" if threshold == chosen else " "
        lines.append(f"{mark} {threshold:>9.4g}  {cells}  {bar}".rstrip())
    return lines


def _measure_lines(
    decision: DecisionMetadata, before: dict[str, MeasureMetadata], dev: dict[str, MeasureMetadata]
) -> list[str]:
    head = ("on dev rows that did not choose it", "by the threshold")
    lines = [f"  {head[0]:36} {head[1]:26} without it"]
    lines += [f"  {NAMES[name]:36} {_measure(name, of):26} {_measure(name, before[name])}" for name, of in dev.items()]
    whose = "" if decision.of == "this model" else f" of {decision.of},"
    return [*lines, f"  measured{whose} without allowing for the choice of trial and epoch on the same rows"]


def _measure(name: str, of: MeasureMetadata) -> str:
    text = value if name == "cost" else percent
    return "–" if of.value is None else f"{text(of.value)} ({text(of.low)} to {text(of.high)})"
