"""``tuner search``: run trials until the budget is complete."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tuner import fork_server
from tuner.cli.data_options import takes_data_options
from tuner.cli.options import (
    ABOVE,
    AllowTrainerOption,
    FailAboveOption,
    JsonOption,
    LogFormatOption,
    MetricsPortOption,
    StorageOption,
    StudyArgument,
    TargetOption,
    WaitOption,
    check_unit,
    is_above,
    seconds_of,
)
from tuner.cli.printing import print_json, print_lines, print_log, print_report
from tuner.cli.progress import check_log_format, log_json, show_progress, show_steps, tell_of_wait
from tuner.commands import command_text
from tuner.errors import UsageError
from tuner.limits import MOST_CONFIRMED, MOST_PROCESSES
from tuner.printable import mask_word

if TYPE_CHECKING:
    from tuner.running import SearchResult
    from tuner.workspace import PreparedStudy


@takes_data_options
def search(
    study: StudyArgument,
    of_data: dict[str, Any],
    target: TargetOption = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", min=1, help="Run exactly N more trials.")
    ] = None,
    total: Annotated[
        int | None, typer.Option("--total", metavar="N", min=1, help="Set the study's budget to N trials in all.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="K",
            min=1,
            max=MOST_PROCESSES,
            help="Processes on this machine [default: 1], or Dask workers [default: all].",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="TIME", help="Stop after 90s, 30m, 2h, …; finished trials are kept."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NEW", help="Create a new study of this name.")] = None,
    from_study: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="OLD", help="Start with the trials of another study that the new one could have, too."
        ),
    ] = None,
    references: Annotated[
        str,
        typer.Option(
            "--references",
            metavar="NAME",
            help="Reference models of a new study: all, fast (majority class, logistic regression), or none.",
        ),
    ] = "all",
    confirm: Annotated[
        int | None,
        typer.Option(
            "--confirm",
            metavar="K",
            min=0,
            max=MOST_CONFIRMED,
            help="After the budget train the K best trials again, with other seeds and of few rows other splits, too; "
            "the best is chosen by all trainings.",
        ),
    ] = None,
    fail_above: FailAboveOption = None,
    allow_changed: Annotated[
        bool, typer.Option("--allow-changed", help="Continue a study even if its study file changed.")
    ] = False,
    executor: Annotated[
        str, typer.Option("--executor", metavar="NAME", help="Where the workers run: processes, or dask.")
    ] = "processes",
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="The Dask scheduler, like tcp://host:8786.")
    ] = None,
    allow_trainer: AllowTrainerOption = None,
    metrics_port: MetricsPortOption = None,
    storage: StorageOption = None,
    wait_for_database: WaitOption = "5m",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no verdict, only the result.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Also print one line per trial.")] = False,
    log_format: LogFormatOption = "text",
    as_json: JsonOption = False,
) -> None:
    """Run trials until the study's budget is complete; the same command continues an interrupted search."""
    if trials is not None and total is not None:
        raise UsageError("--trials (N more) and --total (N in all) are mutually exclusive")
    check_log_format(log_format)
    limit = None if timeout is None else seconds_of(timeout, "--timeout")
    if workers is not None and workers > 1 and scheduler is None:
        fork_server.start()  # it imports what workers need while this process does, too

    wait = seconds_of(wait_for_database, "--wait-for-database")

    from tuner.running import SearchRequest, check_executor, run_search
    from tuner.serving import serve_beside
    from tuner.storage import Patience
    from tuner.workspace import StudyRequest, open_study

    check_executor(executor, scheduler, storage)
    request = SearchRequest(trials, total, workers, limit, scheduler, references, confirm)
    trainers = tuple(allow_trainer or ())
    patience = Patience(wait, tell_of_wait(log_format))
    asked = StudyRequest(study, target, storage, name, from_study, allow_changed, trainers, of_data, patience)
    with show_steps(quiet=quiet, log_format=log_format):
        opened = open_study(asked, lambda unit: check_unit(unit, fail_above=fail_above))
    print_lines(opened.headline + ("" if scheduler or workers else _more_cores()), err=as_json)
    if log_format == "json":
        log_json("started", study=opened.stored.name, storage=opened.database.name, data=opened.stored.data_path)
    else:
        _print_notes(opened, quiet=quiet)
    tell = print_log if log_format == "text" else (lambda text: log_json("serving", message=text))
    with (
        serve_beside(opened.database.address, metrics_port, tell, "--metrics-port"),
        show_progress(quiet=quiet or as_json, verbose=verbose, log_format=log_format) as on_progress,
    ):
        result = run_search(opened, request, on_progress)
    if log_format == "json":
        log_json("ended", **result.to_dict(), signal=result.signal)
    if as_json:
        print_json(result.to_dict())
    elif quiet or result.signal is not None:
        print_lines(*result.lines())
    else:
        print_lines(*result.headlines, "")
        _print_verdict(opened)
    if result.signal is not None:
        _exit_stopped(result, trials)
    best, unit = result.progress.best, result.progress.unit
    if is_above(best.dev_error if best else None, fail_above):
        reason = f"the best dev error is {unit.text(best.dev_error)}, above" if best else "no complete trial yet for"
        print_lines(f"tuner: {reason} --fail-above {unit.text(fail_above)}", err=True)
        raise typer.Exit(ABOVE)


def _print_notes(opened: PreparedStudy, *, quiet: bool) -> None:
    """Print notes on a new study's data."""
    for notice in opened.notices if opened.is_new and not quiet else []:
        print_lines(f"tuner: note: {notice}", err=True)


def _more_cores() -> str:
    from tuner.workspace.machine import usable_cores

    cores = usable_cores()
    return f" · --workers {cores} would use all {cores} cores" if cores > 1 else ""


def _print_verdict(opened: PreparedStudy) -> None:
    """Print the report, and the command that writes its page."""
    from tuner.reporting import build_report, report_command
    from tuner.workspace import read_prepared

    record = read_prepared(opened)
    page = f"Write the report with all figures to reports/{record.name}/report.html:"
    print_report(build_report(record), page, f"   {report_command(record, '--open')}")


def _exit_stopped(result: SearchResult, trials: int | None) -> NoReturn:
    """Print the signal and the command that continues, and exit with the signal's status."""
    assert result.signal is not None
    rest = None if trials is None else trials - result.run.finished
    stopped = f"tuner: stopped by {signal.Signals(result.signal).name}; running trials were re-queued"
    print_lines(stopped if rest == 0 else f"{stopped}. Continue with: {again(sys.argv[1:], rest)}", err=True)
    raise typer.Exit(128 + result.signal)


def again(arguments: list[str], trials: int | None) -> str:
    """The same command with the remaining ``--trials``, and without passwords."""
    left = list(arguments)
    for place, word in enumerate(arguments):
        if trials is not None and word == "--trials":
            left[place + 1] = str(trials)
        elif trials is not None and word.startswith("--trials="):
            left[place] = f"--trials={trials}"
    return command_text(*map(mask_word, left))
