"""`Classifier` and `Regressor`: a search as a scikit-learn estimator."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    _check_y,
    check_consistent_length,
    check_is_fitted,
    check_random_state,
    column_or_1d,
    validate_data,
)

from tuner.arguments import integer, number, optional_text, unexpected
from tuner.data import as_table, names_of
from tuner.errors import ArgumentError, DataError, DefinitionError, SearchError, UsageError
from tuner.formatting import message_of, shorten, some_of
from tuner.metrics import BALANCED_ERROR, COST
from tuner.modeling import TRAIN_DEV, DecisionRequest, FitRequest, Model, fit_deciding, fit_model
from tuner.reporting import Report, build_report
from tuner.running import SearchRequest, run_search
from tuner.storage import sqlite_url
from tuner.study import Definition, uses_folds
from tuner.trial import trial_settings
from tuner.workspace import DataInMemory, open_data_in_memory, read_prepared, tables_of

FOLDS = 5


class _SearchEstimator(BaseEstimator):  # type: ignore[misc]
    """What the estimators have in common: parameters, checks of rows, and the search."""

    model_: Model
    report_: Report

    def __init__(
        self,
        trials: int = 10,
        *,
        timeout: float | None = None,
        workers: int = 1,
        storage: str | None = None,
        name: str | None = None,
        definition: Definition | Mapping[str, Any] | str | Path | None = None,
        random_state: Any = None,
    ) -> None:
        self.trials = trials
        self.timeout = timeout
        self.workers = workers
        self.storage = storage
        self.name = name
        self.definition = definition
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _check_parameters(self) -> None:
        for name in ("trials", "workers"):
            integer(f"{type(self).__name__}: {name}", getattr(self, name), low=1)
        if self.timeout is not None:
            number(f"{type(self).__name__}: timeout", self.timeout, above=0)
        for name in ("storage", "name"):
            optional_text(f"{type(self).__name__}: {name}", getattr(self, name))

    def _search_in(self, X: Any, y: NDArray[Any], sample_weight: Any, groups: Any, seed: int) -> None:
        """Search and train in the storage, or in a temporary one."""
        try:
            if self.storage is not None:
                self._search(X, y, sample_weight, groups, seed, self.storage)
            else:
                with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
                    temporary = sqlite_url(Path(folder) / "tuner.db").render_as_string()
                    self._search(X, y, sample_weight, groups, seed, temporary)
        except (DataError, DefinitionError, UsageError) as error:
            raise ArgumentError(str(error)) from error

    def _checked(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> tuple[Any, Any, Any, Any]:
        """X, y, weights and groups as scikit-learn requires them, without rows of weight 0."""
        X = self._rows(X, y, reset=True)
        y = self._column(y)
        check_consistent_length(X, y)
        if sample_weight is None:
            return X, y, None, groups
        sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        every = (X, y, sample_weight, groups)
        X, y, sample_weight, groups = (
            rows if rows is None else _safe_indexing(rows, sample_weight > 0) for rows in every
        )
        return X, y, sample_weight, groups

    def _column(self, y: Any) -> Any:
        """The classes or numbers to predict, (n,)."""
        return column_or_1d(y, warn=True)

    def _search(self, X: Any, y: NDArray[Any], sample_weight: Any, groups: Any, seed: int, storage: str) -> None:
        with _argument_errors(type(self).__name__):
            data, target, column = _with_target(X, y)
        tables = tables_of(self.definition)
        of_data = tables.get("data")
        given = of_data or {}
        definition, of_target = self._of_target(tables, column)
        settings: dict[str, Any] = {
            **of_target,
            "data.split": {**given.get("split", {}), "test": 0},
            "search.trials": int(self.trials),
            "search.seed": seed,
        }
        if of_data is None and uses_folds(len(y)):
            settings["data.folds"] = min(FOLDS, len(y) // 2)
        opened = open_data_in_memory(
            DataInMemory(data=data, target=target, groups=groups, sample_weight=sample_weight),
            name=self.name,
            storage=storage,
            definition=definition,
            settings=settings,
            cache=False,
        )
        opened.definition.require_training_again(type(self).__name__)
        result = run_search(
            opened, SearchRequest(total=int(self.trials), workers=int(self.workers), timeout=self.timeout)
        )
        result.raise_signal()
        record = read_prepared(opened)
        if record.best is None:
            diverged = record.count().diverged
            why = (
                f"all {diverged} trials diverged; more of them may help: raise trials"
                if diverged
                else f"none was complete within {self.timeout} s"
            )
            raise SearchError(f"{type(self).__name__}: no usable trial: {why}")
        self.report_ = build_report(record if self.storage is not None else replace(record, storage=""))
        on_all = opened.definition.data.folds is None
        request = FitRequest(on=TRAIN_DEV if on_all else "train", corrected=self.report_.corrected)
        of_trials = trial_settings(opened.definition, record.facts)
        fit = partial(fit_model, record, opened.dataset, of_trials)
        self.model_ = fit_deciding(fit, request, self._wanted(), record, opened.dataset, of_trials)

    def _wanted(self) -> DecisionRequest | None:
        """What the model makes of its probabilities, besides predicting the most probable class."""
        return None

    def _of_target(self, tables: Mapping[str, Any], column: str) -> tuple[Any, dict[str, Any]]:
        """The definition, and settings for the column of the target."""
        raise NotImplementedError

    def _rows(self, X: Any, *y: Any, reset: bool) -> Any:
        """X, validated as scikit-learn requires: numbers are checked, a DataFrame only for its columns."""
        if hasattr(X, "to_pandas"):
            X = as_table(X, "X")
        if hasattr(X, "columns") and hasattr(X, "iloc"):
            validate_data(self, X, *y, reset=reset, skip_check_array=True)
            return X
        several = {"multi_output": True} if y and self.__sklearn_tags__().target_tags.multi_output else {}
        validated = validate_data(self, X, *y, reset=reset, dtype="numeric", ensure_all_finite="allow-nan", **several)
        return validated[0] if y else validated


class Classifier(ClassifierMixin, _SearchEstimator):  # type: ignore[misc]
    """A scikit-learn estimator whose `fit` searches the network's hyperparameters.

    `fit` runs `trials` trials (or as many as end within `timeout` seconds) on `workers` processes; hold out test rows
    yourself.  Trials are compared on 5 folds below 5,000 rows (below 10 rows, on one for each pair of rows), and the
    model is the ensemble of the best trial's networks.  With more rows they are compared on a fifth of the rows, and
    one network is trained with the best trial's hyperparameters on all rows.  X may be a DataFrame with categorical,
    boolean and date columns, or numbers; values may be missing.

    `definition`: a `tuner.Definition`, a dict of the same tables, or a TOML path, whose missing sections are made for
    the data; `trials` and `random_state` override its number of trials and its seed, and it has no test set.

    `class_weight`: the weight of each class in the cost, "balanced" or a dict of labels; errors do not weigh classes.
    Trials and epochs are then chosen by the balanced error ("balanced") or the cost, unless the definition has a metric
    and `monitor` of its own.

    `threshold_for`: of two classes, choose the probability from which the rarer one is predicted, on the rows that
    trials are compared on: for "f1", "balanced_error", "cost", "precision>=0.9" or "recall>=0.8".  `calibrate`:
    calibrate the probabilities there, by "temperature" or "isotonic" regression.

    The trials are stored in a temporary database unless `storage` names one; there the study is named `name`, or after
    data and settings, and the same fit again continues it.

    Attributes: `classes_`, `n_features_in_`, `feature_names_in_` (of a DataFrame), `model_` (a `tuner.Model`) and
    `report_` (a `tuner.Report`: bias, variance, what to do next).
    """

    model_: Model
    report_: Report
    classes_: NDArray[Any]

    def __init__(
        self,
        trials: int = 10,
        *,
        timeout: float | None = None,
        workers: int = 1,
        storage: str | None = None,
        name: str | None = None,
        definition: Definition | Mapping[str, Any] | str | Path | None = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        threshold_for: str | None = None,
        calibrate: Literal["temperature", "isotonic"] | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            trials,
            timeout=timeout,
            workers=workers,
            storage=storage,
            name=name,
            definition=definition,
            random_state=random_state,
        )
        self.class_weight = class_weight
        self.threshold_for = threshold_for
        self.calibrate = calibrate

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None) -> Self:
        """Search, then train the best trial again.  Raises ValueError if the data cannot be used.

        `sample_weight`: (n,) numbers ≥ 0, what each row counts for in the cost and in every error; rows of weight 0 are
        left out.  `groups`: the group of each row, never split between the rows to train and to compare on.
        scikit-learn routes both here after `set_fit_request(sample_weight=True, groups=True)`.
        """
        self._check_parameters()
        with _argument_errors("Classifier"):
            _refuse_missing(y)
            check_classification_targets(y)
            X, y, sample_weight, groups = self._checked(X, y, sample_weight, groups)
            self.classes_, labels = np.unique(y, return_inverse=True)
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        counts = np.bincount(labels)
        if len(counts) < 2:
            names = f"1 class: {shorten(str(self.classes_[0]))}" if len(counts) else "no rows"
            raise ArgumentError(f"Classifier: expected 2 or more classes in y, got {names}")
        if counts.min() < 2:
            label = self.classes_[counts.argmin()]
            raise ArgumentError(f"Classifier: expected 2 or more rows of every class, got 1 of class {label}")
        self._search_in(X, np.array(names_of(self.classes_))[labels], sample_weight, groups, seed)
        return self

    def _of_target(self, tables: Mapping[str, Any], column: str) -> tuple[Any, dict[str, Any]]:
        kinds = tables.get("data", {}).get("columns", {})
        settings: dict[str, Any] = {"data.columns": {**kinds, column: "categorical"}}  # numeric labels are classes, too
        if self.class_weight is not None:
            weights = self._class_weight()
            settings["training.class_weight"] = weights
            metric = BALANCED_ERROR if weights == "balanced" else COST
            for section, key in (("search", "metric"), ("training", "monitor")):
                if key not in tables.get(section, {}):
                    settings[f"{section}.{key}"] = metric.name
        return self.definition, settings

    def _check_parameters(self) -> None:
        super()._check_parameters()
        with _argument_errors("Classifier"):
            self._wanted()

    def _wanted(self) -> DecisionRequest | None:
        return DecisionRequest.parse(self.threshold_for, self.calibrate)

    def _class_weight(self) -> str | dict[str, float]:
        """The class weights by the classes' names in the data.  Raises ArgumentError."""
        given = self.class_weight
        if isinstance(given, str) and given == "balanced":  # an array would be compared cell by cell
            return given
        if not isinstance(given, Mapping):
            raise unexpected("Classifier: class_weight", 'None, "balanced" or a dict of labels', given)
        names = dict(zip(self.classes_.tolist(), names_of(self.classes_), strict=True))
        for label, weight in given.items():
            if label not in names:
                raise unexpected("Classifier: class_weight", f"labels among {some_of([*names.values()])}", label)
            number(f"Classifier: class_weight of {label}", weight, above=0, high=1e6)
        return {names[label]: float(weight) for label, weight in given.items()}

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Class probabilities (n, n_classes), columns in the order of `classes_`."""
        check_is_fitted(self)
        columns = self._columns()
        with _argument_errors("Classifier"):
            X = self._rows(X, reset=False)
        precise = self.model_.in_double_precision.predict_proba(X)
        return precise[:, columns].astype(np.float32)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row, (n,); that of a threshold, or with costs of the lowest expected cost."""
        given, columns = self.predict_proba(X), self._columns()
        probabilities = np.empty_like(given)
        probabilities[:, columns] = given
        places = self.model_.decide(probabilities)
        classes: NDArray[Any] = self.classes_[np.argsort(columns)[places]]
        return classes

    def _columns(self) -> list[int]:
        """The columns of the model's probabilities in the order of `classes_`."""
        return [self.model_.metadata.class_names.index(name) for name in names_of(self.classes_)]


