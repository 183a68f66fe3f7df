"""The texts of a report's files: CSV and JSON, and writing them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tuner.errors import UsageError
from tuner.files import write_whole

LINES = 2000  # rows that are formatted at once


def write_files(folder: Path, contents: Mapping[str, Callable[[], str]]) -> None:
    """Write each text whole or not at all, and make the folder.  Raises UsageError if that fails."""
    texts = {name: text() for name, text in contents.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_whole(folder / name, text)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}. Name another folder with --output") from None


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write a table as CSV, None as an empty cell; without pandas, whose import takes longer than this."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def csv_of_numbers(columns: Mapping[str, np.ndarray]) -> str:
    """Write columns of numbers as CSV, integers as they are, others with 9 digits, NaN as an empty cell.

    Thousands of lines are formatted by one ``%``: five times as fast as pandas with the half million epochs of a large
    study.
    """
    formats = ["%d" if np.issubdtype(column.dtype, np.integer) else "%.9g" for column in columns.values()]
    line = ",".join(formats) + "\n"
    parts = [",".join(columns) + "\n"]
    n = len(next(iter(columns.values())))
    for start in range(0, n, LINES):
        cells = np.empty((min(LINES, n - start), len(columns)), dtype=object)
        for place, column in enumerate(columns.values()):
            cells[:, place] = column[start : start + LINES].tolist()
        text = (line * len(cells)) % tuple(cells.ravel())
        parts.append(text.replace("nan", ""))
    return "".join(parts)


def json_text(of: Any) -> str:
    """JSON as it is written to a file: two blanks a level, no NaN, a newline at the end."""
    import json

    return json.dumps(of, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
