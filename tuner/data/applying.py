"""Raw rows for a fitted encoding: frames, arrays, labeled files, and labels as class indices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.dates import seconds_of
from tuner.data.encoders import Doubles, FittedColumn, Reads
from tuner.data.encoding import Encoding
from tuner.data.in_memory import as_table
from tuner.data.missing import MISSING_LABELS, missing_cells
from tuner.data.settings import DataSettings
from tuner.data.sources import read_pieces
from tuner.data.sources.delimited import looks_numeric
from tuner.data.sources.opening import readable
from tuner.data.sources.raw import Raw, TargetNames, Wanted, by_row, target_names, with_text_names
from tuner.data.tables import text_of
from tuner.data.targets import find_numbers, labeled_rows, match_labels, read_labels
from tuner.data.weights import read_weights, weight_column, weighted_rows
from tuner.errors import ArgumentError, DataError
from tuner.formatting import quoted

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]


def rows_frame(X: Any, encoding: Encoding) -> pd.DataFrame:
    """Return raw rows as a DataFrame with column names.

    An array has the training columns in their order, without the target; images may keep their shape.
    """
    import pandas as pd

    values = as_table(X, "X")
    if isinstance(values, pd.DataFrame):
        return values
    names = [name for name in encoding.source_columns if name not in target_names(encoding.target)]
    if values.ndim < 2 or int(np.prod(values.shape[1:])) != len(names):
        raise ArgumentError(f"X: expected shape (n, {len(names)}), the columns of training, got {values.shape}")
    frame = pd.DataFrame(values.reshape(len(values), -1), columns=names)
    return frame.infer_objects() if values.dtype.kind == "O" else frame


def class_indices(y: Any, class_names: Sequence[str]) -> Ints:
    """Return labels of any type as class indices, (n,); -1 for a label that is not a class."""
    place = {name: index for index, name in enumerate(class_names)}
    with readable("y", "expected one class label per row"):
        return np.array([place.get(text_of(label), -1) for label in np.asarray(y).ravel()], dtype=np.int64)


def names_of(labels: Iterable[Any]) -> list[str]:
    """Return a name for each of several distinct labels: its text, as in the target's cells.

    If two texts are equal, or one means "missing", they are numbered instead.
    """
    names = [text_of(label) for label in labels]
    if len(set(names)) < len(names) or not MISSING_LABELS.isdisjoint(names):
        return [str(number) for number in range(len(names))]
    return names


@dataclass(frozen=True, slots=True)
class LabeledRows:
    """Raw rows, their class indices or numbers y (n,) and weights (n,); None: all alike.

    y of several targets is (n, n_targets).
    """

    frame: pd.DataFrame
    y: NDArray[Any]
    weights: Doubles | None

    @classmethod
    def joined(cls, pieces: Sequence[LabeledRows]) -> LabeledRows:
        """Return all pieces of a file, without the frames."""
        weights = [piece.weights for piece in pieces if piece.weights is not None]
        y = np.concatenate([piece.y for piece in pieces])
        return cls(pieces[0].frame, y, np.concatenate(weights) if weights else None)


def read_labeled(
    path: Path, encoding: Encoding, settings: DataSettings, class_names: tuple[str, ...]
) -> Iterator[LabeledRows]:
    """Yield the rows of a labeled file, piece by piece, without those of weight 0; without classes it has numbers.

    Raises DataError without a target, or without the column of weights.
    """
    wanted = Wanted(settings, encoding.source_columns, encoding.text_columns, encoding.target)
    for raw in read_pieces(path, wanted):
        target = encoding.target if raw.target is None else raw.target
        for name in target_names(target):
            if raw.labels is None and name not in raw.frame.columns:
                raise DataError(f"{raw.where}: no target column {quoted(name)}; it is needed to measure errors")
        raw = labeled_rows(weighted_rows(raw, settings, whole=False), settings, target_names(target), alone=False)
        if not len(raw.frame):
            continue
        weights = weight_column(raw, settings)
        y = _labeled(raw, target, settings, class_names)
        yield LabeledRows(raw.frame, y, None if weights is None else read_weights(raw, weights))


def _labeled(raw: Raw, target: TargetNames, settings: DataSettings, class_names: tuple[str, ...]) -> NDArray[Any]:
    if isinstance(target, tuple):
        columns = [find_numbers(raw, name, read_labels(raw, name, settings), settings) for name in target]
        return np.column_stack(columns)
    labels = read_labels(raw, target, settings)
    return (
        match_labels(raw, target, labels, class_names)[0]
        if class_names
        else find_numbers(raw, target, labels, settings)
    )


def raw_names(encodings: Sequence[Encoding]) -> tuple[list[str], list[str]]:
    """Return the names of the columns that encodings use: numbers, booleans and dates; and categories."""
    used = _used_by_any(encodings)
    text = [column.name for column in used if column.encoder.reads is Reads.TEXT]
    return [column.name for column in used if column.encoder.reads is not Reads.TEXT], text


def raw_columns(encodings: Sequence[Encoding], frame: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Return raw rows before the encoding as two matrices with the columns of :func:`raw_names`.

    Numbers (n, p): booleans as 0 and 1, dates in seconds since 1970, NaN if missing.  Categories (n, q): text, empty if
    missing.
    """
    names = raw_names(encodings)
    every = replace(encodings[0], columns=tuple(_used_by_any(encodings)))
    typed = every.typed(Raw(with_text_names(frame), "the rows", by_row))
    texts = {name: np.array([*text.levels, ""], dtype=object)[text.codes] for name, text in typed.text.items()}
    return _matrix(typed.measured(), names[0], typed.n_rows, np.float64), _matrix(texts, names[1], typed.n_rows, object)


def _used_by_any(encodings: Sequence[Encoding]) -> list[FittedColumn]:
    """Return each column that at least one encoding has inputs of: a column may vary in some folds alone."""
    same = zip(*(encoding.columns for encoding in encodings), strict=True)
    return [used[0] for each in same if (used := [column for column in each if column.features])]


def missing_numbers(column: FittedColumn, missing: Sequence[str]) -> list[float]:
    """Return the values of a column of :func:`raw_columns`' numbers that the definition calls missing, like -999."""
    if column.date_format is not None:
        seconds = seconds_of(missing, column.date_format)
        return sorted(set(seconds[~np.isnan(seconds)].tolist()))
    if column.words is not None or column.order or column.encoder.reads is Reads.SECONDS:
        return []
    return sorted({float(cell) for cell in missing if looks_numeric(cell) and math.isfinite(float(cell))})


def missing_texts(encoding: Encoding) -> list[str]:
    """Return the texts of a category that count as missing: ?, NA and others, and those of the definition."""
    numbers = [text_of(float(cell)) for cell in encoding.missing if looks_numeric(cell)]
    return sorted({*missing_cells(encoding.missing, encoding.keep), *numbers})


def _matrix(columns: dict[str, NDArray[Any]], names: list[str], n: int, dtype: Any) -> NDArray[Any]:
    matrix = np.empty((n, len(names)), dtype=dtype)
    for k, name in enumerate(names):
        matrix[:, k] = columns[name]
    return matrix
