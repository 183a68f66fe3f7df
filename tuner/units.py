"""The unit of an error: a share, the mean of another loss of rows, or RMSE or MAE of numbers in their own unit.

Networks predict numbers that are standardized by the training rows: (number − mean) / scale, or a transform of them.
What is computed, summed and stored are squared errors of the numbers in multiples of scale²; what a person reads is
scale · √(their mean).  Of the mean absolute error they are absolute errors in multiples of scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuner.formatting import percent, points, span
from tuner.row_losses import Loss
from tuner.target_transforms import Finite, TargetTransform

MANY = 20  # distinct numbers up to which a target of numbers is always taken as classes
MOST_INTEGERS = 50  # the same, if all are integers
DIGITS = 4  # of an error as large as the scale
LARGEST, SMALLEST = 1e9, 1e-4  # of a scale whose errors are written without an exponent


class Rounding(NamedTuple):
    """How an error is rounded: times ``factor``, to ``decimals``."""

    factor: float
    decimals: int

    def number(self, error: float) -> float:
        """Return the error, rounded."""
        return round(self.factor * error, self.decimals)


@dataclass(frozen=True, slots=True)
class TargetScale:
    """One of several targets: its column, and the standard deviation and mean of its numbers in training."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
    name: str
    scale: Finite
    mean: Finite

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ValueError(f"expected a scale > 0, got {self.scale:g}")

    @property
    def unit(self) -> Unit:
        """The unit of this target alone."""
        return Unit(scale=self.scale, mean=self.mean)


