"""Metrics that trials and epochs are chosen by: means of a loss over the dev rows.

Definitions, early stopping, trials and reports read the table `METRICS`.  To add a metric, write an entry, and a
class if its value is not a mean of the rows' losses.  Rows may have weights: then a row's loss is multiplied by its
weight, relative to the mean weight, so that the mean of the losses is Σ weight·loss / Σ weight.

A metric that weights the classes makes weights of them, too (``row_weights``): the balanced error is the error of rows
that weigh so much that all classes weigh the same.  With these weights every error of a study is of its metric.

A metric of probabilities has losses of its own (``of_rows``), which take the place of "wrong or not" everywhere in a
study that chooses by it.  What they need to know of the study is its :class:`~tuner.row_losses.Loss`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tuner.decisions import least_cost
from tuner.dev_layout import DevLayout
from tuner.row_losses import (
    MOST_LOG_LOSS,
    Loss,
    RowLosses,
    costs_of_errors,
    f1_errors,
    imprecisions,
    log_losses,
    ranking_errors,
    squared_differences,
    wrong_classes,
)

Array = npt.NDArray[Any]
LEAST_OF_CLASS = 1e-6
"""Of the heaviest class, so that it shows which rows of a class without weight are wrong."""

WORST_LOSS = 1e6
"""The cost of a network that diverged, and its squared error: finite, so that it can be stored and ranked."""


def relative(weights: Array) -> Array:
    """Return weights (n,) as multiples of their mean, float64."""
    return np.asarray(weights / np.mean(weights), dtype=np.float64)


def effective_rows(weights: Array) -> float:
    """Return how many rows of one weight say as much of an error as these: (Σ w)² / Σ w².  (Kish 1965)"""
    scaled = np.asarray(weights, dtype=np.float64) / np.max(weights)  # the square of a large number is infinite
    return float(scaled.sum() ** 2 / (scaled**2).sum())


class Measured(NamedTuple):
    """One network on n examples: its mean cost, its error, and of each row what the two are means of, both (n,).

    ``wrong``: whether a row is wrong, and of numbers its squared error; ``losses``: its cross-entropy, or the loss of
    numbers that the network is trained by.  ``watched``: its losses by the metric that early stopping follows, if these
    are neither of the two.
    """

    cost: float
    error: float
    wrong: Array
    losses: Array
    watched: Array | None = None


def wrong_rows(measured: Measured) -> Array:
    """The loss of each row that the study's error is the mean of, (n,): whether it is wrong, its squared error, …"""
    return measured.wrong


def cross_entropies(measured: Measured) -> Array:
    """The cross-entropy −log p_y of each row, (n,) floats."""
    return measured.losses


