"""How a study's numbers are written."""

from __future__ import annotations

from tuner.formatting import value
from tuner.metrics import METRICS
from tuner.units import SHARE, Unit


def metric_text(metric: str, of: float | None, unit: Unit = SHARE) -> str:
    """Write a trial's value: an error in its unit, a mean of another loss as a number."""
    known = METRICS.get(metric)
    return unit.text(of) if known is not None and known.counts_wrong and known.from_labels else value(of) or "–"
