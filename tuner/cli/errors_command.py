"""``tuner errors``: the dev rows that a trial has wrong, and labels that look wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import ForceOption, JsonOption, StorageOption, StudyArgument
from tuner.cli.printing import fitting_columns, print_result, terminal_width
from tuner.errors import UsageError
from tuner.formatting import count, headline

if TYPE_CHECKING:
    import pandas as pd

    from tuner.reporting import OddRows, WrongRows
    from tuner.reporting.tally import Tally
    from tuner.storage import StudyRecord

MOST_CONFUSIONS = 10
ROWS, ROWS_OF_PAGE = 20, 100
GAP = "  "


class Odd(StrEnum):
    """Kinds of odd rows."""

    DUPLICATES = "duplicates"
    OUTLIERS = "outliers"


def errors(
    study: StudyArgument,
    trial: Annotated[
        int | None, typer.Option("--trial", min=0, help="The trial; by default the best.", show_default=False)
    ] = None,
    suspects: Annotated[bool, typer.Option("--suspects", help="Only rows whose label looks wrong.")] = False,
    odd: Annotated[
        Odd | None,
        typer.Option(
            "--odd",
            help="Instead: rows equal but for their class, or with cells far outside of the training rows.",
            show_default=False,
        ),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", min=1, help="At most so many rows; by default 20, on a page 100.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write all of them, with all columns, to a CSV file."),
    ] = None,
    tally: Annotated[
        Path | None,
        typer.Option(
            "--tally", metavar="FILE", help="Write 100 wrong rows to be tagged; add up the tags of a file that exists."
        ),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Also write the page DIR/STUDY/errors.html, with pictures of rows of pixels.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="With --html: where the study's folder is written.")
    ] = Path("reports"),
    force: ForceOption = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the dev rows that are wrong, first those that most of the best trials have wrong."""
    from tuner.files import refuse_overwriting
    from tuner.modeling import is_predictions
    from tuner.reporting import find_odd_rows, find_wrong_rows, write_errors_page
    from tuner.workspace import find_searched, load_searched

    if csv is not None:
        refuse_overwriting(csv, force=force, is_ours=is_predictions)
    if tally is not None and not os.path.lexists(tally):
        refuse_overwriting(tally)
    place, _ = find_searched(study, storage)
    record, dataset = load_searched(place)
    if odd is not None:
        _print_odd(find_odd_rows(record, dataset, odd), record, rows or ROWS, csv, force=force, as_json=as_json)
        return
    wrong = find_wrong_rows(record, dataset, trial)
    if suspects and wrong.rmse is not None:
        raise UsageError(f"--suspects: study {record.name!r} predicts numbers, and only classes are suspected")
    frame = wrong.suspected if suspects else wrong.frame
    if csv is not None:
        _write(frame, csv, force=force)
    tagged = None if tally is None else _tally(tally, wrong)
    page = None
    if html:
        page = write_errors_page(record, wrong, frame.head(rows or ROWS_OF_PAGE), output, force=force)
    shown = frame.head(rows or ROWS)
    written = {"csv": None if csv is None else str(csv), "html": None if page is None else str(page)}
    lines = [
        headline(record.name, record.storage, f"data {record.data_path or 'arrays'}"),
        *_lines(wrong, frame, shown),
        *([] if csv is None else ["", f"written: {csv} ({count(len(frame), 'row')})"]),
        *([] if page is None else ["", f"written: {page}"]),
        *_tally_lines(tally, tagged),
    ]
    about = {"study": record.name, "storage": record.storage, **written}
    added = {"tally": None if tagged is None else tagged.to_dict()}
    print_result({**about, **wrong.to_dict(shown), **added}, lines, as_json=as_json)


