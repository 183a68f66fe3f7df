"""Write a definition for a data file: ranges that suit the data, and a comment on each line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tuner.data import BINS
from tuner.metrics import BALANCED_ERROR, ERROR, METRICS, Metric
from tuner.printable import visible
from tuner.study.editing import toml
from tuner.study.schema import SCHEMA_LINE
from tuner.units import SHARE, Unit

FOLDS_BELOW = 5000
SMALL = 10_000
WIDTHS = ("64-32", "128", "256", "256-128")
WIDTHS_OF_MANY_ROWS = ("128-64", "256-128")
NUMBER_FORMS = ("standardize", "piecewise_linear", "target_bins")
NUMBER_FORMS_OF_MANY_ROWS = (*NUMBER_FORMS, "periodic")
MOST_NUMBERS = 50  # columns; with an input for each bin, of more, networks have many times the weights
MOST_BINNED = 100_000_000  # inputs of all rows: 400 MB
IMBALANCED = 0.05
SMALLEST_BATCH, SMALLEST_BATCH_OF_MANY_ROWS = 16, 64
SIDES_PER_SHIFT = 14  # 2 pixels of MNIST's 28
ALIGN = 44
NOTHING: Mapping[str, Any] = MappingProxyType({})
ROWS = {
    "encoding": "of the text",
    "delimiter": "between cells",
    "header": "whether line 1 has the column names",
    "missing": "cells that count as missing, besides the usual ones",
    "keep": "cells that are values, not missing",
    "drop_unlabeled": "leave out rows without a class, and classes with one example",
    "time": "the latest rows are dev and test",
    "group": "rows of one group are never split between sets",
    "weight": "what each row counts for, in the cost and in every error",
    "target_transform": "of a skewed number: log, quantile, auto or none",
    "dev": "dev rows of their own",
    "test": "test rows of their own",
}


@dataclass(frozen=True, slots=True)
class DataShape:
    """The data's shape: rows outside the test set, training rows per network, inputs, and rows of each class.

    ``unit``: that of numbers to predict, for which there are no classes.  ``n_numbers``: columns of numbers
    without a form of their own.
    ``image``: height, width and perhaps channels, if the inputs are pixels.
    """

    n_rows: int
    n_train: int
    n_features: int
    class_counts: Sequence[int]
    unit: Unit = SHARE
    n_numbers: int = 0
    image: tuple[int, ...] | None = None

    @property
    def is_imbalanced(self) -> bool:
        """Whether the rarest class has at most a tenth of an even share of the rows: 5% of two classes."""
        if not self.class_counts:
            return False
        total, k = sum(self.class_counts), len(self.class_counts)
        return min(self.class_counts) / total <= IMBALANCED * 2 / k

    @property
    def is_small(self) -> bool:
        """Whether an epoch takes so little that many can be made, with small mini-batches too."""
        return self.n_train < SMALL

    @property
    def may_bin(self) -> bool:
        """Whether an input for each bin of a number keeps networks narrow, and the rows in memory."""
        return 0 < self.n_numbers <= MOST_NUMBERS and self.n_rows * self.n_numbers * BINS <= MOST_BINNED

    @property
    def most_shift(self) -> int:
        """By how many pixels an image may be moved in training; 0 of tiny images, and without images."""
        return 0 if self.image is None else min(self.image[:2]) // SIDES_PER_SHIFT

    @property
    def metric(self) -> Metric:
        """What trials are compared by: the balanced error if a class is rare."""
        return BALANCED_ERROR if self.is_imbalanced else ERROR


def uses_folds(n_rows: int) -> bool:
    """Whether the data is too small for a single dev set."""
    return n_rows < FOLDS_BELOW


def make_definition(
    name: str,
    source: str | None,
    target: str | Sequence[str] | None,
    shape: DataShape,
    rows: Mapping[str, Any] = NOTHING,
) -> str:
    """Return the TOML text of a definition.

    ``source`` is a data file, absolute or relative to the definition's folder; None for rows in memory.  ``rows`` says
    more of the rows: keys of [data].
    """
    n_targets = shape.unit.n_targets
    numbers = "a number to predict" if n_targets == 1 else f"{n_targets} numbers to predict"
    classes = f"{len(shape.class_counts)} classes" if shape.unit.is_share else numbers
    lines = [
        SCHEMA_LINE if source is not None else None,
        f"# Made for {visible(source or 'data in memory')}: {shape.n_rows:,} rows outside the test set, "
        f"{shape.n_features} inputs, {classes}.",
        f"name = {toml(name)}",
        "",
        *_data(source, target, shape, rows),
        "",
        *_network(shape, rows),
        "",
        *_training(shape),
        "",
        *_space(shape),
        "",
        *_search(shape),
        "",
        *_diagnosis(shape.unit),
    ]
    return "\n".join(line for line in lines if line is not None) + "\n"


def _data(
    source: str | None, target: str | Sequence[str] | None, shape: DataShape, rows: Mapping[str, Any]
) -> list[str | None]:
    of_folds = "folds" in rows or (uses_folds(shape.n_rows) and rows.keys().isdisjoint({"dev", "time"}))
    return [
        "[data]",
        _line("source", source, "absolute path" if source.startswith("/") else "relative to this file")
        if source is not None
        else None,
        _line("target", target, f"the column{'s' if shape.unit.targets else ''} to predict")
        if target is not None
        else None,
        *(_line(key, rows[key], comment) for key, comment in ROWS.items() if key in rows),
        _line("folds", rows.get("folds", 5), "cross-validation on the rows outside the test set") if of_folds else None,
        "# " + _line("split", {"test": 0}, "if you hold a test set of your own: all rows are train and dev")
        if "test" not in rows
        else None,
        "# " + _line("target_transform", "auto", "the network predicts the logarithm of a skewed number")
        if not shape.unit.is_share and not shape.unit.targets and "target_transform" not in rows
        else None,
        _line("image", list(shape.image), "height and width in pixels, for augmentations like shift")
        if shape.image is not None and shape.most_shift and "image" not in rows
        else None,
        _line("seed", 0, "seed of the split only: it does not depend on the search's seed"),
    ]


def _network(shape: DataShape, rows: Mapping[str, Any]) -> list[str]:
    is_share = shape.unit.is_share
    task = []
    if not is_share:
        task = [_line("task", "regression", 'predicts numbers; "classification" predicts classes')]
    elif "task" in rows:
        task = [_line("task", rows["task"], 'predicts classes; "regression" predicts numbers')]
    return [
        "[network]",
        *task,
        _line("activation", "relu", "or leaky_relu, tanh, sigmoid, selu, silu, gelu, mish"),
    ]


def _training(shape: DataShape) -> list[str]:
    of_rare = _line("class_weight", "balanced", "in the cost all classes together weigh the same")
    return [
        "[training]",
        _line("max_epochs", 300 if shape.is_small else 100, "maximum number of passes over the training set"),
        _line("patience", 40 if shape.is_small else 10, "stop after this many epochs without a better dev error"),
        *([of_rare] if shape.is_imbalanced else []),
    ]


def _space(shape: DataShape) -> list[str]:
    """The hyperparameters, as benchmarks/README.md found them: widths and forms of numbers differ by table.

    λ from m·1e-6 to m·1e-2 (it acts as λ/m) for m training rows, batch size to about m/16.  With momentum β reaches
    0.99 if an epoch has fewer than 100 updates, else 0.999.  With many rows Adam needs fewer epochs.
    """
    m, is_small = shape.n_train, shape.is_small
    widths = WIDTHS if is_small else WIDTHS_OF_MANY_ROWS
    smallest = SMALLEST_BATCH if is_small else SMALLEST_BATCH_OF_MANY_ROWS
    largest = 2 ** max(5, min(12, math.floor(math.log2(max(m / 16, 1)))))
    longest_memory = 0.999 if is_small and m / math.sqrt(smallest * largest) >= 100 else 0.99
    rates = [0.01, 1.0] if is_small else [0.0003, 0.01]
    forms = NUMBER_FORMS if is_small else NUMBER_FORMS_OF_MANY_ROWS
    or_periodic = "" if is_small else ", or periodic ones"
    lines = [
        _line("hidden", {"choice": [*widths]}, f'units per hidden layer; "none" is {_without(shape)}'),
        _line("numeric", {"choice": [*forms]}, f"numbers as they are, or inputs for their bins{or_periodic}")
        if shape.may_bin
        else None,
        _line(
            "highest_frequency", {"log_uniform": [1.0, 100.0]}, "of periodic inputs, in cycles per standard deviation"
        )
        if shape.may_bin and not is_small
        else None,
        _line("lambda", {"log_uniform": _ends(m * 1e-6, m * 1e-2)}, "L2 penalty; acts as lambda/m"),
        _line("keep_prob", {"uniform": [0.5, 1.0]}, "dropout: share of units that are kept"),
        None if is_small else _line("optimizer", "adam", "or momentum, with alpha from 0.01 to 1"),
        _line("alpha", {"log_uniform": rates}, "learning rate"),
        _line("beta", {"one_minus_log_uniform": [0.8, longest_memory]}, "momentum: averages about 1/(1 - beta) steps"),
        _line("batch_size", {"power_of_two": [smallest, largest]}, "examples per mini-batch"),
        _line("initializer", {"choice": ["he", "xavier", "lecun"]}, "how the weights are initialized"),
        _line("weight_average", 0.98, "the network is the average of its weights over about 50 steps; 0: the last"),
        _line(
            "shift", {"uniform": [0.0, float(shape.most_shift)]}, "images are moved by up to so many pixels in training"
        )
        if shape.most_shift
        else None,
    ]
    first = "[space]" + " " * (ALIGN - 7) + "# a plain value fixes a hyperparameter, a table searches it"
    return [first, *(line for line in lines if line is not None)]


def _without(shape: DataShape) -> str:
    """Return what a network without a hidden layer is."""
    return f"{'logistic' if shape.unit.is_share else 'linear'} regression"


def _search(shape: DataShape) -> list[str]:
    metric = shape.metric
    of_metric = metric.why or _other_metrics(metric) if shape.unit.is_share else "RMSE; or absolute_error"
    return [
        "[search]",
        _line("trials", 100, "the study's budget: complete + pruned trials"),
        _line("metric", metric.name, of_metric),
        _line("sampler", "tpe", "or random, qmc, gp, cmaes, grid, nsgaii"),
        _line("explore", 0.25, "share of trials spread evenly over the space, never pruned"),
        _line("pruner", "median", "or hyperband, none; wilcoxon with folds"),
        _line("seed", 0, "seed of every random draw of the search"),
    ]


def _diagnosis(unit: Unit) -> list[str]:
    baseline, gap, name = 0.05, unit.material_gap, unit.name
    of_baseline, by_default = "human-level or Bayes error, if known", "2 pp of an error"
    if not unit.is_share:
        baseline = gap = two_digits(gap)
        of_baseline = f"{name} of people or of noise, if known"
        by_default = f"2% of the {name} of predicting the mean"
        if unit.targets:
            of_baseline += ", in standard deviations"
    return [
        "[diagnosis]" + " " * (ALIGN - 11) + "# may be changed at any time",
        "# " + _line("baseline_error", baseline, of_baseline),
        "# " + _line("material_gap", gap, f"smaller gaps do not matter; by default {by_default}, following the metric"),
    ]


def _line(key: str, value: Any, comment: str) -> str:
    return f"{key} = {toml(value)}".ljust(ALIGN - 1) + f" # {comment}"


def _ends(low: float, high: float) -> list[float]:
    """Round the ends of a range to two digits."""
    return [two_digits(end) for end in (low, high)]


def two_digits(number: float) -> float:
    """Round a number to two digits."""
    return float(f"{number:.2g}")


def _other_metrics(chosen: Metric) -> str:
    return "or " + ", ".join(name for name, metric in METRICS.items() if metric is not chosen and not metric.of_numbers)
