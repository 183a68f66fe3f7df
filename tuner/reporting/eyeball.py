"""The dev rows that are looked at (``[data] eyeball``), and the others, a black box by which looking is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import ErrorEstimate, difference_interval, error_of_rows
from tuner.formatting import share as share_text
from tuner.storage import StudyRecord
from tuner.units import SHARE, Unit

STREAM = 9  # of the seed of the split: the rows are others than those of any set


def eyeball_rows(record: StudyRecord, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which dev rows (n_dev,) are looked at: a random share of them, or of their groups."""
    n = len(record.dev_y)
    units = np.arange(n) if record.dev_groups is None else np.unique(record.dev_groups, return_inverse=True)[1]
    n_units = int(units.max()) + 1
    chosen = np.random.default_rng([seed, STREAM]).permutation(n_units) < max(1, round(share * n_units))
    return np.asarray(chosen[units])


@dataclass(frozen=True)
class Eyeball:
    """A trial's error on the rows that are looked at, and on the others."""

    share: float
    seen: ErrorEstimate
    black_box: ErrorEstimate
    unit: Unit

    @property
    def difference(self) -> tuple[float, float, float]:
        """Return by how much the error is lower where rows are looked at, and its 95% interval."""
        low, high = difference_interval(self.black_box, self.seen)
        return self.black_box.value - self.seen.value, low, high

    @property
    def sentence(self) -> str:
        """Say both errors, and whether looking shows in them."""
        unit, (value, low, high) = self.unit, self.difference
        text = (
            f"{share_text(self.share)} of the dev rows are shown (eyeball), error {unit.text(self.seen.value)}; "
            f"on the others, which nobody looks at, it is {unit.text(self.black_box.value)}: a difference of "
            f"{unit.gap(value)}{unit.of_gaps} (95%: {unit.span(low, high)})."
        )
        if low > 0:
            return f"{text} The rows that are looked at have served too often: collect new dev rows."
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        value, low, high = self.difference
        errors = {"seen": self.seen, "black_box": self.black_box}
        named = {key: {"value": e.value, "low": e.low, "high": e.high, "n": e.n} for key, e in errors.items()}
        return {"share": self.share, **named, "difference": {"value": value, "low": low, "high": high}}


def find_eyeball(record: StudyRecord, losses: NDArray[np.floating], rows: NDArray[np.bool_]) -> Eyeball | None:
    """Compare the losses (n_dev,) of rows that are looked at with the others'; None if all or none are."""
    if rows.all() or not rows.any():
        return None
    unit = SHARE if record.unit.is_share else record.unit
    weights, groups = record.dev_weights, record.dev_groups
    seen, other = (
        error_of_rows(
            losses[which],
            unit,
            None if weights is None else weights[which],
            None if groups is None else groups[which],
        )
        for which in (rows, ~rows)
    )
    return Eyeball(float(rows.mean()), seen, other, unit)
