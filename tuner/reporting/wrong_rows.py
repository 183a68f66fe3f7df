"""The dev rows that a trial has wrong or far off, each with its line in the file, and those whose label looks wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import suspected_labels
from tuner.data import Dataset, read_dev_rows, reader_of
from tuner.errors import UsageError
from tuner.formatting import count, percent, shorten, some_of
from tuner.metrics import Metric
from tuner.reporting.eyeball import Eyeball, eyeball_rows, find_eyeball
from tuner.reporting.pictures import Pictures, find_pictures
from tuner.reporting.segments import Segments, find_errors_by_segment
from tuner.storage import StudyRecord, TrialRecord
from tuner.study import StudyDefinition, parse_definition
from tuner.units import SHARE, Unit

if TYPE_CHECKING:
    import pandas as pd

FIXED = ("place", "given", "predicted", "confidence", "wrong_in", "suspected")
"""Columns before those of the data: where the row is ("line 17"), its label, what the trial predicts and with which
probability (empty if unknown), the share of the best trials that have it wrong, and the class that it looks like.
"""
FIXED_OF_NUMBERS = ("place", "given", "predicted", "residual", "far_off_in")
"""The same where numbers are predicted: the residual is predicted − given, and a trial has a row wrong if it misses it
by more than its own error, an RMSE or MAE.

