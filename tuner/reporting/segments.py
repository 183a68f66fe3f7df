"""Errors by segment: slices of the data on which the error is higher than elsewhere, and those that a person names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import ErrorEstimate, Gap, Segment, error_of_rows, find_segments, gap_between
from tuner.data import Dataset
from tuner.data.slicing import Slice, slices_of
from tuner.formatting import count, percent, share
from tuner.outcomes import Level
from tuner.storage import StudyRecord, TrialRecord
from tuner.units import SHARE, Unit

if TYPE_CHECKING:
    import pandas as pd

SEED = 0  # of the permutations: a report is the same each time
FEWEST = 20  # rows of a named segment whose variance is judged


@dataclass(frozen=True)
class SegmentErrors:
    """Train and dev error of a trial on the rows of a segment, by the weights of rows and classes, if they have any.

    ``is_higher``: whether its dev error is higher than elsewhere, and not by chance; else a person named its column.
    ``columns``: those it is of.  ``train`` and ``variance`` are None where it is not known which training rows are
    wrong. ``n_train``: training rows of a network, on the mean.  ``of_rows``: the share of the dev rows (by weight)
    that lies in it, ``of_error``: that of the sum of all dev errors
    (squared ones, of numbers).  ``gain``: by how much the dev error were lower if it were in the
    segment as elsewhere; its interval holds for all slices at once.
    """

    label: str
    columns: tuple[str, ...]
    is_higher: bool
    n_train: int
    train: ErrorEstimate | None
    dev: ErrorEstimate
    elsewhere: float
    variance: Gap | None
    of_rows: float
    of_error: float
    gain: tuple[float, float, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "segment": self.label,
            "columns": list(self.columns),
            "is_higher": self.is_higher,
            "train_rows": self.n_train,
            "dev_rows": self.dev.n,
            "train_error": None if self.train is None else _ends(self.train),
            "dev_error": _ends(self.dev),
            "error_elsewhere": self.elsewhere,
            "variance": None if self.variance is None else self.variance.to_dict(),
            "share_of_rows": self.of_rows,
            "share_of_error": self.of_error,
            "gain": dict(zip(("value", "low", "high"), self.gain, strict=True)),
        }


def _ends(estimate: ErrorEstimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


@dataclass(frozen=True)
class Segments:
    """The segments whose error is higher than elsewhere, the largest gain first, and those of the named columns.

    ``compared``: how many slices of single columns there were.  ``is_of_wrong``: whether errors are shares of wrong
    rows in a study whose errors are not.
    """

    higher: list[SegmentErrors]
    named: list[SegmentErrors]
    compared: int
    unit: Unit
    material_gap: float
    is_of_wrong: bool = False

    @property
    def error(self) -> str:
        """What the errors are."""
        return "share of wrong rows" if self.is_of_wrong else "error"

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings of the table."""
        return COLUMNS

    @property
    def sentence(self) -> str:
        """Say which segments stand out; empty for rows of pixels, which are not sliced."""
        if not self.compared:
            return ""
        if not self.higher:
            return f"No segment stands out among {count(self.compared, 'slice')} of the columns and their pairs."
        first, wrong = self.higher[0], self.is_of_wrong
        others = f", and {count(len(self.higher) - 1, 'other segment')}" if len(self.higher) > 1 else ""
        return (
            f"The {self.error} is higher than elsewhere where {first.label}: {self.unit.text(first.dev.value)}, "
            f"elsewhere {self.unit.text(first.elsewhere)}{others}. The segment has {share(first.of_rows)} of the dev "
            f"rows and {share(first.of_error)} of the {'wrong ones' if wrong else 'error'}; with the {self.error} of "
            f"other rows there, {'that of all dev rows' if wrong else 'the dev error'} would be "
            f"{self.unit.gap(first.gain[0])}{self.unit.of_gaps} lower."
        )

    @property
    def high_variance(self) -> list[str]:
        """Sentences on the segments whose variance is high: more of their training rows help there."""
        return [
            f"High variance for {one.label} ({count(one.n_train, 'training row')}): train error "
            f"{self.unit.text(one.train.value)}, dev error {self.unit.text(one.dev.value)}."
            for one in _once([*self.higher, *self.named])
            if one.variance is not None and one.train is not None and one.variance.level is Level.HIGH
        ]

    @property
    def frame(self) -> pd.DataFrame:
        """One row per segment of the table: what ``to_dict`` says of each, as ``dev_error.value`` and so on."""
        import pandas as pd

        return pd.json_normalize([one.to_dict() for one in _once([*self.higher, *self.named])])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "compared": self.compared,
            "higher": [one.to_dict() for one in self.higher],
            "named": [one.to_dict() for one in self.named],
        }

    def rows(self) -> list[list[str]]:
        """Return the table as text, each segment once; with the headings ``columns``."""
        unit = self.unit
        return [
            [
                one.label,
                f"{one.n_train:,}",
                f"{one.dev.n:,}",
                "–" if one.train is None else unit.text(one.train.value),
                unit.text(one.dev.value),
                unit.span(one.dev.low, one.dev.high),
                "–" if one.variance is None else unit.gap(one.variance.value),
                "–" if one.variance is None else unit.span(one.variance.low, one.variance.high),
                "–" if one.variance is None else LEVELS[one.variance.level],
                percent(one.of_error),
                unit.gap(one.gain[0]) if one.gain[0] > 0 else "–",
            ]
            for one in _once([*self.higher, *self.named])
        ]


