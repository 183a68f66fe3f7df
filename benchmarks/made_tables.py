"""Made tables of 6,000 rows, each a frame of inputs and an array of classes or, if floats, of numbers to predict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn import datasets

from benchmarks.real_tables import Table

ROWS = 6000


def framed(X: np.ndarray, y: np.ndarray) -> Table:
    """Return inputs named a0, a1, …"""
    return pd.DataFrame(X, columns=[f"a{place}" for place in range(X.shape[1])]), y


def with_noise(table: Table, columns: int) -> Table:
    """Add columns of noise."""
    X, y = table
    noise = np.random.default_rng(1).standard_normal((len(X), columns))
    return X.assign(**{f"noise{place}": noise[:, place] for place in range(columns)}), y


def with_missing(table: Table, share: float) -> Table:
    """Empty a share of the cells."""
    X, y = table
    return X.mask(np.random.default_rng(2).random(X.shape) < share), y


def flipped(table: Table, share: float) -> Table:
    """Replace a share of the classes by others at random."""
    X, y = table
    rng = np.random.default_rng(3)
    return X, np.where(rng.random(len(y)) < share, rng.integers(y.max() + 1, size=len(y)), y)


def shops(*, interacting: bool, seed: int) -> Table:
    """Categories of 4, 12 and 40 values, amounts that are skewed, and a class of their sums or products."""
    rng = np.random.default_rng(seed)
    codes = [rng.integers(n, size=ROWS) for n in (4, 12, 40)]
    amount, age = rng.lognormal(3, 1.2, ROWS), rng.integers(18, 80, ROWS)
    effects = [rng.standard_normal(n)[code] for n, code in zip((4, 12, 40), codes, strict=True)]
    score = sum(effects) + np.log(amount) - 3 + (np.abs(age - 45) > 15)
    if interacting:
        score = effects[0] * (np.log(amount) - 3) + effects[1] * effects[2] + np.where(age > 40, 1, -1) * effects[1]
    X = pd.DataFrame({"amount": amount.round(2), "age": age})
    for name, code in zip(("region", "kind", "shop"), codes, strict=True):
        X[name] = [f"{name} {value}" for value in code]
    return X, (score + rng.logistic(0, 0.4, ROWS) > np.median(score)).astype(int)


def steps() -> Table:
    """Classes by an uneven grid of three inputs, as a tree would cut them."""
    rng = np.random.default_rng(5)
    X = rng.exponential(1, (ROWS, 6))
    cells = sum(np.searchsorted([0.2, 0.7, 1.5], X[:, place]) for place in range(3))
    return framed(X, np.asarray(cells % 3))


def waves() -> Table:
    """A number: waves of two inputs, and noise."""
    rng = np.random.default_rng(6)
    X = rng.uniform(-1, 1, (ROWS, 5))
    return framed(X, np.sin(6 * X[:, 0]) + X[:, 1] * np.cos(4 * X[:, 2]) + 0.2 * rng.standard_normal(ROWS))


def classes(seed: int, **settings: float) -> Table:
    """Return clusters of scikit-learn's ``make_classification``."""
    return framed(*datasets.make_classification(ROWS, random_state=seed, **settings))


MADE: dict[str, Callable[[], Table]] = {
    "clusters": lambda: classes(10, n_features=20, n_informative=6, n_clusters_per_class=3, n_classes=3),
    "clusters missing": lambda: with_missing(classes(11, n_features=12, n_informative=8, n_clusters_per_class=4), 0.15),
    "moons noise": lambda: with_noise(framed(*datasets.make_moons(ROWS, noise=0.25, random_state=12)), 8),
    "circles": lambda: flipped(framed(*datasets.make_circles(ROWS, noise=0.15, factor=0.6, random_state=13)), 0.05),
    "shells": lambda: framed(
        *datasets.make_gaussian_quantiles(n_samples=ROWS, n_features=6, n_classes=3, random_state=14)
    ),
    "hastie": lambda: framed(*_zero_one(datasets.make_hastie_10_2(ROWS, random_state=15))),
    "shops": lambda: shops(interacting=False, seed=16),
    "shops interacting": lambda: shops(interacting=True, seed=17),
    "steps": steps,
    "wide": lambda: classes(18, n_features=100, n_informative=10, n_redundant=10, flip_y=0.05),
    "friedman 1": lambda: framed(*datasets.make_friedman1(ROWS, noise=1.0, random_state=19)),
    "friedman 2": lambda: framed(*datasets.make_friedman2(ROWS, noise=50.0, random_state=20)),
    "friedman 3": lambda: framed(*datasets.make_friedman3(ROWS, noise=0.1, random_state=21)),
    "waves": waves,
}
"""Name -> how the table is made, the same every time."""


def _zero_one(made: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return made[0], (made[1] > 0).astype(int)