Of several targets there are ``given_NAME`` and ``predicted_NAME`` of each, and the residual is the size of all of them:
the root mean square, or the mean size, of those of the targets in standard deviations.
"""
DIGITS = 7  # of numbers that are predicted, which networks compute in single precision
PERCENT = ("confidence", "wrong_in", "far_off_in")
LONGEST_CELL = 30


@dataclass(frozen=True)
class Confusion:
    """So many rows of one class that are predicted as another."""

    given: str
    predicted: str
    rows: int


@dataclass(frozen=True)
class WrongRows:
    """What a trial has wrong of n dev rows, by the predictions of it and of the best trials.

    ``frame``: the wrong rows, first those that most of the ``trials`` have wrong, of these the most confident ones;
    then rows that the trial has right, but whose label looks wrong.  Columns: ``FIXED``, then the data's own.
    ``suspects``: how many labels look wrong; None without probabilities.
    Where numbers are predicted, the rows that the trial misses by more than its error ``rmse``, the largest residuals
    first, with the columns ``FIXED_OF_NUMBERS``.  ``pictures``: of rows that are pixels.
    ``segments``: where errors are more frequent, or larger.  With ``[data] eyeball`` rows and suspects are of the
    ``n_shown`` dev rows that are looked at; ``eyeball`` compares them with the others.
    ``losses`` (k,): of the rows of the frame that the trial has wrong, which come first, times their weights.
    ``loss``: the mean over all dev rows, of which the wrong ones hold the share ``held``; ``by_weight``: whether rows
    count by the weights of rows or classes.
    """

    trial: int
    trials: int
    n: int
    wrong: int
    confusions: list[Confusion]
    suspects: int | None
    frame: pd.DataFrame
    unit: Unit = SHARE
    rmse: float | None = None
    pictures: Pictures | None = None
    segments: Segments | None = None
    eyeball: Eyeball | None = None
    n_shown: int = 0
    losses: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    loss: float = 0.0
    held: float = 1.0
    by_weight: bool = False

    def gain_without(self, share: float) -> float:
        """Return by how much the dev error were lower without a share of the losses of the rows that are wrong."""
        return float(self.unit.error(self.loss) - self.unit.error(self.loss * (1 - self.held * share)))

    @property
    def fixed(self) -> tuple[str, ...]:
        """The columns before those of the data."""
        if not self.unit.targets:
            return FIXED if self.unit.is_share else FIXED_OF_NUMBERS
        return ("place", *_columns_of(self.unit), *FIXED_OF_NUMBERS[3:])

    @property
    def headline(self) -> str:
        """How many of the dev rows are wrong, or far off."""
        if self.rmse is None:
            of_rows = f"{self.wrong:,} of {count(self.n, 'dev row')} wrong"
            weighted = f"; {percent(self.loss)} by weight" if self.by_weight else ""
            return f"trial {self.trial}: {of_rows} ({percent(self.wrong / self.n)}{weighted})"
        missed = f"{self.wrong:,} of {count(self.n, 'dev row')} missed by more than that"
        error = f"{self.unit.name} {self.unit.text(self.rmse)}"
        return f"trial {self.trial}: {error}, {missed} ({percent(self.wrong / self.n)})"

    @property
    def footnote(self) -> str:
        """What ``wrong_in``, of numbers ``far_off_in``, is."""
        what = "have the row wrong" if self.rmse is None else f"miss the row by more than their {self.unit.name}"
        name = "wrong_in" if self.unit.is_share else "far_off_in"
        return f"{name}: the share of the {self.trials} best trials that {what}" if self.trials > 1 else ""

    def text(self, name: str, of: Any) -> str:
        """Write a cell of a column of the frame for a person."""
        if name in self.fixed and name not in _columns_of(self.unit) and isinstance(of, float) and of == of:
            return percent(of) if name in PERCENT else self.unit.text(of)
        return cell_text(of)

    @property
    def suspected(self) -> pd.DataFrame:
        """The rows whose label looks wrong."""
        return self.frame[self.frame["suspected"] != ""] if self.rmse is None else self.frame[:0]

    def sentence(self) -> str:
        """Say how many labels look wrong; empty if that is unknown."""
        if self.suspects is None:
            return ""
        looks = "looks" if self.suspects == 1 else "look"
        return (
            f"{count(self.suspects, 'dev label')} {looks} wrong ({percent(self.suspects / self.n_shown)}): networks "
            "that did not learn from these rows expect another class. Look before you change any, since rows where the "
            "classes overlap are among them."
        )

    def to_dict(self, rows: pd.DataFrame) -> dict[str, Any]:
        """Return plain JSON with some rows of the frame."""
        cells = [{str(key): plain_cell(of) for key, of in row.items()} for row in rows.to_dict("records")]
        return {
            "trial": self.trial,
            "trials": self.trials,
            "dev_rows": self.n,
            "wrong": self.wrong,
            "rmse": self.rmse,
            "suspected": self.suspects,
            "confusions": [{"given": c.given, "predicted": c.predicted, "rows": c.rows} for c in self.confusions],
            "rows": cells,
            "eyeball": None if self.eyeball is None else self.eyeball.to_dict(),
            "segments": None if self.segments is None else self.segments.to_dict(),
        }


def find_wrong_rows(record: StudyRecord, dataset: Dataset, number: int | None = None) -> WrongRows:
    """Find what a trial, by default the best, has wrong.

    Raises UsageError if no predictions of it are kept, DataError if the data changed.
    """
    trial = _trial(record, number)
    others = [each for each in record.trials if each.predictions is not None]
    find = _wrong_classes if record.unit.is_share else _missed_numbers
    definition = parse_definition(record.definition, f"study {record.name!r}")
    losses = dev_losses(record, trial)
    seen = np.ones(len(losses), dtype=bool)
    if definition.data.eyeball is not None:
        seen = eyeball_rows(record, definition.data.eyeball, definition.data.seed)
    named, threshold = definition.diagnosis.segments, _threshold(record.unit, definition)
    with reader_of(dataset):  # both read the rows
        wrong = find(record, dataset, trial, others, seen)
        segments = find_errors_by_segment(
            record, dataset, trial, losses, named, threshold, are_pixels=wrong.pictures is not None
        )
    return replace(
        wrong,
        segments=segments,
        eyeball=find_eyeball(record, losses, seen),
        n_shown=int(seen.sum()),
        loss=float(np.average(losses, weights=record.dev_weights)),
        by_weight=record.dev_weights is not None,
    )


def _threshold(unit: Unit, definition: StudyDefinition) -> float:
    """Return the threshold of a gap between shares of wrong rows, or between errors of numbers."""
    return definition.diagnosis.threshold(unit) if unit.is_percent or not unit.is_share else SHARE.material_gap


def dev_losses(record: StudyRecord, trial: TrialRecord) -> NDArray[np.float64]:
    """Return what a trial loses on each dev row, (n_dev,), all alike: whether it is wrong, or how far off.

    With seeds the share of the networks that have it wrong, or their mean.
    """
    assert trial.predictions is not None
    predicted = trial.predictions.by_network(len(record.dev_y))
    return np.asarray(record.unit.row_losses(predicted, record.dev_y).mean(axis=0))


def _wrong_classes(
    record: StudyRecord, dataset: Dataset, trial: TrialRecord, others: Sequence[TrialRecord], seen: NDArray[np.bool_]
) -> WrongRows:
    y, names = record.dev_y, record.class_names
    of_trials = {each.number: row_predictions(each, len(y), names, record.counted_by) for each in others}
    wrong_in = np.mean([classes != y for classes, _ in of_trials.values()], axis=0)
    predicted, probabilities = of_trials[trial.number]
    confidence = np.full(len(y), np.nan) if probabilities is None else probabilities[np.arange(len(y)), predicted]
    known = [of for _, of in of_trials.values() if of is not None]
    looks_like = np.full(len(y), "", dtype=object)
    if known:
        suspects = suspected_labels(y, np.mean(known, axis=0))
        looks_like[suspects.rows] = [names[k] for k in suspects.classes]
        looks_like[~seen] = ""
    wrong = predicted != y
    shown = np.flatnonzero((wrong & seen) | (looks_like != ""))
    order = shown[np.lexsort((-np.nan_to_num(confidence[shown]), -wrong_in[shown], ~wrong[shown]))]
    pairs = Counter(zip(y[wrong].tolist(), predicted[wrong].tolist(), strict=True))
    fixed = {
        "given": [names[k] for k in y[order]],
        "predicted": [names[k] for k in predicted[order]],
        "confidence": confidence[order],
        "wrong_in": wrong_in[order],
        "suspected": looks_like[order],
    }
    frame = read_dev_rows(dataset, order, fixed)
    return WrongRows(
        trial.number,
        len(others),
        len(y),
        int(wrong.sum()),
        [Confusion(names[a], names[b], rows) for (a, b), rows in pairs.most_common()],
        int((looks_like != "").sum()) if known else None,
        frame,
        pictures=_pictures(frame, dataset),
        losses=_weights(record)[order[: int((wrong & seen).sum())]],
    )


def _missed_numbers(
    record: StudyRecord, dataset: Dataset, trial: TrialRecord, others: Sequence[TrialRecord], seen: NDArray[np.bool_]
) -> WrongRows:
    unit = record.unit
    y = unit.restored(record.dev_y)
    predicted = {each.number: unit.predicted(_number_of_row(each, len(y))) for each in others}
    weights = _weights(record)
    mean = {each: np.average(unit.missed(of - y), weights=weights) for each, of in predicted.items()}
    typical = {each: float(unit.error(of)) for each, of in mean.items()}
    sizes = {each: _sizes(unit, of - y) for each, of in predicted.items()}
    far_off_in = np.mean([of > typical[each] for each, of in sizes.items()], axis=0)
    missed = sizes[trial.number]
    far = missed > typical[trial.number]
    order = np.argsort(-missed, kind="stable")[: int(far.sum())]
    order = order[seen[order]]
    given, of_trial = y[order], predicted[trial.number][order]
    numbers = {"given": given, "predicted": of_trial, "residual": of_trial - given}
    if unit.targets:
        each = np.stack([given, of_trial], axis=2).reshape(len(given), -1)  # given and predicted, target by target
        numbers = {**dict(zip(_columns_of(unit), each.T, strict=True)), "residual": missed[order]}
    fixed: dict[str, Any] = {name: [float(f"{of:.{DIGITS}g}") for of in each] for name, each in numbers.items()}
    fixed["far_off_in"] = far_off_in[order]
    frame = read_dev_rows(dataset, order, fixed)
    losses = unit.losses_of(missed) * weights
    return WrongRows(
        trial.number,
        len(others),
        len(y),
        int(far.sum()),
        [],
        None,
        frame,
        unit,
        rmse=typical[trial.number],
        pictures=_pictures(frame, dataset),
        losses=losses[order],
        held=float(losses[far].sum() / (losses.sum() or 1.0)),
    )


def _weights(record: StudyRecord) -> NDArray[np.float64]:
    return np.ones(len(record.dev_y)) if record.dev_weights is None else record.dev_weights


def _columns_of(unit: Unit) -> list[str]:
    """Return the columns of what is given and predicted of several targets."""
    return [f"{what}_{target.name}" for target in unit.targets for what in ("given", "predicted")]


def _sizes(unit: Unit, residuals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sizes (n,) of residuals, in the unit of the error."""
    return np.asarray(unit.error(unit.missed(residuals))) if unit.targets else np.abs(residuals)


