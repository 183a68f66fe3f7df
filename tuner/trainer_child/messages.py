"""What a search and the process of a custom trainer say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuner.data import Table
from tuner.data.dataset import Floats, Ints


class TrialEnded(BaseException):
    """Raised within a trainer to end its trial; no ``Exception``, so that a trainer's own handlers let it pass."""


@dataclass(frozen=True, slots=True)
class TrainerData:
    """What a trainer may see: train and dev examples, and train-dev ones where the study has them; never the test set.

    Each is a table: X (n, n_features) float32, encoded and normalized, y (n,) class indices, rows (n,) row numbers in
    the file, and weights (n,), what each row counts for, or None.  The arrays are shared by all trials and cannot be
    written to.  ``image``: height and width, where rows are pixels.  For regression y is (n,) numbers less their mean,
    in standard deviations, both of the training rows; of several targets (n, n_targets).
    """

    train: Table
    dev: Table
    train_dev: Table | None
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    image: tuple[int, ...] | None

    @property
    def n_classes(self) -> int:
        """Number of classes: y is 0 to n_classes - 1; 1 for regression."""
        return len(self.class_names) or 1

    @property
    def is_regression(self) -> bool:
        """Whether y has numbers to predict."""
        return not self.class_names

    @property
    def n_targets(self) -> int:
        """How many numbers are to be predicted of a row; 1 of classes."""
        return self.train.y.shape[1] if self.train.y.ndim > 1 else 1

    @property
    def tables(self) -> dict[str, Table]:
        """The tables of which a trainer returns predictions, in this order."""
        tables = {"train": self.train, "dev": self.dev, "train_dev": self.train_dev}
        return {name: table for name, table in tables.items() if table is not None}


@dataclass(frozen=True, slots=True)
class NewData:
    """To the trainer: the data of each part, in a parcel's content."""

    content: bytes


@dataclass(frozen=True, slots=True)
class TrainCall:
    """To the trainer: train one network on the data of a part, and save it at ``save_to`` unless that is None."""

    params: Mapping[str, Any]
    part: int
    seed: int
    max_epochs: int
    save_to: str | None = None


@dataclass(frozen=True, slots=True)
class PredictCall:
    """To the trainer: predict with models that it saved; ``content`` is a parcel's: one ``Inputs``, or one each.

    ``n_classes``: 0 for regression, which predicts ``n_targets`` numbers of a row.
    """

    saved: tuple[str, ...]
    content: bytes
    n_classes: int
    n_targets: int


@dataclass(frozen=True, slots=True)
class Predicted:
    """From the trainer: each model's class probabilities, (n, n_classes); 0 and 1 where it only predicts classes.

    For regression the predicted numbers, (n, n_targets).  ``has_probabilities``: no model only predicts classes.
    """

    probabilities: list[Floats]
    has_probabilities: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """From the trainer: its function is imported; ``fault`` says why it is not."""

    fault: str | None


class EpochErrors(NamedTuple):
    """From the trainer: an epoch ended; it waits for whether to go on."""

    train_error: float
    dev_error: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Returned:
    """From the trainer: the predicted class of each table's rows; costs of the train and dev rows, NaN if unknown.

    For regression the predicted numbers, float64.
    ``losses``: by a metric of probabilities, what the error of each table is the mean of, (n,).
    ``dev_probabilities`` (n_dev, n_classes): if it returned them.
    """

    labels: list[Ints] | list[NDArray[np.float64]]
    losses: list[NDArray[np.float64]] | None
    costs: tuple[float, float]
    dev_probabilities: Floats | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """From the trainer: it raised an exception or did something wrong."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """From the trainer: it ended as it was told to."""