@dataclass(frozen=True, slots=True)
class Unit:
    """Of classes without ``scale``; otherwise of numbers, with their mean and standard deviation in training.

    ``transform``: what the networks predict in place of (number − mean) / scale.  ``absolute``: if errors are mean
    absolute errors, that of predicting the mean in training.  ``loss``: what errors of classes are means of, if they
    are no shares of wrong rows.

    ``targets``: of several numbers, which are (n, n_targets) arrays.  A row's loss is the mean over the targets of the
    squared or absolute error in that target's standard deviations, the unit of every error: ``scale`` is 1.
    """

    scale: float | None = None
    mean: float = 0.0
    transform: TargetTransform | None = None
    absolute: float | None = None
    loss: Loss | None = None
    targets: tuple[TargetScale, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values of a unit of numbers, without what few units have."""
        named = {"targets": list(map(asdict, self.targets))} if self.targets else {}
        document = {key: value for key, value in asdict(self).items() if value is not None and key != "targets"}
        return document | named

    @classmethod
    def of_several(cls, names: Sequence[str], numbers: NDArray[np.float64], *, by_absolute: bool = False) -> Unit:
        """Return the unit of several targets from the numbers (n, n_targets) of the training rows, none all the same.

        ``by_absolute``: whether errors are mean absolute errors.
        """
        means, scales = numbers.mean(axis=0), numbers.std(axis=0)
        absolute = float(np.mean(np.abs(numbers - means) / scales)) if by_absolute else None
        each = zip(names, scales.tolist(), means.tolist(), strict=True)
        return cls(scale=1.0, absolute=absolute, targets=tuple(TargetScale(*of) for of in each))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Unit:
        """Return what ``to_dict`` wrote."""
        transform = document.get("transform")
        if targets := document.get("targets"):
            return cls(**{**document, "targets": tuple(TargetScale(**target) for target in targets)})
        if transform is None:
            return cls(**document)
        lists = {key: tuple(transform[key]) for key in ("knots", "values")}
        return cls(**{**document, "transform": TargetTransform(**{**transform, **lists})})

    @property
    def is_share(self) -> bool:
        """Whether errors are of classes: a mean of losses as they are, of shares unless there is a ``loss``."""
        return self.scale is None

    @property
    def is_absolute(self) -> bool:
        """Whether errors are mean absolute errors of numbers."""
        return self.absolute is not None

    @property
    def is_percent(self) -> bool:
        """Whether errors are written in percent, and gaps in percentage points."""
        return self.scale is None and (self.loss is None or self.loss.is_share)

    @property
    def most(self) -> float:
        """The largest loss of a row."""
        return math.inf if self.scale is not None else 1.0 if self.loss is None else self.loss.most

    @property
    def size(self) -> float:
        """An error that models without skill have: of numbers that of their mean, of shares 1."""
        return self.scale or (1.0 if self.loss is None else self.loss.typical)

    def error(self, loss: Any) -> Any:
        """Return the error of a mean loss, or of an array of them: a share as it is, the RMSE of a mean of squares."""
        if self.scale is None:
            return loss
        if self.is_absolute:
            return self.scale * loss
        return self.scale * (np.sqrt(loss) if isinstance(loss, np.ndarray) else math.sqrt(loss))

    def mean_loss(self, error: float) -> float:
        """Return the mean loss of an error."""
        return error if self.scale is None else (error / self.scale) ** (1 if self.is_absolute else 2)

    def scaled(self, shares: Sequence[float]) -> list[float]:
        """Return lengths on an axis of shares as ones of this unit: 1 is the standard deviation of the numbers."""
        return [self.size * share for share in shares]

    @property
    def n_targets(self) -> int:
        """How many numbers are predicted of a row; 1 of classes."""
        return len(self.targets) or 1

    @property
    def scales(self) -> NDArray[np.float64]:
        """The standard deviation of each of several targets, (n_targets,)."""
        return np.array([target.scale for target in self.targets])

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean of each of several targets, (n_targets,)."""
        return np.array([target.mean for target in self.targets])

    @property
    def of_training(self) -> Any:
        """The mean of the training rows, standardized."""
        return self.standardized(self.means if self.targets else self.mean)

    @property
    def of_target(self) -> str:
        """What errors of numbers are measured in."""
        return "in standard deviations of the targets" if self.targets else "in the unit of the target"

    def standardized(self, numbers: Any) -> Any:
        """Return numbers as the networks predict them."""
        if self.targets:
            return (numbers - self.means) / self.scales
        if self.transform is not None:
            return self.transform.of(numbers)
        return (numbers - self.mean) / self.size

    def restored(self, standardized: Any) -> Any:
        """Return standardized numbers in their unit, float64."""
        if self.transform is not None:
            return self.transform.undone(standardized)
        if self.targets:
            return self.means + self.scales * np.asarray(standardized, dtype=np.float64)
        return self.mean + self.size * np.asarray(standardized, dtype=np.float64)

    def predicted(self, standardized: Any) -> Any:
        """Return what networks predict in the unit of the numbers, float64, within the limits of the transform."""
        if self.transform is not None:
            standardized = np.clip(standardized, self.transform.low, self.transform.high)
        return self.restored(standardized)

    def row_losses(self, predicted: Any, y: Any) -> Any:
        """Return which predicted classes are wrong; of standardized numbers the squared or absolute errors."""
        if self.scale is None:
            return predicted != y
        if self.targets:
            return np.mean(self.losses_of(predicted - y), axis=-1)
        if self.transform is None:
            return self.losses_of(predicted - y)
        return self.losses_of((self.predicted(predicted) - self.restored(y)) / self.scale)

    def missed(self, residuals: Any) -> Any:
        """Return the losses (n,) of residuals in the units of the numbers, (n,) or (n, n_targets)."""
        if self.targets:
            return np.mean(self.losses_of(residuals / self.scales), axis=-1)
        return self.losses_of(residuals / self.size)

    def losses_of(self, residuals: Any) -> Any:
        """Return the losses of residuals in multiples of the scale."""
        return np.abs(residuals) if self.is_absolute else np.square(residuals)

    @property
    def material_gap(self) -> float:
        """The threshold of a gap that matters, if none is given: 2 pp, or 2% of the error of models without skill."""
        return 0.02 * (self.absolute or self.size)

    @property
    def name(self) -> str:
        """What the error is called, where "error" alone would not tell."""
        return "error" if self.scale is None else "MAE" if self.is_absolute else "RMSE"

    @property
    def zero(self) -> str:
        """No error at all."""
        return "0%" if self.is_percent else "0"

    @property
    def of_gaps(self) -> str:
        """What follows a gap: "pp" for shares."""
        return " pp" if self.is_percent else ""

    @property
    def of_gaps_in_full(self) -> str:
        """The same where it is first named on a page."""
        return " percentage points (pp)" if self.is_percent else ""

    def text(self, error: float | None) -> str:
        """Write an error: ``2.4%``, or ``49,512`` in the unit of the numbers; a dash if unknown."""
        if error is None or math.isnan(error):
            return "–"
        return percent(error) if self.is_percent else self._number(error)

    def gap(self, difference: float) -> str:
        """Write a difference of errors, without "pp": ``1.4``, ``−0.3``."""
        return points(difference) if self.is_percent or math.isnan(difference) else self._number(difference)

    def span(self, low: float, high: float) -> str:
        """Write an interval of errors or gaps: ``1.9–2.9``, or ``−0.3 to 0.2`` with a negative end."""
        if self.is_percent:
            return span(low, high)
        return f"{self._number(low)}{' to ' if low < 0 else '–'}{self._number(high)}"

    def rounded(self, largest: float) -> Rounding:
        """Return how errors up to the largest one are rounded, so that their differences are, too."""
        if self.is_percent:
            return Rounding(100.0, 1 if largest >= 0.0095 else 2)
        return Rounding(1.0, self._decimals)

    def tick(self, error: float) -> str:
        """Write an error on an axis."""
        return f"{100 * error:g}%" if self.is_percent else f"{error:,.12g}"

    @property
    def _decimals(self) -> int:
        return max(0, DIGITS - 1 - math.floor(math.log10(self.size)))

    def _number(self, number: float) -> str:
        if math.isinf(number) or not SMALLEST < self.size < LARGEST:
            return f"{number:.{DIGITS}g}".replace("-", "−")
        text = f"{number:,.{self._decimals}f}"
        return text.removeprefix("-") if not float(text.replace(",", "")) else text.replace("-", "−")


SHARE = Unit()
"""The unit of classes."""


def are_to_predict(numbers: NDArray[np.floating]) -> bool:
    """Return whether a target of these numbers is taken as numbers, not as classes, if nobody says which it is.

    It is if more than 20 are different and not all integers, or more than 50.  NaN: cells that are no numbers.
    """
    distinct = np.unique(numbers)
    whole = bool(np.all(distinct == np.round(distinct)))
    return not np.isnan(distinct).any() and len(distinct) > (MOST_INTEGERS if whole else MANY)
