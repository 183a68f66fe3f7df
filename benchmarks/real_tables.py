"""Real tables, each a frame of inputs and an array of classes.

A folder has adult-train.csv, digits.csv.gz, mnist/ and regression/*.csv, whose number to predict is cut into classes;
breast cancer, wine and iris come with scikit-learn.  Tables called "... number" and diabetes have the number itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets

from tuner.data import DataSettings, load_dataset

Table = tuple[pd.DataFrame, np.ndarray]


def classes_of(numbers: pd.Series, quantiles: tuple[float, ...]) -> np.ndarray:
    """Cut a number to predict into classes."""
    return np.searchsorted(numbers.quantile(quantiles).to_numpy(), numbers.to_numpy())


NUMBERS = ("california_housing", "concrete", "kin8nm", "power_plant")


def numbers(folder: Path, name: str) -> tuple[pd.DataFrame, pd.Series]:
    """Read a table with a number to predict."""
    frame = pd.read_csv(folder / "regression" / f"{name}.csv")
    target = "median_house_value" if name == "california_housing" else "target"
    return frame.drop(columns=target), frame[target]


def number_tables(folder: Path) -> dict[str, Callable[[], Table]]:
    """Return how each table with a number to predict is read: its inputs, and the numbers as floats."""

    def read(name: str) -> Table:
        X, y = numbers(folder, name)
        return X, y.to_numpy(float)

    def diabetes() -> Table:
        X, y = datasets.load_diabetes(return_X_y=True, as_frame=True, scaled=False)
        return X, y.to_numpy(float)

    return {**{f"{name} number": partial(read, name) for name in NUMBERS}, "diabetes": diabetes}


def tables(folder: Path) -> dict[str, Callable[[], Table]]:
    """Return how each table is read: its inputs, and the classes as integers."""

    def adult() -> Table:
        frame = pd.read_csv(folder / "adult-train.csv", header=None, skipinitialspace=True)
        return frame.iloc[:, :14].rename(columns=str), pd.factorize(frame[14])[0]

    def digits() -> Table:
        frame = pd.read_csv(folder / "digits.csv.gz")
        return frame.iloc[:, :-1].rename(columns=str), pd.factorize(frame.iloc[:, -1])[0]

    def mnist() -> Table:
        loaded = load_dataset(DataSettings(source="train-images-idx3-ubyte.gz"), folder / "mnist")
        part = loaded.parts[0]
        return pd.DataFrame(part.train.X[:8000]).rename(columns=str), part.train.y[:8000]

    def number(name: str, quantiles: tuple[float, ...]) -> Callable[[], Table]:
        def read() -> Table:
            X, y = numbers(folder, name)
            return X, classes_of(y, quantiles)

        return read

    def bundled(load: Callable[..., tuple[pd.DataFrame, pd.Series]]) -> Callable[[], Table]:
        def read() -> Table:
            X, y = load(return_X_y=True, as_frame=True)
            return X, y.to_numpy()

        return read

    cut_numbers = {
        f"{name} {cut}": number(name, quantiles)
        for name in NUMBERS
        for cut, quantiles in (("2", (0.5,)), ("3", (1 / 3, 2 / 3)), ("rare", (0.85,)))
    }
    shipped = {"breast cancer": datasets.load_breast_cancer, "wine": datasets.load_wine, "iris": datasets.load_iris}
    return {
        "adult": adult,
        "digits": digits,
        "mnist": mnist,
        **cut_numbers,
        **{name: bundled(load) for name, load in shipped.items()},
    }
