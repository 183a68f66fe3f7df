"""``tuner submit``: more budget for whichever worker comes by."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.options import JsonOption, StorageOption, StudyArgument, TargetOption
from tuner.cli.printing import print_result


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
    budget, left = submitted.progress.budget, submitted.open_trials
    raised = "" if trials is None else f" (a budget of {budget - trials}, raised by {trials})"
    told = f"all {budget} trials are done; --trials N adds N more"
    if left:
        told = f"{left} of {budget} trials are open{raised}; `tuner worker` runs them"
    found = {"study": submitted.study, "budget": budget, "open": left}
    print_result(found, [submitted.headline, told], as_json=as_json)
