"""Wrong arguments are refused with the value found and the bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.nn.helpers import blobs, trained
from tuner.errors import ArgumentError, InputError
from tuner.nn import Architecture, Examples, Hyperparameters, Stopping, train
from tuner.nn.arrays import Array

BASE = Hyperparameters(hidden=(4,))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep_prob": 0}, r"keep_prob must be in \(0, 1\], got 0"),
        ({"keep_prob": 1.2}, r"keep_prob must be in \(0, 1\], got 1.2"),
        ({"keep_prob": float("nan")}, r"keep_prob must be in \(0, 1\], got nan"),
        ({"keep_prob": (0.5, 0.5), "hidden": (3,)}, r"keep_prob must be one number or 1 .* got 2"),
        ({"lambda_": -1}, r"lambda must be in \[0, inf\), got -1"),
        ({"l1": -0.5}, r"l1 must be in \[0, inf\), got -0.5"),
        ({"alpha": 0}, r"alpha must be in \(0, inf\), got 0"),
        ({"alpha": float("inf")}, r"alpha must be in \(0, inf\), got inf"),
        ({"beta": 1}, r"beta must be in \[0, 1\), got 1"),
        ({"beta2": -0.1}, r"beta2 must be in \[0, 1\), got -0.1"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"batch_size": 48}, r"batch_size must be a power of two, got 48 \(the nearest are 32 and 64\)"),
        ({"batch_size": "half"}, "batch_size must be a whole number of at least 1, got 'half'"),
        ({"batch_size": True}, "batch_size must be a whole number of at least 1, got True"),
        ({"hidden": (3, 0)}, "hidden must be a whole number of at least 1, got 0"),
        ({"activation": "swish"}, "activation must be one of leaky_relu, relu, sigmoid, tanh, got 'swish'"),
        ({"initializer": "ones"}, "initializer must be one of he, .* got 'ones'"),
        ({"optimizer": "lion"}, "optimizer must be one of adam, .* got 'lion'"),
        ({"schedule": "linear"}, "schedule must be one of constant, .* got 'linear'"),
        ({"decay_rate": -1}, r"decay_rate must be in \[0, inf\), got -1"),
        ({"decay_epochs": 0}, "decay_epochs must be a whole number of at least 1, got 0"),
        ({"warmup_epochs": -1}, "warmup_epochs must be a whole number of at least 0, got -1"),
    ],
    ids=str,
)
def test_hyperparameters(settings: dict[str, Any], message: str) -> None:
    """Each has its bounds."""
    with pytest.raises(ArgumentError, match=message):
        Hyperparameters(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_epochs": 0}, "max_epochs must be a whole number of at least 1, got 0"),
        ({"patience": 0}, "patience must be a whole number of at least 1, got 0"),
        ({"min_updates": -1}, "min_updates must be a whole number of at least 0, got -1"),
        ({"min_improvement": -0.1}, r"min_improvement must be in \[0, inf\), got -0.1"),
        ({"monitor": "auc"}, "monitor must be one of balanced_error, cost, error, got 'auc'"),
    ],
    ids=str,
)
def test_stopping(settings: dict[str, Any], message: str) -> None:
    """Each has its bounds."""
    with pytest.raises(ArgumentError, match=message):
        Stopping(**settings)


def changed(part: str, place: Any, value: float) -> Examples:
    """Blobs with one entry of X, y or weights changed."""
    data = {"X": blobs(20).X.copy(), "y": blobs(20).y.copy(), "weights": np.ones(20)}
    data[part][place] = value
    return Examples(**data)


PLAIN = blobs(20)
BROKEN = {
    "nan": changed("X", (3, 2), np.nan),
    "inf": changed("X", (3, 2), np.inf),
    "label": changed("y", 4, 3),
    "negative label": changed("y", 4, -1),
    "float labels": Examples(PLAIN.X, PLAIN.y.astype(float)),
    "length": Examples(PLAIN.X, PLAIN.y[:-1]),
    "1-D": Examples(PLAIN.X[:, 0], PLAIN.y),
    "empty": Examples(PLAIN.X[:0], PLAIN.y[:0]),
    "weight length": Examples(PLAIN.X, PLAIN.y, np.ones(19)),
    "negative weight": changed("weights", 0, -2),
    "zero weights": changed("weights", slice(None), 0),
    "nan weight": changed("weights", 5, np.nan),
}

MESSAGES = {
    "nan": r": X must be finite, got nan at \(3, 2\)",
    "inf": r": X must be finite, got inf at \(3, 2\)",
    "label": ": y must be classes 0 to 2, got 3",
    "negative label": ": y must be classes 0 to 2, got -1",
    "float labels": ": y must be integers, got float64",
    "length": r": X must be \(n, n_features\) and y \(n,\), got \(20, 6\) and \(19,\)",
    "1-D": r": X must be \(n, n_features\) and y \(n,\), got \(20,\) and \(20,\)",
    "empty": " must have at least 1 example, got 0",
    "weight length": r": weights must have shape \(20,\), got \(19,\)",
    "negative weight": ": weights must be at least 0 and not all 0, got -2",
    "zero weights": ": weights must be at least 0 and not all 0, got 0",
    "nan weight": ": weights must be finite, got nan at 5",
}


@pytest.mark.parametrize("part", ["train", "dev"])
@pytest.mark.parametrize("change", MESSAGES)
def test_examples(change: str, part: str) -> None:
    """What cannot be trained on is refused, with the set and the place."""
    given = {"data" if part == "train" else "dev": BROKEN[change]}
    with pytest.raises(ArgumentError, match=part + MESSAGES[change]):
        trained(BASE, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"seeds": ()}, "seeds must hold at least 1 seed, got 0"),
        ({"seeds": (0, 1), "data": [blobs(20)]}, r"train must be one or 2 \(one per seed\), got 1"),
        ({"seeds": (0, 1), "dev": [blobs(20)] * 3}, r"dev must be one or 2 \(one per seed\), got 3"),
        ({"dev": blobs(20, n_features=5)}, "dev: X must have 6 columns, got 5"),
        ({"penalty_per": "epoch"}, "penalty_per must be one of mini_batch, train_set, got 'epoch'"),
        ({"output": "linear"}, "output must be one of sigmoid, softmax, got 'linear'"),
        ({"output": "sigmoid"}, '"sigmoid" needs exactly 2 classes, got 3'),
        ({"dtype": np.float16}, "dtype must be float32 or float64, got float16"),
        ({"initial": np.zeros(7)}, r"initial must have shape \(43,\) or \(1, 43\), got \(7,\)"),
        ({"initial": np.full(43, np.inf)}, "initial must be finite, got inf"),
        ({"order": lambda epoch: np.arange(3)}, r"order must hold each of 0 to 199 once, got shape \(3,\)"),
        ({"order": lambda epoch: np.zeros(200, int)}, "order must hold each of 0 to 199 once"),
        ({"augment": lambda rng, X: X[:, :2]}, r"augment must return shape \(64, 6\), got \(64, 2\)"),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, dict) else "",
)
def test_train(others: dict[str, Any], message: str) -> None:
    """Arguments that do not fit together."""
    with pytest.raises(ArgumentError, match=message):
        trained(BASE, **others)


def test_one_class_is_no_classification() -> None:
    """At least two classes are needed."""
    with pytest.raises(ArgumentError, match="n_classes must be a whole number of at least 2, got 1"):
        train(blobs(20), None, n_classes=1, hyperparameters=BASE, seeds=[0], stopping=Stopping())


def test_shapes_of_parameters() -> None:
    """Both flatten and views name the layer and both shapes."""
    architecture = Architecture(3, (4,), 2)
    given: list[tuple[Array, Array]] = [(np.zeros((3, 4)), np.zeros(4)), (np.zeros((2, 4)), np.zeros(2))]
    with pytest.raises(ArgumentError, match=r"W2 must have shape \(4, 2\), got \(2, 4\)"):
        architecture.flatten(given)
    with pytest.raises(ArgumentError, match=r"parameters must have 2 \(W, b\) pairs, got 1"):
        architecture.flatten(given[:1])
    with pytest.raises(ArgumentError, match=r"theta must have 26 entries for \(3, 4, 2\), got 25"):
        architecture.views(np.zeros(25))


def test_shapes_of_predictions() -> None:
    """X with another number of columns is refused."""
    network = trained(BASE, epochs=1).networks[0]
    with pytest.raises(ArgumentError, match=r"X must have shape \(n, 6\), got \(5, 4\)"):
        network.predict(np.zeros((5, 4)))


def test_errors_are_input_errors_and_value_errors() -> None:
    """The command line ends with 2, and a script may catch ValueError."""
    with pytest.raises(InputError):
        Hyperparameters(alpha=-1)
    with pytest.raises(ValueError, match="alpha"):
        Hyperparameters(alpha=-1)
