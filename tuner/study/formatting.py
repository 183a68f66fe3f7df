"""How a study's numbers are written."""

from __future__ import annotations

from tuner.formatting import percent, value
from tuner.metrics import METRICS


def metric_text(metric: str, of: float | None) -> str:
    """Write a trial's value: an error in percent, a mean of another loss as a number."""
    known = METRICS.get(metric)
    return percent(of) if known is not None and known.counts_wrong and known.from_labels else value(of) or "–"
