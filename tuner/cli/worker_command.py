"""``tuner worker``: run the open trials of the database."""

from __future__ import annotations

import math
import signal
from typing import Annotated

import typer

from tuner import fork_server
from tuner.cli.options import (
    AllowTrainerOption,
    LogFormatOption,
    MetricsPortOption,
    StorageOption,
    WaitOption,
    bytes_of,
    seconds_of,
)
from tuner.cli.printing import print_lines
from tuner.cli.progress import check_log_format, log_json, say, tell_of_wait
from tuner.limits import MOST_PROCESSES


def worker(
    forever: Annotated[bool, typer.Option("--forever", help="Wait for more work, as a service.")] = False,
    workers: Annotated[
        int, typer.Option("--workers", metavar="K", min=1, max=MOST_PROCESSES, help="Processes on this machine.")
    ] = 1,
    studies: Annotated[
        list[str] | None,
        typer.Option(
            "--studies",
            metavar="PATTERN",
            help="Serve only studies whose names match, like 'churn-*'; may be repeated.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="TIME", help="Stop after 90s, 30m, 2h, …; running trials are re-queued."),
    ] = None,
    max_trials: Annotated[
        int | None, typer.Option("--max-trials", metavar="N", min=1, help="Stop after N trials, of all workers.")
    ] = None,
    allow_trainer: AllowTrainerOption = None,
    max_memory: Annotated[
        str | None,
        typer.Option(
            "--max-memory",
            metavar="SIZE",
            help="Memory that data and networks of one worker may take, like 500M or 2G [default: what is free].",
            show_default=False,
        ),
    ] = None,
    max_trial_time: Annotated[
        str | None,
        typer.Option("--max-trial-time", metavar="TIME", help="A trial that takes longer than 90s, 30m, 2h, … fails."),
    ] = None,
    metrics_port: MetricsPortOption = None,
    storage: StorageOption = None,
    wait_for_database: WaitOption = "5m",
    log_format: LogFormatOption = "text",
) -> None:
    """Run open trials of every study, fairly, until none are left; a study that cannot be run is set aside."""
    check_log_format(log_format)
    memory = None if max_memory is None else bytes_of(max_memory, "--max-memory")
    seconds = math.inf if max_trial_time is None else seconds_of(max_trial_time, "--max-trial-time")
    lasts = math.inf if timeout is None else seconds_of(timeout, "--timeout")
    wait = seconds_of(wait_for_database, "--wait-for-database")
    if workers > 1:
        fork_server.start()  # it imports what workers need while this process does, too

    from tuner.running.events import Event
    from tuner.running.service import ServiceLimits, run_service
    from tuner.serving import serve_beside
    from tuner.storage import Patience

    def tell(event: Event) -> None:
        if log_format == "json":
            log_json(event.kind, **{"pid": event.pid, **event.fields})
        else:
            say(event.text)

    serving = say if log_format == "text" else (lambda text: log_json("serving", message=text))
    with serve_beside(storage, metrics_port, serving, "--metrics-port"):
        result = run_service(
            storage,
            forever=forever,
            on_event=tell,
            allow_trainers=tuple(allow_trainer or ()),
            limits=ServiceLimits(
                memory=memory, trial_seconds=seconds, patterns=tuple(studies or ()), seconds=lasts, trials=max_trials
            ),
            patience=Patience(wait, tell_of_wait(log_format)),
            workers=workers,
        )
    done = ", ".join(f"{study} {n}" for study, n in result.served.items() if n)
    print_lines(f"database {result.storage}: {sum(result.served.values())} trials{f' ({done})' if done else ''}")
    if result.signal is not None:
        print_lines(f"tuner: stopped by {signal.Signals(result.signal).name}; running trials were re-queued", err=True)
        raise typer.Exit(128 + result.signal)