def watched_losses(measured: Measured) -> Array:
    """The losses (n,) of a metric that early stopping alone follows."""
    assert measured.watched is not None
    return measured.watched


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A mean of the rows' losses, or with ``class_weights`` a weighted mean of the classes' mean losses.

    ``label``: its name in a sentence; ``meaning``: a definition; ``why``: why a study file uses it.  ``worst``: the
    value of a trial that diverged, finite so that the sampler avoids it.  ``losses``: (n,) losses of the rows, by which
    trials are compared.  ``class_weights``: from the rows of each class, (n_classes,), to its relative weight.
    ``of_numbers``: whether it is of numbers to predict, whose unit has its losses.
    ``from_labels``: whether predicted labels are enough.  ``less_noisy``: the metric to stop by with few dev rows.

    ``of_rows``: the losses of its rows from their probabilities, if these are not "wrong or not".  ``most``: the
    largest; None: that of the study.  ``is_share``: whether it is written as a percentage.  ``is_linearized``: whether
    a row's loss depends on the other rows, and shows what it does to the metric.  ``loss``: what it needs of the study.
    """

    name: str
    label: str
    worst: float
    meaning: str = ""
    why: str = ""
    losses: Callable[[Measured], Array] = wrong_rows
    class_weights: Callable[[Array], Array] | None = None
    from_labels: bool = True
    less_noisy: str | None = None
    of_numbers: bool = False
    of_rows: RowLosses | None = None
    is_share: bool = True
    is_linearized: bool = False
    loss: Loss | None = None

    def __reduce__(self) -> Any:
        """Pickle the name: functions of an entry may be defined in place."""
        return _named, (self.name, self.class_weights is None, self.loss)

    def of_study(self, counts: Array, costs: Array | None) -> Metric:
        """Return the metric with what it needs to know of a study.

        ``counts``: (n_classes,) rows of each class, ``costs``: (n_classes, n_classes) by true and predicted class.
        """
        if self.of_rows is None:
            return self
        rows = np.maximum(np.asarray(counts, dtype=np.float64), 0)
        given, most = None, self.worst
        if self.of_rows is costs_of_errors and costs is not None:
            given, most = tuple(tuple(map(float, row)) for row in costs), float(np.max(costs))
        positive = int(rows.argmin()) if len(rows) == 2 and rows[0] != rows[1] else 1
        loss = Loss(metric=self.name, typical=1.0, most=most, costs=given, positive=positive, is_share=self.is_share)
        if not self.is_share:
            y = np.flatnonzero(rows)
            guess = np.tile(rows / (rows.sum() or 1), (len(y), 1))
            typical = float(np.average(self.of_rows(guess, y, None, loss), weights=rows[y])) if len(y) else 1.0
            loss = replace(loss, typical=typical or 1.0)
        return replace(self, loss=loss, worst=most)

    def losses_of(self, probabilities: Array, y: Array, weights: Array | None = None) -> Array:
        """Return the losses (n,) of rows from their probabilities (n, n_classes), class indices and weights (n,)."""
        if self.of_rows is None:
            return np.asarray(self.decide(probabilities) != y)
        assert self.loss is not None
        return self.of_rows(probabilities, y, weights, self.loss)

    def losses_against_rest(self, probabilities: Array, label: int, y: Array, weights: Array | None = None) -> Array:
        """Return the losses (n,) of one class against all others together, of a metric that ranks rows."""
        assert self.of_rows is not None
        assert self.loss is not None
        own = probabilities[:, label]
        of_two = np.column_stack([1 - own, own])
        return self.of_rows(of_two, (y == label).astype(np.int64), weights, replace(self.loss, positive=1))

    def rows_alike(self, y: Array) -> int | None:
        """Return how many rows count if all losses are the same: those of the rarest class, of linearized ones."""
        counts = np.bincount(y)
        return int(counts[counts > 0].min()) if self.is_linearized and len(y) else None

    def decide(self, probabilities: Array) -> Array:
        """Return the predicted classes (n,) from probabilities (n, n_classes): the most probable, or the cheapest."""
        if self.of_rows is costs_of_errors and self.loss is not None:
            return least_cost(probabilities, np.array(self.loss.costs))
        return np.asarray(probabilities.argmax(axis=-1))

    def as_counted(self, counted_by: Metric) -> Metric:
        """Return the metric with what it needs of a study whose errors are of ``counted_by``."""
        return counted_by if self.name == counted_by.name else self

    def watching(self, counted_by: Metric) -> Metric:
        """Return the metric as early stopping follows it in a study whose errors are of another."""
        if self.name in (ERROR.name, counted_by.name):
            return ERROR if counted_by.of_rows is not None else self
        if self.of_rows is None and (counted_by.of_rows is None or self.losses is not wrong_rows):
            return self
        return replace(self, of_rows=self.of_rows or wrong_classes, losses=watched_losses)

    @property
    def counts_wrong(self) -> bool:
        """Whether a row's loss is that of the error: 1 if it is wrong and 0 otherwise, or its squared error."""
        return self.losses is wrong_rows

    def worst_loss(self, *, is_numeric: bool) -> float:
        """Return the worst mean of losses: that of a network that diverged."""
        return WORST_LOSS if is_numeric else self.worst

    @property
    def of_classes(self) -> bool:
        """Whether it needs classes to predict."""
        return self.class_weights is not None or self.of_rows is not None

    @property
    def is_mean_of_losses(self) -> bool:
        """Whether every row has the same weight."""
        return self.class_weights is None

    def is_shown_by(self, recorded: Metric) -> bool:
        """Whether sums of another metric's weighted losses over parts of the rows show this metric there."""
        if self.class_weights is not None:
            return self == recorded
        if self.of_rows is not None:
            return self.name == recorded.name
        return self.losses is recorded.losses and self.is_mean_of_losses and recorded.class_weights is None

    def on_rows_of(self, counted_by: Metric) -> Metric:
        """Return the same metric of rows that have the class weights of ``counted_by``: their mean, if it has these."""
        return replace(counted_by, class_weights=None) if self.name == counted_by.name else self

    def row_weights(self, y: Array, weights: Array | None = None) -> Array | None:
        """Return what each row counts for in this metric, (n,), multiples of their mean; None if all count alike.

        ``y``: (n,) class indices, ``weights``: (n,) the rows' own, if they have any.
        """
        if not len(y):
            return weights
        own = None if weights is None else relative(weights)
        if self.class_weights is None:
            return own
        of_classes, sizes = self.class_weights(np.bincount(y)), np.bincount(y, weights=own)
        in_class = np.maximum(of_classes, LEAST_OF_CLASS * of_classes.max())[y] / sizes[y]
        return relative(in_class if own is None else in_class * own)

    def strata(self, y: Array) -> Array | None:
        """Return the classes (n,) if each one's share of the weight is fixed; None if the rows decide."""
        return None if self.class_weights is None else y

    def row_losses(self, measured: Measured, weights: Array | None = None) -> Array:
        """Return one network's losses (n,), times the rows' relative weights (n,)."""
        losses = self.losses(measured)
        return losses if weights is None else losses * weights

    def mean(self, losses: Array, y: Array, weights: Array | None = None) -> float:
        """Return the metric of rows from their losses (n,), class indices (n,) and relative weights (n,)."""
        if self.class_weights is None:
            total = np.count_nonzero(losses) if losses.dtype == bool else float(np.add.reduce(losses))
            return float(total / len(losses))
        counts, sizes = np.bincount(y), np.bincount(y, weights=weights)
        there = counts > 0
        of_classes = np.bincount(y, weights=losses)[there] / sizes[there]
        return float(np.average(of_classes, weights=self.class_weights(counts)[there]))

    def of(self, measured: Measured, y: Array, weights: Array | None = None) -> float:
        """Return the metric of one network's dev rows, for early stopping."""
        return self.mean(self.row_losses(measured, weights), y, weights)

    def value(self, layout: DevLayout, networks: Sequence[Measured], y: Array, weights: Array | None = None) -> float:
        """Return a trial's value from its networks on their dev rows.

        ``y``: (n_dev,) class indices, ``weights``: (n_dev,) relative weights.
        """
        of_networks = zip(networks, layout.split_weights(weights), strict=True)
        losses = [self.row_losses(one, of_rows) for one, of_rows in of_networks]
        return self.of_losses(layout, losses, y, weights)

    def of_losses(self, layout: DevLayout, networks: Sequence[Array], y: Array, weights: Array | None = None) -> float:
        """Return a trial's value from its networks' losses: the mean over the sets that cover all dev rows."""
        values = [self.mean(losses, y, weights) for losses in layout.sets(networks)]
        return values[0] if len(values) == 1 else float(np.mean(values))

    def weighted(self, losses: Array, y: Array, weights: Array | None = None) -> Array:
        """Return losses (..., n) whose plain mean is the metric; ``weights``: those that are in the losses already."""
        if self.class_weights is None:
            return losses
        of_classes, sizes = self.class_weights(np.bincount(y)), np.bincount(y, weights=weights)
        return np.asarray(losses * (len(y) * of_classes[y] / (of_classes.sum() * sizes[y])))


