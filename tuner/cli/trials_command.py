"""``tuner trials``: the trials of a study."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.cli.options import JsonOption, StorageOption, StudyArgument
from tuner.cli.printing import print_file, print_json, print_lines, terminal_width
from tuner.formatting import count, headline, percent, points, value

if TYPE_CHECKING:
    import pandas as pd

FIRST = ("number", "state", "value", "dev_error", "train_error")
GAP = "  "


def trials(
    study: StudyArgument,
    csv: Annotated[bool, typer.Option("--csv", help="All columns as CSV on stdout.")] = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the trials in the order of their numbers; in a terminal, the columns that fit."""
    from tuner.reporting import csv_of_frame, failures_of, trials_frame, unrecorded_sentence
    from tuner.study import parse_definition
    from tuner.workspace import read_record

    record = read_record(study, storage)
    frame = trials_frame(record)
    if csv:
        print_file(csv_of_frame(frame))
    elif as_json:
        rows = json.loads(frame.to_json(orient="records"))
        failures = [group.to_dict() for group in failures_of(record)]
        about = {"study": record.name, "storage": record.storage, "unrecorded": record.unrecorded}
        print_json({**about, "trials": rows, "failures": failures})
    else:
        definition = parse_definition(record.definition, f"study {record.name!r}")
        order = [*FIRST, *definition.searched_space.searched]
        columns = list(map(str, frame))
        names = [name for name in order if name in columns] + [name for name in columns if name not in order]
        table = {name: _column(frame, name, definition.search.metric) for name in names}
        lines, left_out = _fitted(table, terminal_width(sys.stdout))
        print_lines(headline(record.name, record.storage, count(len(frame), "trial")))
        print_lines(*lines, *(f"failed: {group}" for group in failures_of(record)))
        if record.unrecorded:
            print_lines(unrecorded_sentence(record))
        if left_out:
            print_lines(f"not shown: {', '.join(left_out)}; --csv prints all columns")


def _column(frame: pd.DataFrame, name: str, metric: str) -> list[str]:
    """The heading and the cells of a column, all equally wide."""
    values = zip(frame[name].astype(object), frame[name].isna(), strict=True)
    cells = [name, *(_cell(name, None if is_missing else of, metric) for of, is_missing in values)]
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells]


def _cell(name: str, of: Any, metric: str) -> str:
    """A cell as people read it: errors in percent, gaps in pp."""
    if of is None:
        return "–"
    if name == "value":
        from tuner.study import metric_text

        return metric_text(metric, of)
    if name in ("dev_error", "train_error"):
        return percent(of)
    if name in ("avoidable_bias", "variance"):
        return f"{points(of)} pp"
    return value(of)


def _fitted(table: dict[str, list[str]], width: int | None) -> tuple[list[str], list[str]]:
    """The lines of the columns that fit, and the names of the others."""
    shown: list[list[str]] = []
    left_out = []
    for name, cells in table.items():
        if width is None or len(GAP.join([*(column[0] for column in shown), cells[0]])) <= width:
            shown.append(cells)
        else:
            left_out.append(name)
    return [GAP.join(row) for row in zip(*shown, strict=True)], left_out