def _tally(file: Path, wrong: WrongRows) -> Tally | None:
    """Add up the tags of a file that exists, or write one to be tagged."""
    from tuner.files import whole_file
    from tuner.reporting.tally import read_tally, tally_text

    if os.path.lexists(file):
        return read_tally(file, wrong)
    with whole_file(file) as opened:
        opened.write(tally_text(wrong).encode())
    return None


def _tally_lines(file: Path | None, tagged: Tally | None) -> Iterator[str]:
    if tagged is not None:
        yield from ["", tagged.sentence, "", *_table([tagged.columns, *tagged.rows()], None)]
        yield tagged.footnote
    elif file is not None:
        yield from [
            "",
            f"written: {file}. Fill in the column tag (several separated by ;), then run this command again",
        ]


def _write(frame: pd.DataFrame, csv: Path, *, force: bool) -> None:
    from tuner.files import whole_file
    from tuner.modeling import is_predictions
    from tuner.reporting import csv_text

    cells = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    with whole_file(csv, force=force, is_ours=is_predictions) as file:
        file.write(csv_text(list(frame.columns), cells).encode())


def _print_odd(odd: OddRows, record: StudyRecord, rows: int, csv: Path | None, *, force: bool, as_json: bool) -> None:
    """Print odd rows, and write all of them."""
    shown = odd.frame.head(rows)
    lines = [headline(record.name, record.storage, f"data {record.data_path or 'arrays'}"), odd.sentence]
    if len(shown):
        names = [*map(str, shown.columns)]
        cells = [[odd.text(name, of) for name, of in zip(names, row, strict=True)] for row in shown.to_numpy()]
        lines += ["", *_table([names, *cells], terminal_width(sys.stdout))]
    if len(odd.frame) > rows:
        lines.append(f"shown: {rows:,} of {count(len(odd.frame), 'row')}; --rows N shows more, --csv FILE writes all")
    if csv is not None:
        _write(odd.frame, csv, force=force)
        lines += ["", f"written: {csv} ({count(len(odd.frame), 'row')})"]
    about = {"study": record.name, "storage": record.storage, "csv": None if csv is None else str(csv)}
    print_result({**about, **odd.to_dict(shown)}, lines, as_json=as_json)


def _lines(wrong: WrongRows, frame: pd.DataFrame, shown: pd.DataFrame) -> Iterator[str]:
    yield wrong.headline
    if wrong.eyeball is not None:
        yield wrong.eyeball.sentence
    if sentence := wrong.sentence():
        yield sentence
    if wrong.confusions:
        pairs = [(one.given, one.predicted, f"{one.rows:,}") for one in wrong.confusions[:MOST_CONFUSIONS]]
        yield from ["", *_table([("given", "predicted", "rows"), *pairs], None)]
        if more := len(wrong.confusions) - MOST_CONFUSIONS:
            yield from [f"and {count(more, 'other pair')}"] if more > 0 else []
    if len(shown):
        pixels = () if wrong.pictures is None else wrong.pictures.columns
        shown = shown.drop(columns=list(pixels))
        names = [*map(str, shown.columns)]
        cells = [[wrong.text(name, of) for name, of in zip(names, row, strict=True)] for row in shown.to_numpy()]
        yield from ["", *_table([names, *cells], terminal_width(sys.stdout))]
    if len(frame) > len(shown):
        yield f"shown: {len(shown):,} of {count(len(frame), 'row')}; --rows N shows more, --csv FILE writes all"
    if len(shown) and wrong.footnote:
        yield wrong.footnote
    if wrong.segments is not None and (wrong.segments.compared or wrong.segments.named):
        yield from ["", *filter(None, [wrong.segments.sentence]), *wrong.segments.high_variance]
        if table := wrong.segments.rows():
            yield from ["", *_table([wrong.segments.columns, *table], terminal_width(sys.stdout))]


def _table(rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """Align columns, as many as fit."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    fitting = fitting_columns(widths, len(GAP), width)
    for row in rows:
        yield GAP.join(row[k].rjust(widths[k]) for k in fitting)