class Cost(Metric):
    """Mean cost of the networks on their dev rows; trials are compared by their wrong rows."""

    is_mean_of_losses = False

    def of(self, measured: Measured, y: Array, weights: Array | None = None) -> float:
        """Return the network's mean cost."""
        return measured.cost

    def value(self, layout: DevLayout, networks: Sequence[Measured], y: Array, weights: Array | None = None) -> float:
        """Return the mean of the networks' costs, weighted by their dev rows."""
        return float(np.average([one.cost for one in networks], weights=layout.dev_sizes(weights)))


def one_each(counts: Array) -> Array:
    """Return the same weight for every class that has rows."""
    return np.asarray(counts > 0, dtype=np.float64)


ERROR = Metric(name="error", label="error", worst=1.0, less_noisy="cost")
"""The share of wrong rows, or of numbers the root mean squared error (RMSE)."""
BALANCED_ERROR = Metric(
    name="balanced_error",
    label="balanced error",
    meaning="mean of the classes' errors",
    why="one class is rare, and the plain error would ignore it",
    worst=1.0,
    class_weights=one_each,
)
ABSOLUTE_ERROR = Metric(
    name="absolute_error",
    label="mean absolute error",
    meaning="of numbers to predict",
    worst=1.0,
    less_noisy="cost",
    of_numbers=True,
)
COST = Cost(name="cost", label="cost", worst=WORST_LOSS, from_labels=False)

