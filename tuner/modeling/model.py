"""The model: networks with the way from raw rows to them, used like a classifier or regressor of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import SeedsError
from tuner.arguments import flag
from tuner.arguments import path as path_of
from tuner.data import Encoding, class_indices, encode_frame, rows_frame
from tuner.errors import ArgumentError, DataError, ModelError
from tuner.files import whole_file
from tuner.inputs import Inputs
from tuner.metrics import Metric
from tuner.modeling.archive import pack, read_archive
from tuner.modeling.metadata import ModelMetadata
from tuner.nn import Network, classify_each

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 64  # rows
DIGITS = 19  # of an integer with 64 bits
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Predictions:
    """Class indices (n,) and class probabilities (n, n_classes) of n rows.

    ``has_probabilities``: False for networks that only predict classes, whose probabilities are their shares of votes.
    Of a model for numbers: the predicted numbers (n,) in their own unit, and the same as (n, 1), or quantiles (n, K);
    of several targets both are (n, n_targets).
    """

    classes: NDArray[Any]
    probabilities: NDArray[Any]
    has_probabilities: bool = True

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """Concatenate the predictions of several sets of rows."""
        classes = np.concatenate([part.classes for part in parts])
        probabilities = np.concatenate([part.probabilities for part in parts])
        return cls(classes, probabilities, all(part.has_probabilities for part in parts))


@dataclass(frozen=True)
class Repetition:
    """The train and dev errors of a trial trained again, one per seed, and what differs from its record.

    The first seed is the trial's own.  ``spread``: the mean dev error over seeds with its interval; None for one seed.
    """

    train_errors: list[float]
    dev_errors: list[float]
    differences: list[str]
    spread: SeedsError | None

    @property
    def is_exact(self) -> bool:
        """Whether the record was repeated bit for bit."""
        return not self.differences


class Model:
    """A trained model: ``predict``, ``predict_proba``, ``score``, ``classes_`` and ``save``.

    A model for numbers has ``predict``, ``score`` and ``save``.

    Rows are raw, as in training: a DataFrame with the columns of the data (more are ignored, the target may be absent),
    or an array with these columns in their order.  The probabilities, or numbers, of several networks are averaged.
    ``repetition``, in the process that trained it: the errors of the repeated trial, None where none was repeated.
    """

    repetition: Repetition | None = None

    def __init__(self, metadata: ModelMetadata, thetas: Sequence[Floats], *, block: int | None = None) -> None:
        self.metadata = metadata
        self._block = block
        self.networks: Sequence[Any] = [
            Network(shape, theta) for shape, theta in zip(metadata.architectures, thetas, strict=True)
        ]
        self.encodings: list[Encoding] = metadata.encodings

    def __repr__(self) -> str:
        return f"Model(study={self.metadata.study!r}, {self.metadata.described()})"

    @cached_property
    def classes_(self) -> NDArray[Any]:
        """The classes in the order of the probabilities' columns: integers, booleans or text, as in training."""
        self._require_classes("classes_")
        names = self.metadata.class_names
        if all(name.removeprefix("-").isdecimal() and len(name) < DIGITS and str(int(name)) == name for name in names):
            return np.array([int(name) for name in names])
        if set(names) == {"False", "True"}:
            return np.array([name == "True" for name in names])
        return np.array(names)

    @property
    def errors(self) -> dict[str, dict[str, Any]]:
        """The measured errors, each with its interval and ``of``: whose error it is."""
        return {name: error.model_dump() for name, error in self.metadata.errors.items()}

    @property
    def threshold(self) -> tuple[Any, float] | None:
        """The class that is predicted from a probability on, and this probability; None without a threshold."""
        decision = self.metadata.decision
        if decision is None or decision.threshold is None:
            return None
        return self.classes_[decision.threshold.positive], decision.threshold.value

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """The columns that the model uses."""
        return np.array(self.encodings[0].used_columns, dtype=object)

    def classify(self, frame: pd.DataFrame, where: str = "the rows") -> Predictions:
        """Classes and probabilities of raw rows."""
        return self.classify_encoded(encode_frame(self.encodings, frame, where))

    def classify_encoded(self, inputs: Sequence[Inputs]) -> Predictions:
        """Classes and probabilities of encoded rows: inputs for each encoding."""
        each = inputs if len(inputs) == 1 else [inputs[k % len(inputs)] for k in range(len(self.networks))]
        return self.average(range(len(self.networks)), each)

    def average(self, places: Sequence[int], inputs: Sequence[Inputs]) -> Predictions:
        """Classes and mean probabilities of some of the networks, on the same inputs or on one's own each."""
        with np.errstate(over="ignore", invalid="ignore"):
            classes, probabilities = classify_each([self.networks[k] for k in places], inputs, self._block)
        if np.isnan(probabilities).any():
            what = "probability" if self.metadata.unit.is_share else "prediction"
            raise DataError(f"the model: a {what} is not a number; its weights or a row's numbers are too large")
        if not self.metadata.unit.is_share:
            predicted = self.metadata.unit.predicted
            return Predictions(*(predicted(each.mean(axis=0, dtype=np.float64)) for each in (classes, probabilities)))
        if self.metadata.decision is None and self.metadata.loss is None and len(places) == 1:
            return Predictions(classes[0], probabilities[0])
        return self._decided(probabilities.mean(axis=0, dtype=probabilities.dtype))

    def _decided(self, mean: Floats, *, has_probabilities: bool = True) -> Predictions:
        """Classes and probabilities from the mean probabilities (n, n_classes) of the networks."""
        decision = self.metadata.decision
        calibrated = mean if decision is None else decision.rule.probabilities(mean)
        return Predictions(self.decide(calibrated), calibrated.astype(mean.dtype, copy=False), has_probabilities)

    def decide(self, probabilities: NDArray[Any]) -> Ints:
        """Class indices (n,) from the model's probabilities (n, n_classes): by its threshold, if it has one."""
        decision = self.metadata.decision
        if decision is None or decision.threshold is None:
            return self._counted_by.decide(probabilities)
        return decision.rule.classes(probabilities)

    @cached_property
    def _counted_by(self) -> Metric:
        """The metric whose rule decides, unless there is a threshold."""
        return self.metadata.counted_by

    @cached_property
    def in_double_precision(self) -> Model:
        """The same model, computing in float64 and in blocks of equally many rows.

        Otherwise the last bits of a row's probabilities depend on the number of rows and on its place among them.
        """
        return Model(self.metadata, [network.theta.astype(np.float64) for network in self.networks], block=BLOCK)

    def predict_proba(self, X: Any) -> Floats:
        """Class probabilities (n, n_classes), columns in the order of ``classes_``.  Raises DataError.

        Raises AttributeError for a model for numbers.
        """
        self._require_classes("predict_proba")
        return self.classify(rows_frame(X, self.encodings[0])).probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row, by costs or threshold if it has them; or the predicted number; (n,).

        Of several targets the numbers (n, n_targets), in the order of the definition.
        """
        if not self.metadata.unit.is_share:
            return self.classify(rows_frame(X, self.encodings[0])).classes
        labels: NDArray[Any] = self.classes_[self.classify(rows_frame(X, self.encodings[0])).classes]
        return labels

    @property
    def quantiles_(self) -> tuple[float, ...]:
        """The quantiles that a model for numbers predicts, rising; empty if only the number itself."""
        architecture = self.metadata.architecture
        return () if architecture is None else architecture.functions.quantiles

    def predict_quantiles(self, X: Any) -> NDArray[np.float64]:
        """The predicted quantiles of each row, (n, K), in the order of ``quantiles_``; the median is what is predicted.

        Raises AttributeError for a model without quantiles.
        """
        if not self.quantiles_:
            raise AttributeError("predict_quantiles: this model was trained without quantiles in [network]")
        return self.classify(rows_frame(X, self.encodings[0])).probabilities

    def score(self, X: Any, y: Any) -> float:
        """Accuracy: the share of rows whose class is predicted; a label that is not a class is wrong.

        Of numbers: R², the share of their variance that is explained, of several targets the mean of theirs.
        """
        if not self.metadata.unit.is_share:
            from sklearn.metrics import r2_score

            return float(r2_score(np.asarray(y, dtype=np.float64), self.predict(X)))
        predicted = self.classify(rows_frame(X, self.encodings[0])).classes
        labels = class_indices(y, self.metadata.class_names)
        if len(labels) != len(predicted):
            raise ArgumentError(f"y: expected {len(predicted)} labels, one per row of X, got {len(labels)}")
        return float(np.mean(labels == predicted))

    def _require_classes(self, name: str) -> None:
        if not self.metadata.unit.is_share:
            raise AttributeError(f"{name}: this model predicts numbers, not classes")

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the model to a file, whole or not at all.

        A file that exists is replaced only with `force`, unless it is an earlier model of the same trial on the same
        data.  A database, data file, study file or model of another study is never replaced.
        """
        path, ours = path_of("path", path), self.metadata
        flag("force", force)
        earlier = earlier_model(path, ours.study)
        is_same_trial = earlier is not None and (earlier.trial, earlier.fingerprint) == (ours.trial, ours.fingerprint)
        with whole_file(path, force=force or is_same_trial, is_ours=lambda _: earlier is not None) as file:
            file.write(pack(ours, [network.theta for network in self.networks]))
        return path


def earlier_model(path: Path, study: str) -> ModelMetadata | None:
    """Read the metadata of a model of the study at a path; None if there is none."""
    try:
        metadata, _ = read_archive(path)
    except ModelError:
        return None
    return metadata if metadata.study == study else None
