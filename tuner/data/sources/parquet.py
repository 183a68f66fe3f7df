"""Parquet, by pyarrow where it is installed (extra ``tuner-search[parquet]``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuner.data.settings import DataSettings
from tuner.data.sources.memory import refuse_if_too_large
from tuner.data.sources.raw import Raw, Wanted, by_row
from tuner.errors import DataError


def _parquet(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f"{path}: Parquet needs pyarrow: pip install 'tuner-search[parquet]'") from error
    import pyarrow

    try:
        return parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a Parquet file, or damaged ({str(error).splitlines()[0]})") from error


def read_parquet(path: Path, wanted: Wanted) -> Raw:
    """Read a whole Parquet file; an index kept by pandas is not a column."""
    import pyarrow

    file = _parquet(path)
    nested = [field.name for field in file.schema_arrow if pyarrow.types.is_nested(field.type)]
    if nested:
        raise DataError(f"{path}, column {nested[0]!r}: holds lists or structs, expected one value a row")
    try:
        frame = file.read(use_pandas_metadata=False).to_pandas(ignore_metadata=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: damaged Parquet file ({str(error).splitlines()[0]})") from error
    if not len(frame):
        raise DataError(f"{path}: no rows, expected at least one example of each class")
    return Raw(frame, str(path), by_row)


def measure_parquet(path: Path, settings: DataSettings) -> None:
    """Refuse a file that, by its own account, will not fit into memory."""
    meta = _parquet(path).metadata
    refuse_if_too_large(
        str(path), meta.num_rows * meta.num_columns * 24, f"{meta.num_rows:,} rows of {meta.num_columns} columns"
    )