LEVELS = {Level.HIGH: "high", Level.LOW: "low", Level.UNDECIDED: "inconclusive"}
COLUMNS = (
    *("segment", "train rows", "dev rows", "train", "dev", "95%", "variance", "95%", "level", "of the error"),
    "gain",
)


def _once(segments: Sequence[SegmentErrors]) -> list[SegmentErrors]:
    once: dict[str, SegmentErrors] = {}
    for one in segments:
        once.setdefault(one.label, one)
    return list(once.values())


def find_errors_by_segment(
    record: StudyRecord,
    dataset: Dataset,
    trial: TrialRecord,
    losses: NDArray[np.floating],
    names: Sequence[str],
    material_gap: float,
    *,
    are_pixels: bool = False,
) -> Segments:
    """Find the segments of a trial whose ``losses`` (n_dev,) are higher, and measure those of the columns ``names``.

    Columns that ``are_pixels`` are not sliced.

    Raises DataError if the data changed, UsageError for a column that is not in them.
    """
    every = [] if are_pixels else slices_of(dataset)
    members = np.array([one.dev for one in every], dtype=bool).reshape(len(every), len(losses))
    columns = np.unique([one.column for one in every], return_inverse=True)[1]
    is_squared = not record.unit.is_share and not record.unit.is_absolute
    tested = np.sqrt(losses) if is_squared else losses  # a few large errors hide other rows
    rng = np.random.default_rng(SEED)
    clear = find_segments(tested, members, columns, record.dev_groups, record.dev_weights, rng=rng)
    unit = SHARE if record.unit.is_share else record.unit
    measured = _Measured(record, dataset, trial, losses, unit, material_gap)
    higher = [measured.segment([every[k] for k in one.slices], one) for one in clear]
    named = [measured.segment([one], None) for one in slices_of(dataset, names)] if names else []
    return Segments(
        sorted(higher, key=lambda one: -one.gain[0]),
        [one for one in named if one.dev.n],
        len(every),
        unit,
        material_gap,
        is_of_wrong=record.unit.loss is not None,
    )


