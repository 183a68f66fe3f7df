"""``tuner worker``: run the open trials of the database."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from tuner.cli.options import AllowTrainerOption, StorageOption
from tuner.cli.printing import print_lines


def worker(
    forever: Annotated[bool, typer.Option("--forever", help="Wait for more work, as a service.")] = False,
    allow_trainer: AllowTrainerOption = None,
    storage: StorageOption = None,
) -> None:
    """Run open trials of every study, fairly, until none are left."""
    from tuner.running.service import run_service

    result = run_service(
        storage,
        forever=forever,
        on_event=lambda text: print_lines(text, err=True),
        allow_trainers=tuple(allow_trainer or ()),
    )
    done = ", ".join(f"{study} {n}" for study, n in result.served.items() if n)
    print_lines(f"database {result.storage}: {sum(result.served.values())} trials{f' ({done})' if done else ''}")
    if result.signal is not None:
        print_lines(f"tuner: stopped by {signal.Signals(result.signal).name}; its trial was re-queued", err=True)
        raise typer.Exit(128 + result.signal)
