"""``tuner worker``: run whatever is open in the database."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from tuner.cli.options import AllowTrainerOption, StorageOption


def worker(
    forever: Annotated[
        bool, typer.Option("--forever", help="Wait for more work where there is none: a service.")
    ] = False,
    allow_trainer: AllowTrainerOption = None,
    storage: StorageOption = None,
) -> None:
    """Run trials of every study that has budget left, fairly, until nothing is left to do."""
    from tuner.running.service import run_service

    result = run_service(
        storage,
        forever=forever,
        on_event=lambda text: typer.echo(text, err=True),
        allow_trainers=tuple(allow_trainer or ()),
    )
    done = ", ".join(f"{study} {n}" for study, n in result.served.items() if n)
    typer.echo(f"database {result.storage}: {sum(result.served.values())} trials{f' ({done})' if done else ''}")
    if result.signal is not None:
        typer.echo(f"tuner: stopped by {signal.Signals(result.signal).name}; its trial was put back", err=True)
        raise typer.Exit(128 + result.signal)
