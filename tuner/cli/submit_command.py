"""``tuner submit``: more budget for whichever worker comes by."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tuner.cli.options import JsonOption, StorageOption, StudyArgument, TargetOption


def submit(
    study: StudyArgument,
    target: TargetOption = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", metavar="N", min=1, help="Raise its budget by N; a new study opens with its definition's."
        ),
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make sure the study is in the database, raise its budget by --trials, and leave the work to `tuner worker`."""
    from tuner.workspace import StudyRequest
    from tuner.workspace.administration import submit as submit_study

    submitted = submit_study(StudyRequest(study, target, storage), trials)
    if as_json:
        found = {"study": submitted.study, "budget": submitted.progress.budget, "open": submitted.open_trials}
        typer.echo(json.dumps(found))
        return
    typer.echo(submitted.headline)
    if submitted.open_trials:
        budget = submitted.progress.budget
        raised = "" if trials is None else f" (a budget of {budget - trials}, raised by {trials})"
        typer.echo(f"{submitted.open_trials} of {budget} trials are open{raised}; `tuner worker` runs them")
    else:
        typer.echo(f"all {submitted.progress.budget} trials are done; --trials N adds N more")
