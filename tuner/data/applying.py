"""Raw rows for a fitted encoding: frames and arrays handed over, labeled files, labels as class indices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.encoders import Reads
from tuner.data.encoding import Encoding
from tuner.data.settings import DataSettings
from tuner.data.sources import read_pieces
from tuner.data.sources.delimited import MISSING_LABELS
from tuner.data.sources.raw import Raw, Wanted, by_row
from tuner.data.tables import text_of
from tuner.data.targets import match_labels, read_labels
from tuner.errors import ArgumentError, DataError

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]


def rows_frame(X: Any, encoding: Encoding) -> pd.DataFrame:
    """Raw rows as a frame with the names of the columns: a DataFrame as it is, an array by the columns' order.

    An array has the columns of training in their order, without the target; images may keep their shape.
    """
    import pandas as pd

    if isinstance(X, pd.DataFrame):
        return X
    values = np.asarray(X)
    names = [name for name in encoding.source_columns if name != encoding.target]
    if values.ndim < 2 or int(np.prod(values.shape[1:])) != len(names):
        raise ArgumentError(f"X must have shape (n, {len(names)}), one column for each of training, got {values.shape}")
    frame = pd.DataFrame(values.reshape(len(values), -1), columns=names)
    return frame.infer_objects() if values.dtype.kind == "O" else frame


def class_indices(y: Any, class_names: Sequence[str]) -> Ints:
    """Labels of any type as class indices, (n,); -1 for a label that is no class."""
    place = {name: index for index, name in enumerate(class_names)}
    return np.array([place.get(text_of(label), -1) for label in np.asarray(y).ravel()], dtype=np.int64)


def names_of(labels: Iterable[Any]) -> list[str]:
    """A name for each of several distinct labels: its text, as the target's cells are read.

    Where two texts are alike, or one means "no class", they are numbered instead.
    """
    names = [text_of(label) for label in labels]
    if len(set(names)) < len(names) or not MISSING_LABELS.isdisjoint(names):
        return [str(number) for number in range(len(names))]
    return names


def read_labeled(
    path: Path, encoding: Encoding, settings: DataSettings, class_names: tuple[str, ...]
) -> Iterator[tuple[pd.DataFrame, Ints]]:
    """Yield a labeled file's raw rows and class indices piece by piece.  Raises DataError without a target."""
    wanted = Wanted(settings, encoding.source_columns, encoding.text_columns, encoding.target)
    for raw in read_pieces(path, wanted):
        name = encoding.target if raw.target is None else raw.target
        if raw.labels is None and name not in raw.frame.columns:
            raise DataError(f"{raw.where}: no column {name!r} (the target), without which no errors can be counted")
        labels = read_labels(raw, name, settings.missing)
        yield raw.frame, match_labels(raw, name, labels, class_names)[0]


def raw_names(encoding: Encoding) -> tuple[list[str], list[str]]:
    """The columns that an encoding uses: those of numbers, booleans and dates, and those of categories."""
    used = [column for column in encoding.columns if column.features]
    text = [column.name for column in used if column.encoder.reads is Reads.TEXT]
    return [column.name for column in used if column.encoder.reads is not Reads.TEXT], text


def raw_columns(encoding: Encoding, frame: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Raw rows as two matrices with the columns of :func:`raw_names`, as they are before the encoding.

    Numbers (n, p): booleans as 0 and 1, dates in seconds since 1970, NaN where missing.  Categories (n, q): text, empty
    where missing.
    """
    names = raw_names(encoding)
    typed = encoding.typed(Raw(frame.rename(columns=str), "the rows", by_row))
    texts = {name: np.array([*text.levels, ""], dtype=object)[text.codes] for name, text in typed.text.items()}
    return _matrix(typed.measured(), names[0], typed.n_rows, np.float64), _matrix(texts, names[1], typed.n_rows, object)


def _matrix(columns: dict[str, NDArray[Any]], names: list[str], n: int, dtype: Any) -> NDArray[Any]:
    found = np.empty((n, len(names)), dtype=dtype)
    for k, name in enumerate(names):
        found[:, k] = columns[name]
    return found
