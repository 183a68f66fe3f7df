"""``tuner errors``: the dev rows that a trial has wrong, and labels that look wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.cli.options import ForceOption, JsonOption, StorageOption, StudyArgument
from tuner.cli.printing import fitting_columns, print_result, terminal_width
from tuner.formatting import count, headline, percent, shorten, value

if TYPE_CHECKING:
    import pandas as pd

    from tuner.reporting import WrongRows

MOST_CONFUSIONS = 10
PERCENT = ("confidence", "wrong_in")
GAP = "  "
LONGEST_CELL = 30


def errors(
    study: StudyArgument,
    trial: Annotated[
        int | None, typer.Option("--trial", min=0, help="The trial; by default the best.", show_default=False)
    ] = None,
    suspects: Annotated[bool, typer.Option("--suspects", help="Only rows whose label looks wrong.")] = False,
    rows: Annotated[int, typer.Option("--rows", min=1, help="At most so many rows.")] = 20,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write all of them, with all columns, to a CSV file."),
    ] = None,
    force: ForceOption = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the dev rows that are wrong, first those that most of the best trials have wrong."""
    from tuner.files import refuse_overwriting, whole_file
    from tuner.modeling import is_predictions
    from tuner.reporting import csv_text, find_wrong_rows
    from tuner.workspace import find_searched, load_searched

    if csv is not None:
        refuse_overwriting(csv, force=force, is_ours=is_predictions)
    place, _ = find_searched(study, storage)
    record, dataset = load_searched(place)
    wrong = find_wrong_rows(record, dataset, trial)
    frame = wrong.suspected if suspects else wrong.frame
    if csv is not None:
        cells = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
        with whole_file(csv, force=force, is_ours=is_predictions) as file:
            file.write(csv_text(list(frame.columns), cells).encode())
    about = {"study": record.name, "storage": record.storage, "csv": None if csv is None else str(csv)}
    lines = [
        headline(record.name, record.storage, f"data {record.data_path or 'arrays'}"),
        *_lines(wrong, frame, rows),
        *([] if csv is None else ["", f"written: {csv} ({count(len(frame), 'row')})"]),
    ]
    print_result({**about, **wrong.to_dict(frame.head(rows))}, lines, as_json=as_json)


def _lines(wrong: WrongRows, frame: pd.DataFrame, rows: int) -> Iterator[str]:
    of_rows = f"{wrong.wrong:,} of {count(wrong.n, 'dev row')} wrong"
    yield f"trial {wrong.trial}: {of_rows} ({percent(wrong.wrong / wrong.n)})"
    if sentence := wrong.sentence():
        yield sentence
    if wrong.confusions:
        pairs = [(one.given, one.predicted, f"{one.rows:,}") for one in wrong.confusions[:MOST_CONFUSIONS]]
        yield from ["", *_table([("given", "predicted", "rows"), *pairs], None)]
        if more := len(wrong.confusions) - MOST_CONFUSIONS:
            yield from [f"and {count(more, 'other pair')}"] if more > 0 else []
    if len(frame):
        names, cells = [*map(str, frame.columns)], frame.head(rows).to_numpy()
        shown = [[_cell(name, of) for name, of in zip(names, row, strict=True)] for row in cells]
        yield from ["", *_table([names, *shown], terminal_width(sys.stdout))]
    if len(frame) > rows:
        yield f"shown: {rows:,} of {count(len(frame), 'row')}; --rows N shows more, --csv FILE writes all"
    if wrong.trials > 1:
        yield f"wrong_in: the share of the {wrong.trials} best trials that have the row wrong"


def _table(rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """Align columns, as many as fit."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    fitting = fitting_columns(widths, len(GAP), width)
    for row in rows:
        yield GAP.join(row[k].rjust(widths[k]) for k in fitting)


def _cell(name: str, of: Any) -> str:
    if of is None or of != of:  # missing
        return "–"
    if name in PERCENT:
        return percent(of)
    return shorten(str(value(of) if isinstance(of, float) else of), LONGEST_CELL)
