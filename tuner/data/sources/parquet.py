"""Parquet, with pyarrow (extra ``tuner-search[parquet]``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tuner.data.settings import DataSettings
from tuner.data.sources.memory import refuse_if_too_large
from tuner.data.sources.opening import DataFile, refuse_unpacking
from tuner.data.sources.raw import LARGEST_EXACT, Raw, Wanted, by_row, rows_from
from tuner.errors import DataError
from tuner.formatting import message_of, quoted

if TYPE_CHECKING:
    import pandas as pd


INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls the columns of an index without a name."""


def _parquet(file: DataFile) -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f"{file.path}: Parquet needs pyarrow. Run: pip install 'tuner-search[parquet]'") from error
    with _damage_refused(file, "not a Parquet file, or damaged"):
        return parquet.ParquetFile(file.rewound())


@contextmanager
def _damage_refused(file: DataFile, what: str) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{file.path}: {what} ({message_of(error)})") from error


def read_parquet(file: DataFile, wanted: Wanted) -> Raw:
    """Read a whole Parquet file; an index without a name, kept by pandas, is not a column."""
    table = _flat(file)
    with _damage_refused(file, "damaged Parquet file"):
        frame = _without_index(_frame(table.read(use_pandas_metadata=False)), wanted)
    if not len(frame):
        raise DataError(f"{file.path}: no rows; expected at least two of each class")
    return Raw(frame, str(file.path), by_row)


def read_parquet_pieces(file: DataFile, wanted: Wanted, rows: int) -> Iterator[Raw]:
    """Yield a Parquet file's rows, ``rows`` at a time."""
    first, batches = 0, _flat(file).iter_batches(batch_size=rows)
    while True:
        with _damage_refused(file, "damaged Parquet file"):
            batch = next(batches, None)
            if batch is None:
                return
            frame = _without_index(_frame(batch), wanted)
        yield Raw(frame, str(file.path), rows_from(first))
        first += len(frame)


def _without_index(frame: pd.DataFrame, wanted: Wanted) -> pd.DataFrame:
    """Leave out the nameless index of pandas, unless a model or study of an earlier version has it as a column."""
    index = [name for name in frame.columns if INDEX.fullmatch(str(name)) and name not in wanted.names]
    return frame.drop(columns=index)


def _frame(table: Any) -> pd.DataFrame:
    """Return Arrow columns as pandas columns; large integers beside missing cells do not become rounded decimals."""
    import pandas as pd
    import pyarrow

    table.validate(full=True)  # text that is not UTF-8, and offsets beyond the end
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    exact = {pyarrow.int64(): pd.Int64Dtype(), pyarrow.uint64(): pd.UInt64Dtype()}
    for place, column in enumerate(table.columns):
        if column.type in exact and column.null_count and frame.iloc[:, place].abs().max() >= LARGEST_EXACT:
            frame.isetitem(place, column.to_pandas(types_mapper=exact.get))
    return frame


def _flat(file: DataFile) -> Any:
    """Return a table whose cells are single values."""
    table = _parquet(file)
    import pyarrow

    nested = [field.name for field in table.schema_arrow if pyarrow.types.is_nested(field.type)]
    if nested:
        raise DataError(f"{file.path}, column {quoted(nested[0])}: expected one value per row, got lists or structs")
    return table


def measure_parquet(file: DataFile, settings: DataSettings) -> None:
    """Refuse a file that, by its metadata, does not fit in memory."""
    meta = _parquet(file).metadata
    what = f"{meta.num_rows:,} rows of {meta.num_columns} columns"
    refuse_unpacking(file.path, file.size, sum(meta.row_group(k).total_byte_size for k in range(meta.num_row_groups)))
    refuse_if_too_large(str(file.path), meta.num_rows * meta.num_columns * 24, what)
