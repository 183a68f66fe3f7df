"""The texts of a report's files: CSV and JSON, and writing them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tuner.files import open_regular, refuse_overwriting, translated, write_whole
from tuner.formatting import csv_cell

LINES = 2000  # rows that are formatted at once
BEGINS = {
    "report.html": b'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport"',
    "errors.html": b'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport"',
    "report.md": b"# ",
    "trials.csv": b"number,state,",
    "epochs.csv": b"number,epoch,",
    "summary.json": b'{\n  "stud',
}
"""How the files of a report begin, in every version."""


class SupportsWrite(Protocol):
    """What a text can be written to."""

    def write(self, text: str, /) -> object:
        """Write a text."""


def write_files(folder: Path, contents: Mapping[str, Callable[[], str]], *, force: bool = False) -> None:
    """Write each text whole or not at all, and make the folder.

    An earlier report is replaced.  Raises UsageError for other files of these names, and if a file cannot be written.
    """
    texts = {name: text() for name, text in contents.items()}
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name in texts:
        file = folder / name
        refuse_overwriting(file, force=force or _is_ours(file), is_ours=_is_ours)
    for name, text in texts.items():
        with translated(folder / name):
            write_whole(folder / name, text)


def _is_ours(file: Path) -> bool:
    """Whether a file of a report's folder begins as those of earlier reports do."""
    begin = BEGINS[file.name]
    try:
        with open_regular(file) as opened:
            return opened.read(len(begin)) == begin
    except OSError:
        return False


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write a table as CSV, None as an empty cell, text so that no spreadsheet calculates it.

    Without pandas, whose import takes longer than this.
    """
    out = io.StringIO()
    write_csv(out, columns, rows)
    return out.getvalue()


def write_csv(out: SupportsWrite, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write the text of :func:`csv_text`, row by row."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(csv_cell, columns))
    writer.writerows(map(csv_cell, row) for row in rows)


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
