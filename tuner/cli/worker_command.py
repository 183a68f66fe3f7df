"""``tuner worker``: run the open trials of the database."""

from __future__ import annotations

import math
import signal
from typing import Annotated

import typer

from tuner.cli.options import (
    AllowTrainerOption,
    MetricsPortOption,
    StorageOption,
    WaitOption,
    bytes_of,
    seconds_of,
)
from tuner.cli.printing import print_lines, print_log
from tuner.cli.progress import tell_of_wait


def worker(
    forever: Annotated[bool, typer.Option("--forever", help="Wait for more work, as a service.")] = False,
    allow_trainer: AllowTrainerOption = None,
    max_memory: Annotated[
        str | None,
        typer.Option(
            "--max-memory",
            metavar="SIZE",
            help="Memory that data and networks may take, like 500M or 2G [default: what is free].",
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
) -> None:
    """Run open trials of every study, fairly, until none are left; a study that cannot be run is set aside."""
    memory = None if max_memory is None else bytes_of(max_memory, "--max-memory")
    seconds = math.inf if max_trial_time is None else seconds_of(max_trial_time, "--max-trial-time")

    wait = seconds_of(wait_for_database, "--wait-for-database")

    from tuner.running.service import ServiceLimits, run_service
    from tuner.serving import serve_beside
    from tuner.storage import Patience

    with serve_beside(storage, metrics_port, print_log, "--metrics-port"):
        result = run_service(
            storage,
            forever=forever,
            on_event=lambda text: print_lines(text, err=True),
            allow_trainers=tuple(allow_trainer or ()),
            limits=ServiceLimits(memory=memory, trial_seconds=seconds),
            patience=Patience(wait, tell_of_wait()),
        )
    done = ", ".join(f"{study} {n}" for study, n in result.served.items() if n)
    print_lines(f"database {result.storage}: {sum(result.served.values())} trials{f' ({done})' if done else ''}")
    if result.signal is not None:
        print_lines(f"tuner: stopped by {signal.Signals(result.signal).name}; its trial was re-queued", err=True)
        raise typer.Exit(128 + result.signal)
