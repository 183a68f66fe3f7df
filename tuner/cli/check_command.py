"""``tuner check``: everything that can be known before a search."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from tuner.cli.data_command import findings_lines
from tuner.cli.options import AllowTrainerOption, JsonOption, StorageOption, StudyArgument, TargetOption
from tuner.formatting import rough_duration

if TYPE_CHECKING:
    from tuner.trainers import Estimate

MEGABYTE = 1_000_000


def check(
    study: StudyArgument,
    target: TargetOption = None,
    allow_trainer: AllowTrainerOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read definition and data as a search would, train one epoch, and say what the whole search would take."""
    from tuner.data import check_data_quality
    from tuner.workspace import StudyRequest, load_to_run

    request = StudyRequest(study, target, storage, allow_trainers=tuple(allow_trainer or ()))
    source, dataset, trainer = load_to_run(request)
    definition = source.definition
    findings = [finding.to_dict() for finding in check_data_quality(dataset)]
    estimate = trainer.estimate(dataset)
    if as_json:
        found = {"study": definition.name, "trials": definition.search.trials, **estimate.to_dict()}
        typer.echo(json.dumps({**found, "notices": list(dataset.notices), "findings": findings}))
        return
    rows = ", ".join(f"{name} {n:,}" for name, n in dataset.sizes.items() if n)
    typer.echo(f"study {definition.name} · data {dataset.path or 'arrays'} ({rows})")
    typer.echo(f"searched: {', '.join(definition.searched_space.searched) or 'nothing; all is fixed'}")
    typer.echo(_text(definition.search.trials, estimate))
    typer.echo("\n".join(findings_lines(dataset.notices, findings)))


def _text(trials: int, estimate: Estimate) -> str:
    least, most = rough_duration(estimate.seconds_at_least), rough_duration(estimate.seconds_at_most)
    return (
        f"{estimate.ran}\n"
        f"{trials} trials: {least} to {most} by one worker "
        "(every trial stops as early, or as late, as it may)\n"
        f"memory: {estimate.data_bytes / MEGABYTE:,.0f} MB of data, {estimate.peak_bytes / MEGABYTE:,.0f} MB in all; "
        "workers share the data"
    )
