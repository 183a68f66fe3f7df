"""``tuner delete``: remove a study and its trials."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tuner.cli.options import StorageOption, StudyArgument
from tuner.cli.printing import confirm, print_lines
from tuner.errors import UsageError


def delete(
    study: StudyArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    storage: StorageOption = None,
) -> None:
    """Remove a study and its trials from the database; keep its study file and reports."""
    from tuner.workspace.administration import delete as delete_study
    from tuner.workspace.administration import preview_deletion

    preview = preview_deletion(study, storage)
    counts = preview.counts
    n = counts.finished + counts.failed + counts.unrecorded
    trials = f"{n} trials" if preview.fault is None else "trials that cannot be read"
    what = f"study {preview.study} with {trials} in {preview.storage}"
    running = f"; {preview.running} are running now" if preview.running else ""
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"{what} would be deleted{running}; not a terminal; pass --yes")
        confirm(f"Delete {what}{running}?")
    delete_study(study, storage)
    print_lines(f"deleted: {what}")