@dataclass(frozen=True)
class _Rows:
    """Some dev rows: their losses, weights and groups, (n,); None: all alike, each row for itself."""

    losses: NDArray[np.floating]
    weights: NDArray[np.floating] | None
    groups: NDArray[np.integer] | None

    @property
    def weight(self) -> float:
        """The sum of weights."""
        return float(len(self.losses) if self.weights is None else self.weights.sum())

    @property
    def total(self) -> float:
        """The weighted sum of losses."""
        return float(self.losses.sum() if self.weights is None else self.losses @ self.weights)

    @property
    def mean(self) -> float:
        """The weighted mean loss."""
        return self.total / self.weight

    @property
    def variance_of_mean(self) -> float:
        """The variance of the mean over rows, or groups of them."""
        apart = (self.losses - self.mean) * (1.0 if self.weights is None else self.weights)
        if self.groups is not None:
            apart = np.bincount(np.unique(self.groups, return_inverse=True)[1], weights=apart)
        return float(np.square(apart).sum()) / self.weight**2


@dataclass(frozen=True)
class _Measured:
    """A trial's losses on the dev rows (n_dev,); which rows a segment has is measured against them."""

    record: StudyRecord
    dataset: Dataset
    trial: TrialRecord
    losses: NDArray[np.floating]
    unit: Unit
    material_gap: float

    def segment(self, slices: Sequence[Slice], clear: Segment | None) -> SegmentErrors:
        """Measure the rows that all slices have in common."""
        rows = np.logical_and.reduce([one.dev for one in slices])
        inside, outside = (self._dev(which) for which in (rows, ~rows))
        train, n_train = self._train([one.train for one in slices])
        dev = error_of_rows(inside.losses, self.unit, inside.weights, inside.groups)
        total = inside.total + outside.total
        return SegmentErrors(
            label=" and ".join(one.label for one in slices),
            columns=tuple(one.column for one in slices),
            is_higher=clear is not None,
            n_train=n_train,
            train=train,
            dev=dev,
            elsewhere=self._error(outside.mean) if outside.weight else dev.value,
            variance=None
            if train is None or len(inside.losses) < FEWEST
            else gap_between(dev, train, self.material_gap),
            of_rows=inside.weight / (inside.weight + outside.weight),
            of_error=inside.total / total if total else 0.0,
            gain=self._gain(inside, outside, 2.0 if clear is None else clear.needed),
        )

    def _dev(self, rows: NDArray[np.bool_]) -> _Rows:
        weights, groups = self.record.dev_weights, self.record.dev_groups
        return _Rows(
            self.losses[rows],
            None if weights is None else weights[rows],
            None if groups is None else groups[rows],
        )

    def _gain(self, inside: _Rows, outside: _Rows, errors: float) -> tuple[float, float, float]:
        """Return by how much the error were lower with the losses of other rows, and so many standard errors around."""
        if not inside.weight or not outside.weight:
            return 0.0, 0.0, 0.0
        weight = inside.weight + outside.weight
        of_rows, mean = inside.weight / weight, (inside.total + outside.total) / weight
        more = inside.mean - outside.mean
        around = errors * math.sqrt(inside.variance_of_mean + outside.variance_of_mean)
        value, low, high = (
            self._error(mean) - self._error(max(mean - of_rows * each, 0.0))
            for each in (more, more - around, more + around)
        )
        return value, low, high

    def _train(self, members: Sequence[Sequence[NDArray[np.bool_]]]) -> tuple[ErrorEstimate | None, int]:
        """Return the train error in a segment, whose rows are given for each slice and part, and the training rows."""
        parts = [np.logical_and.reduce(each) for each in zip(*members, strict=True)]
        n_train = round(np.mean([int(part.sum()) for part in parts]))
        kept = None if self.trial.predictions is None else self.trial.predictions.train_losses
        if kept is None or not n_train:
            return None, n_train
        layout = self.record.dev_layout(self.trial)
        chosen = layout.each(parts)
        losses = np.concatenate([of[part] for of, part in zip(kept, chosen, strict=True)])
        weights = None
        if self.record.dev_weights is not None:
            every = layout.each([part.train.error_weights for part in self.dataset.parts])
            weights = np.concatenate([of[part] for of, part in zip(every, chosen, strict=True) if of is not None])
        return error_of_rows(losses, self.unit, weights, of=n_train), n_train

    def _error(self, loss: float) -> float:
        return float(self.unit.error(loss))
