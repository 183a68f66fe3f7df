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
        ({"keep_prob": 0}, "keep_prob: expected a number > 0 and ≤ 1, got 0"),
        ({"keep_prob": 1.2}, "keep_prob: expected a number > 0 and ≤ 1, got 1.2"),
        ({"keep_prob": float("nan")}, "keep_prob: expected a number > 0 and ≤ 1, got nan"),
        ({"keep_prob": (0.5, 0.5), "hidden": (3,)}, r"keep_prob: expected one number or 1 .* got 2"),
        ({"lambda_": -1}, r"lambda: expected a number ≥ 0, got -1"),
        ({"l1": -0.5}, r"l1: expected a number ≥ 0, got -0.5"),
        ({"alpha": 0}, r"alpha: expected a number > 0, got 0"),
        ({"alpha": float("inf")}, r"alpha: expected a number > 0, got inf"),
        ({"beta": 1}, r"beta: expected a number ≥ 0 and < 1, got 1"),
        ({"beta2": -0.1}, r"beta2: expected a number ≥ 0 and < 1, got -0.1"),
        ({"batch_size": 0}, "batch_size: expected an integer ≥ 1, got 0"),
        ({"batch_size": 48}, "batch_size: expected a power of two, like 32 or 64, got 48"),
        ({"batch_size": "half"}, "batch_size: expected an integer ≥ 1, got 'half'"),
        ({"batch_size": True}, "batch_size: expected an integer ≥ 1, got True"),
        ({"hidden": (3, 0)}, "hidden: expected an integer ≥ 1, got 0"),
        (
            {"activation": "swish"},
            "activation: expected one of gelu, leaky_relu, mish, relu, selu, sigmoid, silu, tanh, got 'swish'",
        ),
        ({"initializer": "ones"}, "initializer: expected one of he, .* got 'ones'"),
        ({"optimizer": "lion"}, "optimizer: expected one of adam, .* got 'lion'"),
        ({"schedule": "linear"}, "schedule: expected one of constant, .* got 'linear'"),
        ({"decay_rate": -1}, r"decay_rate: expected a number ≥ 0, got -1"),
        ({"decay_epochs": 0}, "decay_epochs: expected an integer ≥ 1, got 0"),
        ({"decay_start": -1}, "decay_start: expected an integer ≥ 0, got -1"),
        ({"warmup_epochs": -1}, "warmup_epochs: expected an integer ≥ 0, got -1"),
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
        ({"max_epochs": 0}, "max_epochs: expected an integer ≥ 1, got 0"),
        ({"patience": 0}, "patience: expected an integer ≥ 1, got 0"),
        ({"min_updates": -1}, "min_updates: expected an integer ≥ 0, got -1"),
        ({"min_improvement": -0.1}, r"min_improvement: expected a number ≥ 0, got -0.1"),
        ({"monitor": "accuracy"}, "monitor: expected one of .*, balanced_error, .*, error, .*, got 'accuracy'"),
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
    "nan": r": expected finite X, got nan at \(3, 2\)",
    "inf": r": expected finite X, got inf at \(3, 2\)",
    "label": ": expected classes 0 to 2 in y, got 3",
    "negative label": ": expected classes 0 to 2 in y, got -1",
    "float labels": ": expected integers in y, got float64",
    "length": r": expected X of shape \(n, n_features\) and y of shape \(n,\), got \(20, 6\) and \(19,\)",
    "1-D": r": expected X of shape \(n, n_features\) and y of shape \(n,\), got \(20,\) and \(20,\)",
    "empty": ": expected at least 1 example, got 0",
    "weight length": r": expected weights of shape \(20,\), got \(19,\)",
    "negative weight": ": expected weights ≥ 0, not all 0, got -2",
    "zero weights": ": expected weights ≥ 0, not all 0, got 0",
    "nan weight": ": expected finite weights, got nan at 5",
}