LOG_LOSS = Metric(
    name="log_loss",
    label="log loss",
    meaning="mean of −log p of each row's own class",
    why="probabilities are used as such",
    worst=MOST_LOG_LOSS,
    from_labels=False,
    of_rows=log_losses,
    is_share=False,
)
BRIER = Metric(
    name="brier",
    label="Brier score",
    meaning="mean of Σ (p − 1 for the row's own class, p for others)² over the classes, of two classes half of it",
    why="probabilities are used as such, and a single confident mistake should not decide",
    worst=2.0,
    from_labels=False,
    of_rows=squared_differences,
    is_share=False,
)
COST_OF_ERRORS = Metric(
    name="cost_of_errors",
    label="cost of errors",
    meaning="mean cost per row by [diagnosis] cost, of the class with the lowest expected cost",
    why="mistakes differ in cost",
    worst=1.0,
    of_rows=costs_of_errors,
    is_share=False,
)

AUC = Metric(
    name="auc",
    label="1 − AUC",
    meaning="1 − the area under the ROC curve, of several classes the mean of each against the rest",
    why="rows are ranked by their probability",
    worst=1.0,
    from_labels=False,
    of_rows=ranking_errors,
    is_linearized=True,
)
AVERAGE_PRECISION = Metric(
    name="average_precision",
    label="1 − average precision",
    meaning="1 − average precision, of two classes that of the rarer, of several the mean of each against the rest",
    why="the rows that a rare class is most probable for are looked at first",
    worst=1.0,
    from_labels=False,
    of_rows=imprecisions,
    is_linearized=True,
)
F1 = Metric(
    name="f1",
    label="1 − F1",
    meaning="1 − F1, of two classes that of the rarer, of several the mean of each",
    why="a rare class is to be found without many false alarms",
    worst=1.0,
    of_rows=f1_errors,
    is_linearized=True,
)
_ENTRIES = (
    *(ERROR, BALANCED_ERROR, ABSOLUTE_ERROR, COST),
    *(LOG_LOSS, BRIER, COST_OF_ERRORS, AUC, AVERAGE_PRECISION, F1),
)
METRICS = {metric.name: metric for metric in _ENTRIES}


def counting(name: str, *, weighs_classes: bool, loss: Loss | None) -> Metric:
    """Return the metric that every error of a study is of; ``name``: of what trials are chosen by."""
    if loss is not None:
        return replace(METRICS[loss.metric], loss=loss, worst=loss.most)
    return METRICS[name] if weighs_classes else ERROR


def _named(name: str, is_mean: bool, loss: Loss | None) -> Metric:
    """Return an entry of the table, or what it is on rows with its class weights."""
    metric = counting(name, weighs_classes=True, loss=loss)
    return metric.on_rows_of(metric) if is_mean else metric
