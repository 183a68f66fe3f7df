"""``tuner enqueue``: choose the next trial by hand."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tuner.cli.options import JsonOption, StorageOption, StudyArgument, WaitOption, seconds_of
from tuner.cli.printing import print_result
from tuner.cli.progress import tell_of_wait
from tuner.commands import command_text
from tuner.errors import UsageError


def enqueue(
    study: StudyArgument,
    values: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE...", help="Hyperparameters; the others are sampled.", show_default=False),
    ],
    storage: StorageOption = None,
    wait_for_database: WaitOption = "5m",
    as_json: JsonOption = False,
) -> None:
    """Queue a trial with these hyperparameters as the next one to run."""
    picked = dict(_parse(text) for text in values)

    wait = seconds_of(wait_for_database, "--wait-for-database")

    from tuner.storage import Patience
    from tuner.workspace import StudyRequest
    from tuner.workspace.administration import enqueue as enqueue_values

    submitted, number = enqueue_values(
        StudyRequest(study, storage=storage, patience=Patience(wait, tell_of_wait())), picked
    )
    shown = ", ".join(f"{name} {value}" for name, value in picked.items())
    more = [] if submitted.open_trials else ["--trials", 1]
    run = f"Run it with: {command_text('search', *submitted.words, *more)}"
    lines = [submitted.headline, f"trial {number} is next: {shown}. {run}"]
    print_result({"study": submitted.study, "number": number, "params": picked}, lines, as_json=as_json)


def _parse(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise UsageError(f"expected NAME=VALUE like alpha=0.1, got {text!r}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value