@pytest.mark.parametrize("part", ["train", "dev"])
@pytest.mark.parametrize("change", MESSAGES)
def test_examples(change: str, part: str) -> None:
    """Examples that cannot be trained on are refused, with the set and the place."""
    given = {"data" if part == "train" else "dev": BROKEN[change]}
    with pytest.raises(ArgumentError, match=part + MESSAGES[change]):
        trained(BASE, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"seeds": ()}, "seeds: expected at least 1 seed, got 0"),
        ({"seeds": (0, 1), "data": [blobs(20)]}, r"train: expected one or 2 \(one per seed\), got 1"),
        ({"seeds": (0, 1), "dev": [blobs(20)] * 3}, r"dev: expected one or 2 \(one per seed\), got 3"),
        ({"dev": blobs(20, n_features=5)}, "dev: expected X with 6 columns, got 5"),
        ({"penalty_per": "epoch"}, "penalty_per: expected one of mini_batch, train_set, got 'epoch'"),
        ({"output": "relu"}, "output: expected one of softmax, .*, poisson, or .*, got 'relu'"),
        ({"output": "linear"}, r"and y of shape \(n, 3\), got \(200, 6\) and \(200,\)"),
        ({"output": "huber", "n_classes": 1, "data": Examples(np.ones((2, 3)), np.array([1, np.nan]))}, "finite y"),
        ({"output": "sigmoid"}, 'output: "sigmoid" is for 2 classes, got 3'),
        ({"dtype": np.float16}, "dtype: expected float32 or float64, got float16"),
        ({"initial": np.zeros(7)}, r"initial: expected shape \(43,\) or \(1, 43\), got \(7,\)"),
        ({"initial": np.full(43, np.inf)}, "initial: expected finite numbers, got inf"),
        ({"order": lambda epoch: np.arange(3)}, r"order: expected each of 0 to 199 once, got shape \(3,\)"),
        ({"order": lambda epoch: np.zeros(200, int)}, "order: expected each of 0 to 199 once"),
        ({"augment": lambda rng, X: X[:, :2]}, r"augment: expected an array of shape \(64, 6\), got \(64, 2\)"),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, dict) else "",
)
def test_train(others: dict[str, Any], message: str) -> None:
    """Arguments that do not agree are refused."""
    with pytest.raises(ArgumentError, match=message):
        trained(BASE, **others)


def test_one_class_is_no_classification() -> None:
    """At least two classes are needed."""
    with pytest.raises(ArgumentError, match="n_classes: expected an integer ≥ 2, got 1"):
        train(blobs(20), None, n_classes=1, hyperparameters=BASE, seeds=[0], stopping=Stopping())


def test_shapes_of_parameters() -> None:
    """Both flatten and views name the layer and both shapes."""
    architecture = Architecture(3, (4,), 2)
    given: list[tuple[Array, Array]] = [(np.zeros((3, 4)), np.zeros(4)), (np.zeros((2, 4)), np.zeros(2))]
    with pytest.raises(ArgumentError, match=r"W2: expected shape \(4, 2\), got \(2, 4\)"):
        architecture.flatten(given)
    with pytest.raises(ArgumentError, match=r"parameters: expected 2 \(W, b\) pairs, got 1"):
        architecture.flatten(given[:1])
    with pytest.raises(ArgumentError, match=r"theta: expected 26 entries for \(3, 4, 2\), got 25"):
        architecture.views(np.zeros(25))


def test_shapes_of_predictions() -> None:
    """X with another number of columns is refused."""
    network = trained(BASE, epochs=1).networks[0]
    with pytest.raises(ArgumentError, match=r"X: expected shape \(n, 6\), got \(5, 4\)"):
        network.predict(np.zeros((5, 4)))


def test_errors_are_input_errors_and_value_errors() -> None:
    """The command exits with 2, and a script can catch ValueError."""
    with pytest.raises(InputError):
        Hyperparameters(alpha=-1)
    with pytest.raises(ValueError, match="alpha"):
        Hyperparameters(alpha=-1)


def test_examples_beside_a_column_of_ones_are_not_copied() -> None:
    """They are prepared as the array that they are a part of; any other array is copied."""
    whole = np.ones((20, 4), dtype=np.float32)
    y = np.arange(20) % 2
    assert Examples(whole[:, :-1], y).prepared("train", n_classes=2, dtype=np.float32).inputs is whole
    for other in (whole[:, :-2], whole[1:, :-1], whole[:, 1:], whole[:, :-1].copy(), 2 * whole[:, :-1]):
        prepared = Examples(other, y[: len(other)]).prepared("train", n_classes=2, dtype=np.float32)
        assert not np.shares_memory(prepared.inputs, whole)
        assert np.array_equal(prepared.inputs, np.column_stack([other, np.ones(len(other))]))
    whole[3, -1] = 2
    assert Examples(whole[:, :-1], y).prepared("train", n_classes=2, dtype=np.float32).inputs is not whole
