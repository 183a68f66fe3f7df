"""Rows in memory: DataFrames of any library and arrays, as tables that are read like files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tuner.arguments import shown
from tuner.data.reading import FrameReader
from tuner.data.settings import DataSettings
from tuner.errors import ArgumentError, DataError
from tuner.formatting import count, did_you_mean, message_of, quoted, shorten, some_of

if TYPE_CHECKING:
    import pandas as pd

    from tuner.data.sources.raw import Raw

IN_MEMORY = "(rows in memory)"
"""What [data] dev and test name where their rows are not those of a file."""
SETS = ("source", "dev", "test")


@dataclass(frozen=True)
class RowsInMemory:
    """Rows in memory: the table of each set, a SHA-256 of them all, and what they say in [data] (``settings``)."""

    raws: dict[str, Raw]
    content: str
    settings: dict[str, Any]

    def reader(self, settings: DataSettings) -> FrameReader:
        """Return a reader of these rows.  Raises ArgumentError for settings that name a file or another set of rows."""
        for key in SETS:
            named = getattr(settings, key)
            if named not in (None, IN_MEMORY):
                raise ArgumentError(f"settings.{key}: expected no file with rows in memory, got {named!r}")
            if key != "source" and (named is None) != (key not in self.raws):
                state = "no rows" if named is None else "rows"
                raise ArgumentError(f"{key}: the study has {state} of its own for {key}; {key}= must agree with it")
        given = {"target": self.raws["source"].target, **self.settings}
        return FrameReader(settings.model_copy(update=given), self.raws, self.content)


def rows_in_memory(
    data: Any, target: Any, *, dev: Any = None, test: Any = None, groups: Any = None, sample_weight: Any = None
) -> RowsInMemory:
    """Take rows as a study's tables.  Raises ArgumentError or DataError for what is not a table of rows with classes.

    ``target``: a column of the table, or the class of each row; of several targets their columns, or the numbers of
    each row (n, n_targets), which become columns.  ``dev``, ``test``: rows of their own, a table with the
    column of the target, or (rows, classes).  ``groups``: a column, or the group of each row.  ``sample_weight``: a
    column, or the weight of each row.
    """
    if target is None:
        raise ArgumentError("target: expected a column of the DataFrame, or the classes of the rows, got None")
    if (named := _columns_named(data, target)) is not None:
        target = named
    tables = {"source": _table(data, target, "the data")}
    for key, given in (("dev", dev), ("test", test)):
        if given is not None:
            rows, classes = given if isinstance(given, tuple) and len(given) == 2 else (given, target)
            if given is rows and not isinstance(target, str | tuple):
                raise ArgumentError(f"{key}: expected (rows, classes), as target holds the classes of the rows")
            tables[key] = _table(rows, classes, f"the {key} rows")
    settings: dict[str, Any] = {key: IN_MEMORY for key in tables if key != "source"}
    if isinstance(target, str | tuple):
        settings["target"] = target
    elif tables["source"][0].labels is None:
        settings["target"] = tables["source"][0].names[-as_values(target, "target", several=True).shape[1] :]
    apart: tuple[tuple[str, Literal["group", "weight"], Any], ...]
    apart = (("groups", "group", groups), ("sample_weight", "weight", sample_weight))
    for option, key, values in apart:
        if values is not None:
            source = tables["source"]
            tables["source"], settings[key] = _with_column(source, option, key, values, alone=len(tables) == 1)
    contents = [content for _, content in tables.values()]
    content = contents[0] if len(contents) == 1 else hashlib.sha256("".join(contents).encode()).hexdigest()
    return RowsInMemory({key: raw for key, (raw, _) in tables.items()}, content, settings)


def as_table(data: Any, what: str) -> pd.DataFrame | NDArray[Any]:
    """Return rows as a DataFrame if they have columns (pandas, polars, pyarrow, …), else as an array."""
    import pandas as pd

    if isinstance(data, pd.DataFrame | np.ndarray):
        return data
    if hasattr(data, "toarray"):
        raise DataError(f"{what}: expected rows and columns, got a sparse {type(data).__name__}; pass its .toarray()")
    try:
        table = data.to_pandas() if hasattr(data, "to_pandas") else np.asarray(data)
    except Exception as error:  # of another library
        raise DataError(f"{what}: a {type(data).__name__} cannot be read ({message_of(error)})") from error
    if not isinstance(table, pd.DataFrame) and (not isinstance(table, np.ndarray) or table.ndim == 0):
        raise DataError(f"{what}: expected a DataFrame or an array, got {shorten(type(data).__name__)}")
    return table


def as_values(values: Any, what: str, *, several: bool = False) -> NDArray[Any]:
    """Return one value per row, from a list, an array or a column of any library; (n, k) if ``several`` may be."""
    try:
        array = np.asarray(values.to_pandas() if hasattr(values, "to_pandas") else values)
    except Exception as error:  # of another library
        raise DataError(f"{what}: a {type(values).__name__} cannot be read ({message_of(error)})") from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 and not (several and array.ndim == 2):
        raise DataError(f"{what}: expected one value per row, got {_shape(values, array)}")
    return array


def _shape(values: Any, array: NDArray[Any]) -> str:
    return f"shape {array.shape}" if array.ndim else shown(values)


def _table(data: Any, target: Any, where: str) -> tuple[Raw, str]:
    """One table as rows, with its target apart unless that is a column, and the SHA-256 of both."""
    table = as_table(data, where)
    if not isinstance(table, np.ndarray):
        return _of_frame(table, target, where)
    if isinstance(target, str | tuple):
        raise ArgumentError(f"target: expected the classes of an array's rows, got the name {shown(target)}")
    labels = as_values(target, "target", several=True)
    return _of_array(table, labels, where) if labels.ndim == 1 else _of_several(table, target, labels, where)


def _columns_named(data: Any, target: Any) -> str | tuple[str, ...] | None:
    """Return the columns that a list names; None if it has one value per row."""
    is_names = isinstance(target, list | tuple) and all(isinstance(name, str) for name in target)
    if not is_names or not target or isinstance(table := as_table(data, "the data"), np.ndarray):
        return None
    names = [*map(str, table.columns)]
    if unknown := [name for name in target if name not in names]:
        if len(target) == len(table) or len(unknown) == len(target):
            return None
        hint = did_you_mean(unknown[0], names) or f"found {some_of(names, 8)}"
        raise ArgumentError(f"target: no column {shown(unknown[0])}; {hint}")
    return tuple(target) if len(target) > 1 else str(target[0])


def _of_several(table: Any, target: Any, numbers: NDArray[Any], where: str) -> tuple[Raw, str]:
    """A table with the numbers (n, n_targets) of its rows as its last columns, and the SHA-256 of both."""
    from tuner.data.assembling import raw_of_frame
    from tuner.data.sources.arrays import raw_of_arrays

    raw = raw_of_arrays(table, None, where, "y") if isinstance(table, np.ndarray) else raw_of_frame(table, where)
    if len(numbers) != len(raw.frame):
        raise DataError(f"target: expected one value per row, got shape {numbers.shape}")
    names = [*map(str, getattr(target, "columns", ()))] or [f"y_{place}" for place in range(numbers.shape[1])]
    raw = replace(raw, target=None)
    for name, values in zip(names, numbers.T, strict=True):
        raw = raw.with_targets({_unused(name, raw): values})
    return raw, _content_of(raw).hexdigest()


def _of_array(x: NDArray[Any], labels: NDArray[Any], where: str) -> tuple[Raw, str]:
    from tuner.data.sources.arrays import raw_of_arrays

    raw = raw_of_arrays(x, labels, where, "y")
    content = hashlib.sha256(repr((x.shape, x.dtype.str, labels.dtype.str)).encode())
    content.update(np.ascontiguousarray(x).data)
    content.update(repr(labels.tolist()).encode())
    return raw, content.hexdigest()


def _of_frame(frame: pd.DataFrame, target: Any, where: str) -> tuple[Raw, str]:
    import pandas as pd

    from tuner.data.assembling import raw_of_frame

    raw = raw_of_frame(frame, where)
    if isinstance(target, str | tuple):
        return raw, _content_of(raw).hexdigest()
    labels = as_values(target, "target", several=True)
    if labels.ndim > 1:
        return _of_several(frame, target, labels, where)
    labels = _one_per_row(target, raw, "target")
    content = _content_of(raw)
    content.update(repr(labels.tolist()).encode())
    return replace(raw, labels=pd.Series(labels), target=_unused("y", raw)), content.hexdigest()


def _content_of(raw: Raw) -> Any:
    """The SHA-256 of a table's cells, to be updated."""
    import pandas as pd

    content = hashlib.sha256(repr([(name, str(dtype)) for name, dtype in raw.frame.dtypes.items()]).encode())
    for name in range(raw.frame.shape[1]):
        try:
            content.update(pd.util.hash_pandas_object(raw.frame.iloc[:, name], index=False).to_numpy().tobytes())
        except TypeError as error:
            where = f"{raw.where}, column {quoted(raw.frame.columns[name])}"
            raise DataError(f"{where}: expected one value per row ({message_of(error)})") from error
    return content


