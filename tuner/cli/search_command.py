"""``tuner search``: run trials until the budget is complete."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from typing import Annotated

import typer

from tuner.cli.options import (
    ABOVE,
    FailAboveOption,
    JsonOption,
    StorageOption,
    StudyArgument,
    is_above,
    seconds_of,
)
from tuner.cli.progress import show_progress
from tuner.errors import UsageError


def search(
    study: StudyArgument,
    target: Annotated[
        str | None, typer.Option("--target", metavar="COL", help="The column of a data file to predict.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", min=1, help="Exactly N more trials by this call.")
    ] = None,
    total: Annotated[
        int | None, typer.Option("--total", metavar="N", min=1, help="Raise the study's budget to N in all.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="K",
            min=1,
            max=1024,
            help="Processes on this machine [default: 1], or Dask workers [default: all].",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="End after 90s, 30m, 2h, …; done so far is kept.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NEW", help="Make a new study of this name.")] = None,
    from_study: Annotated[
        str | None, typer.Option("--from", metavar="OLD", help="Begin with the trials of another study.")
    ] = None,
    fail_above: FailAboveOption = None,
    allow_changed: Annotated[
        bool, typer.Option("--allow-changed", help="Continue a study although its definition changed.")
    ] = False,
    executor: Annotated[
        str, typer.Option("--executor", metavar="NAME", help="Where the workers run: processes, or dask.")
    ] = "processes",
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="The Dask scheduler, like tcp://host:8786.")
    ] = None,
    storage: StorageOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Complete the study's budget; the same command again goes on where the last one ended."""
    if trials is not None and total is not None:
        raise UsageError("--trials and --total: expected one of them (N more by this call, or N in all)")
    limit = None if timeout is None else seconds_of(timeout, "--timeout")

    from tuner.running import SearchRequest, StudyRequest, check_executor, open_study, run_search

    check_executor(executor, scheduler, storage)
    opened = open_study(StudyRequest(study, target, storage, name, from_study, allow_changed))
    typer.echo(opened.headline + ("" if scheduler or workers else _more_cores()), err=as_json)
    request = SearchRequest(trials, total, workers, limit, scheduler)
    with show_progress(quiet=quiet or as_json) as on_progress:
        result = run_search(opened, request, on_progress)
    if as_json:
        typer.echo(json.dumps(result.to_dict()))
    else:
        typer.echo(result.text())
    if result.signal is not None:
        typer.echo(f"tuner: stopped by {signal.Signals(result.signal).name}; go on with: {_again()}", err=True)
        raise typer.Exit(128 + result.signal)
    best = result.progress.best
    if is_above(best.dev_error if best else None, fail_above):
        found = f"is {best.dev_error:.4g}" if best else "is not known yet"
        typer.echo(f"tuner: the best dev error {found}, above --fail-above {fail_above:g}", err=True)
        raise typer.Exit(ABOVE)


def _more_cores() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f" · --workers {cores} would use all {cores} cores" if cores > 1 else ""


def _again() -> str:
    from tuner.storage import without_password

    return "tuner " + without_password(shlex.join(sys.argv[1:]))