def _pictures(frame: pd.DataFrame, dataset: Dataset) -> Pictures | None:
    return find_pictures(frame, [column.name for column in dataset.columns], dataset.image)


def _trial(record: StudyRecord, number: int | None) -> TrialRecord:
    kept = [trial for trial in record.trials if trial.predictions is not None]
    trial = record.best if number is None else next((each for each in record.trials if each.number == number), None)
    if trial is not None and trial.predictions is not None:
        return trial
    if not kept:
        raise UsageError(
            f"study {record.name!r}: no predictions of the dev rows are kept, because no trial is complete or an "
            "earlier version of tuner recorded them all. Later trials have theirs: search more"
        )
    numbers = some_of([str(each.number) for each in kept])
    asked = number if trial is None else trial.number
    raise UsageError(f"study {record.name!r}: no predictions of trial {asked} are kept, but of the best: {numbers}")


def row_predictions(
    trial: TrialRecord, n: int, names: list[str], counted_by: Metric
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Return the class (n,) and the probabilities (n, n_classes) of each dev row, over the networks of all seeds."""
    assert trial.predictions is not None
    classes = trial.predictions.classes.reshape(-1, n)
    probabilities = trial.predictions.probabilities
    if probabilities is None or probabilities.shape[1] < len(names):
        votes = np.stack([(classes == k).sum(axis=0) for k in range(len(names))])
        return votes.argmax(axis=0), None
    mean = probabilities.reshape(len(classes), n, -1).mean(axis=0)
    return counted_by.decide(mean), mean


def _number_of_row(trial: TrialRecord, n: int) -> NDArray[np.float64]:
    """Return the standardized number (n,) that the networks of all seeds predict of each dev row on the mean."""
    assert trial.predictions is not None
    return np.asarray(trial.predictions.by_network(n).mean(axis=0, dtype=np.float64))


def cell_text(cell: Any) -> str:
    """Write a cell of the data for a person, a number with the digits of the file."""
    if cell is None or cell != cell:  # missing
        return "–"
    return shorten(f"{cell:.12g}" if isinstance(cell, float) else str(cell), LONGEST_CELL)


def plain_cell(cell: Any) -> Any:
    """Return a cell as JSON has it: missing ones as null, dates as text."""
    import pandas as pd

    if pd.isna(cell):
        return None
    value = cell.item() if isinstance(cell, np.generic) else cell
    return value if isinstance(value, bool | int | float | str) else str(value)
