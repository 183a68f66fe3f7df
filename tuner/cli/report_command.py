"""``tuner report``: write the report and print its verdict."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.completion import study_names
from tuner.cli.options import (
    ABOVE,
    BaselineOption,
    FailAboveOption,
    ForceOption,
    JsonOption,
    MaterialGapOption,
    StorageOption,
    check_unit,
    is_above,
    seconds_of,
)
from tuner.cli.printing import print_changes_since_search, print_json, print_lines, print_report
from tuner.errors import TunerError, UsageError
from tuner.formatting import count

if TYPE_CHECKING:
    from tuner.analysis import ColumnUse
    from tuner.reporting import Report

TENTH = 10
"""Of the search's time, what the columns may take."""


class FigureFormat(StrEnum):
    """The kinds of files that a figure can be written as."""

    SVG = "svg"
    PNG = "png"
    PDF = "pdf"


class Importance(StrEnum):
    """Whether the columns' importance is measured."""

    AUTO = "auto"
    NONE = "none"


def report(
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY...",
            help="One study, or two side by side.",
            show_default=False,
            autocompletion=study_names,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Where the report's folder is written.")
    ] = Path("reports"),
    baseline: BaselineOption = None,
    material_gap: MaterialGapOption = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Also show what is new since 24h, 7d, …")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", metavar="DIR", help="Also write each figure as a file of its own.")
    ] = None,
    figure_format: Annotated[
        FigureFormat, typer.Option("--format", help="With --figures: svg, or png and pdf (extra figures).")
    ] = FigureFormat.SVG,
    importance: Annotated[
        Importance,
        typer.Option(
            "--importance",
            help="auto: train the best trial again to show which columns it uses, for at most a tenth of the search's "
            "time; none: do not.",
        ),
    ] = Importance.AUTO,
    tally: Annotated[
        Path | None,
        typer.Option(
            "--tally", metavar="FILE", help="Also show the tags of wrong rows in a file of tuner errors --tally."
        ),
    ] = None,
    fail_above: FailAboveOption = None,
    force: ForceOption = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write report.html, report.md, trials.csv, epochs.csv and summary.json, and print the table and the verdict."""
    _refuse_of_several(studies, {"--figures": figures, "--tally": tally})
    age = None if since is None else datetime.timedelta(seconds=seconds_of(since, "--since"))

    from tuner.reporting import build_report, compare
    from tuner.reporting.page import write_figures
    from tuner.workspace import read_with_data

    read = [read_with_data(study, storage) for study in studies]
    for record, _ in read:
        check_unit(record.unit, baseline=baseline, material_gap=material_gap, fail_above=fail_above)
    reports = [
        build_report(
            record,
            baseline=baseline,
            material_gap=material_gap,
            since=age,
            earlier=output / record.name if len(read) == 1 else None,
            dataset=dataset,
            tally=tally,
        )
        for record, dataset in read
    ]
    if tally is not None:
        _ = reports[0].tally  # refused before anything is written
    if len(reports) == 1 and importance == Importance.AUTO:
        reports = [replace(reports[0], columns=_columns(reports[0], studies[0], storage))]
    shown = reports[0] if len(reports) == 1 else compare(reports)
    drawn = [] if figures is None else write_figures(reports[0], figures, figure_format, force=force)
    page = shown.write(output, force=force) / "report.html"
    written = [f"written: {page}"]
    if figures is not None:
        written.append(f"written: {count(len(drawn), 'figure')} in {figures}")
    for record, _ in read:
        print_changes_since_search(record.name, record.changes_since_search)
    if as_json:
        print_json(shown.summary)
    else:
        print_report(shown, *written)
    if open_page:
        typer.launch(str(page))
    above = [report for report in reports if is_above(_best_error(report), fail_above)]
    if above:
        names = ", ".join(report.record.name for report in above)
        limit = above[0].diagnosis.unit.text(fail_above)
        print_lines(f"tuner: the best dev error of {names} is above --fail-above {limit}", err=True)
        raise typer.Exit(ABOVE)


def _refuse_of_several(studies: Sequence[str], options: Mapping[str, Path | None]) -> None:
    given = [option for option, file in options.items() if file is not None]
    if given and len(studies) > 1:
        raise UsageError(f"{given[0]}: expected one study, got a comparison")


def _columns(report: Report, study: str, storage: str | None) -> ColumnUse | str | None:
    """Return which columns the best trial uses, as an earlier report or a tenth of the search's time says; or why not.

    None where that says nothing: without a trial, or of pixels.
    """
    from tuner.modeling import can_shuffle, takes_too_long, train_and_measure_columns
    from tuner.reporting import kept_columns
    from tuner.workspace import find_searched, trainer_to_train

    best = report.best
    if best is None or report.dataset is None or not can_shuffle(report.dataset):
        return None
    if kept := kept_columns(report.earlier, report.record):
        return kept
    seconds = sum(trial.seconds or 0.0 for trial in report.record.trials) / TENTH
    if takes_too_long(best, seconds):
        return (
            f"training trial {best.number} again would take more than half of a tenth of the search's time. In Python "
            "study.columns() takes the time that it needs"
        )
    try:
        trainer = trainer_to_train(find_searched(study, storage)[0], report.definition, ())
        return train_and_measure_columns(report.record, report.dataset, report.definition, trainer, seconds)
    except TunerError as error:
        return str(error).rstrip(".")


def _best_error(report: Report) -> float | None:
    best = report.summary["best"]
    return best["dev_error"] if best else None
