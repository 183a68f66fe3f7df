"""Class labels of any types, made comparable; numbers that are predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuner.errors import ArgumentError

SHOWN = 3
"""Labels that a message lists."""


def comparable_labels(given: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
    """Return arrays of labels as arrays of one type: all numbers, or all text.

    Numbers and text are compared as numbers if all the text reads as numbers, else as text.  Raises ArgumentError for
    a missing label.
    """
    labels = {name: _plain(name, values) for name, values in given.items()}
    if len({values.dtype.kind == "U" for values in labels.values()}) == 1:
        return labels
    try:
        return {name: values.astype(np.float64) for name, values in labels.items()}
    except ValueError:  # some text is no number
        return {name: _as_text(values) for name, values in labels.items()}


def refuse_unknown(labels: Mapping[str, NDArray[Any]]) -> None:
    """Raise ArgumentError if ``y_dev`` has no label of ``y_train``, or predictions have none of either."""
    known = labels["y_train"].ravel()
    for name in ("y_dev", "predicted_train", "predicted_dev"):
        given = labels[name].ravel()
        if len(given) and len(known) and not np.isin(given, known).any():
            of = "y" if name != "y_dev" else "y_train"
            raise ArgumentError(
                f"{name}: expected classes of {of}, {_some(known)}, got only others, {_some(given)}. "
                "Give both the same names, or set task='regression' if they are numbers to predict"
            )
        known = np.concatenate([known, given]) if name == "y_dev" else known


def numbers_of(labels: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]] | None:
    """Return comparable labels as the numbers that they are or read as; None if some are none."""
    try:
        return {name: values.astype(np.float64) for name, values in labels.items()}
    except ValueError:
        return None


def _plain(name: str, values: ArrayLike) -> NDArray[Any]:
    """Numbers and text as they are; objects as numbers, if all are, else as text."""
    array = np.asarray(values)
    if array.dtype.kind == "O":
        import pandas as pd

        _refuse_missing(name, array, np.asarray(pd.isna(array)))
        types = {type(value) for value in array.ravel()}
        is_number = all(issubclass(kind, int | float | np.number | np.bool_) for kind in types)
        return np.array(array.tolist()) if is_number and types else _as_text(array)
    if array.dtype.kind == "f":
        _refuse_missing(name, array, np.isnan(array))
    return array if array.dtype.kind in "buifU" else _as_text(array)


def _refuse_missing(name: str, values: NDArray[Any], missing: NDArray[np.bool_]) -> None:
    places = np.flatnonzero(missing)
    if len(places):
        raise ArgumentError(f"{name} must be class labels or numbers, got {values.ravel()[places[0]]} at {places[0]}")


def _as_text(values: NDArray[Any]) -> NDArray[np.str_]:
    texts = np.array([_text(value) for value in values.ravel().tolist()], dtype=np.str_)
    return texts.reshape(values.shape)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _some(labels: NDArray[Any]) -> str:
    distinct = np.unique(labels).tolist()
    return ", ".join(map(repr, distinct[:SHOWN])) + (", …" if len(distinct) > SHOWN else "")
