"""``tuner submit``: raise a study's budget; any available worker runs the trials."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from tuner.cli.options import JsonOption, StorageOption, StudyArgument, TargetOption, WaitOption, seconds_of
from tuner.cli.printing import print_result
from tuner.cli.progress import tell_of_wait
from tuner.commands import command_text
from tuner.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY


def submit(
    study: StudyArgument,
    target: TargetOption = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", metavar="N", min=1, help="Raise the budget by N; a new study starts with its study file's."
        ),
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option(
            "--priority",
            metavar="N",
            min=LOWEST_PRIORITY,
            max=HIGHEST_PRIORITY,
            help="Workers serve studies of a higher priority first; a new study has 0.",
        ),
    ] = None,
    storage: StorageOption = None,
    wait_for_database: WaitOption = "5m",
    as_json: JsonOption = False,
) -> None:
    """Create the study if needed and raise its budget by --trials; any available worker runs the trials."""
    wait = seconds_of(wait_for_database, "--wait-for-database")

    from tuner.storage import Patience
    from tuner.workspace import StudyRequest
    from tuner.workspace.administration import submit as submit_study

    request = StudyRequest(study, target, storage, patience=Patience(wait, tell_of_wait()))
    submitted = submit_study(request, trials, priority)
    budget, left = submitted.progress.budget, submitted.open_trials
    raised = "" if trials is None else f" (a budget of {budget - trials}, raised by {trials})"
    state = f"all {budget} trials are done; --trials N adds N more"
    if left:
        worker = command_text("worker", *submitted.storage_words)
        state = f"{left} of {budget} trials are open{raised}; `{worker}` runs them"
    lines = [submitted.headline, state]
    hold = submitted.hold
    if hold is not None and hold.stops_claims:
        lines.append(f"the study is {hold}; to let workers run it: {command_text('resume', *submitted.words)}")
    summary = {"study": submitted.study, "budget": budget, "open": left, "hold": None if hold is None else asdict(hold)}
    print_result(summary, lines, as_json=as_json)
