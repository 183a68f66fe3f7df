"""``tuner delete``: a study and its trials, for good."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tuner.cli.options import StorageOption, StudyArgument
from tuner.errors import UsageError


def delete(
    study: StudyArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: StorageOption = None,
) -> None:
    """Remove a study and its trials from the database; its definition and its reports stay."""
    from tuner.workspace.administration import delete as delete_study
    from tuner.workspace.administration import look_before_deleting

    condemned = look_before_deleting(study, storage)
    counts = condemned.counts
    what = f"study {condemned.study} with {counts.finished + counts.failed} trials in {condemned.storage}"
    running = f"; {condemned.running} are running now" if condemned.running else ""
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"{what} would be deleted{running}; nobody is here to ask, so say --yes")
        typer.confirm(f"Delete {what}{running}?", abort=True, err=True)
    delete_study(study, storage)
    typer.echo(f"deleted: {what}")
