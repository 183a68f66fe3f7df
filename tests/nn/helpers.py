"""Small data and shortcuts that several tests of this room share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tuner.nn import Examples, Hyperparameters, Stopping, TrainingRun, train
from tuner.nn.examples import Prepared

FIGURES: dict[str, Any] = json.loads((Path(__file__).parent / "figures.json").read_text(encoding="utf-8"))


def blobs(n: int = 200, *, n_features: int = 6, n_classes: int = 3, seed: int = 0, spread: float = 1.0) -> Examples:
    """Gaussian clouds, one per class, that overlap a little."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(1234).standard_normal((n_classes, n_features))
    y = rng.integers(0, n_classes, n)
    X = centers[y] + spread * rng.standard_normal((n, n_features))
    return Examples(X.astype(np.float32), y)


def numbers(n: int = 200, *, n_features: int = 6, seed: int = 0, noise: float = 0.3) -> Examples:
    """Numbers to predict, about of mean 0 and standard deviation 1: a product and a sum of features, and noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, n_features))
    y = (X[:, 0] * X[:, 1] + X[:, 2]) / 1.5 + noise * rng.standard_normal(n)
    return Examples(X.astype(np.float32), y)


def prepared(examples: Examples, *, n_classes: int = 3, dtype: Any = np.float64) -> Prepared:
    """Return the examples prepared for a network."""
    return examples.prepared("examples", n_classes=n_classes, dtype=dtype)


def trained(
    hyperparameters: Hyperparameters | list[Hyperparameters],
    *,
    seeds: tuple[int, ...] = (0,),
    epochs: int = 5,
    data: Examples | list[Examples] | None = None,
    dev: Examples | list[Examples] | None = None,
    patience: int | None = None,
    **others: Any,
) -> TrainingRun:
    """A short training on blobs."""
    return train(
        data if data is not None else blobs(),
        dev if dev is not None else blobs(60, seed=1),
        n_classes=others.pop("n_classes", 3),
        hyperparameters=hyperparameters,
        seeds=seeds,
        stopping=others.pop("stopping", Stopping(max_epochs=epochs, patience=patience)),
        **others,
    )