class Regressor(RegressorMixin, _SearchEstimator):  # type: ignore[misc]
    """A scikit-learn estimator of numbers whose `fit` searches the network's hyperparameters.

    All parameters, folds, storage and rows are those of `Classifier`, which has no number to predict.  Trials are
    compared by their root mean squared error; `score` is R².  With y of shape (n, n_targets) one network predicts
    several numbers: errors are in standard deviations of the targets, and `score` is the mean of their R².

    Attributes: `n_features_in_`, `feature_names_in_` (of a DataFrame), `model_` (a `tuner.Model`) and `report_` (a
    `tuner.Report`: bias, variance, what to do next, in the unit of y).
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None) -> Self:
        """Search, then train the best trial again.  Raises ValueError if the data cannot be used.

        `sample_weight` and `groups` as of `Classifier.fit`.
        """
        self._check_parameters()
        with _argument_errors("Regressor"):
            X, y, sample_weight, groups = self._checked(X, y, sample_weight, groups)
            several = np.asarray(y).ndim > 1
            numbers = _check_y(y, multi_output=several, y_numeric=True, estimator=self).astype(np.float64)
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        alike = np.flatnonzero(numbers.min(axis=0) == numbers.max(axis=0))
        if len(alike):
            rows = "1 sample" if len(numbers) == 1 else f"{len(numbers)} rows of one number"
            of = f"column {alike[0]} of y" if several else "y"
            raise ArgumentError(f"Regressor: expected 2 or more different numbers in {of}, got {rows}")
        self._search_in(X, numbers, sample_weight, groups, seed)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _column(self, y: Any) -> Any:
        """The numbers to predict, (n,), or of several targets (n, n_targets)."""
        shape = np.asarray(y).shape
        return y if len(shape) == 2 and shape[1] > 1 else column_or_1d(y, warn=True)

    def _of_target(self, tables: Mapping[str, Any], column: str) -> tuple[Any, dict[str, Any]]:
        return {**tables, "network": {**tables.get("network", {}), "task": "regression"}}, {}

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The predicted number of each row, (n,), or of several targets (n, n_targets)."""
        check_is_fitted(self)
        with _argument_errors("Regressor"):
            X = self._rows(X, reset=False)
        numbers: NDArray[np.float64] = self.model_.in_double_precision.predict(X)
        return numbers

    def predict_quantiles(self, X: Any) -> NDArray[np.float64]:
        """The predicted quantiles of each row, (n, K), in the order of `quantiles` in `[network]` of the definition."""
        check_is_fitted(self)
        with _argument_errors("Regressor"):
            X = self._rows(X, reset=False)
        return self.model_.in_double_precision.predict_quantiles(X)


@contextmanager
def _argument_errors(estimator: str) -> Iterator[None]:
    """Say in one line what scikit-learn, or the library of an odd cell, says in several."""
    try:
        yield
    except Exception as error:
        raise ArgumentError(f"{estimator}: {message_of(error)}") from error


def _refuse_missing(y: Any) -> None:
    """Raise ArgumentError for a label that is missing, as None, NaN or pandas' NA."""
    from pandas import isna

    absent = np.flatnonzero(isna(np.asarray(y, dtype=object).ravel()))
    if len(absent) and y is not None:
        more = f" (and {len(absent) - 1:,} more)" if len(absent) > 1 else ""
        raise ArgumentError(f"y: the label of row {absent[0]}{more} is missing; expected a class for every row")


def _with_target(X: Any, labels: NDArray[Any]) -> tuple[Any, Any, str]:
    """The rows and their classes as a study takes them, a DataFrame with one more column or two arrays; its name.

    Numbers of several targets stay apart.
    """
    if not hasattr(X, "columns") or labels.ndim > 1:
        return X, labels, "y"
    target = "class" if labels.dtype.kind == "U" else "y"
    while target in X.columns:
        target += "_"
    return X.assign(**{target: labels}), target, target