def _with_column(
    table: tuple[Raw, str], option: str, key: Literal["group", "weight"], values: Any, *, alone: bool
) -> tuple[tuple[Raw, str], str]:
    """The table with the groups or weights of its rows, apart unless they are a column, and the name of that."""
    import pandas as pd

    raw, content = table
    if isinstance(values, str):
        if values not in raw.names:
            raise ArgumentError(f"{option}: no column {shown(values)}; expected a column, or the {key} of each row")
        return table, values
    if not alone:
        raise ArgumentError(f"{option}: with dev or test rows, expected a column that all have, got one {key} per row")
    array, name = _one_per_row(values, raw, option), _unused(key, raw)
    column = pd.Series(array, name=name)
    raw = replace(raw, group=column) if key == "group" else replace(raw, weight=column)
    return (raw, hashlib.sha256((content + repr(array.tolist())).encode()).hexdigest()), name


def _one_per_row(values: Any, raw: Raw, what: str) -> NDArray[Any]:
    array = as_values(values, what)
    if len(array) != len(raw.frame):
        raise DataError(f"{what}: expected {count(len(raw.frame), 'value')}, one per row, got {len(array):,}")
    return array


def _unused(name: str, raw: Raw) -> str:
    """A name that no column has."""
    while name in (*raw.names_with_apart, raw.target):
        name += "_"
    return name
