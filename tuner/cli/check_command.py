"""``tuner check``: everything that can be known before a search."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from tuner.cli.data_command import findings_lines
from tuner.cli.options import AllowTrainerOption, JsonOption, StorageOption, StudyArgument, TargetOption
from tuner.formatting import rough_duration

if TYPE_CHECKING:
    from tuner.running import Estimate

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
    from tuner.running import estimate_search
    from tuner.workspace import StudyRequest, load_to_run

    request = StudyRequest(study, target, storage, allow_trainers=tuple(allow_trainer or ()))
    source, dataset, trainer = load_to_run(request)
    definition = source.definition
    findings = [finding.to_dict() for finding in check_data_quality(dataset)]
    estimate = estimate_search(definition, dataset, trainer)
    if as_json:
        found = {"study": definition.name, "trials": definition.search.trials, **estimate.to_dict()}
        typer.echo(json.dumps({**found, "notices": list(dataset.notices), "findings": findings}))
        return
    rows = ", ".join(f"{name} {n:,}" for name, n in dataset.sizes.items() if n)
    typer.echo(f"study {definition.name} · data {dataset.path or 'arrays'} ({rows})")
    typer.echo(f"searched: {', '.join(definition.searched_space.searched) or 'nothing; all is fixed'}")
    ran = _one_epoch(estimate) if trainer is None else _one_call(trainer.name, estimate)
    typer.echo(_text(definition.search.trials, ran, estimate))
    typer.echo("\n".join(findings_lines(dataset.notices, findings)))


def _one_epoch(estimate: Estimate) -> str:
    networks = f"{estimate.n_networks} networks of " if estimate.n_networks > 1 else "a network of "
    return (
        f"one epoch: {networks}{estimate.n_parameters:,} parameters, {estimate.updates_per_epoch} updates each, "
        f"{estimate.epoch_seconds:.2g} s"
    )


def _one_call(trainer: str, estimate: Estimate) -> str:
    networks = f"; a trial calls it {estimate.n_networks} times" if estimate.n_networks > 1 else ""
    if estimate.epoch_seconds is None:
        return f"trainer {trainer}: ran to its end, and its labels are as they should be{networks}"
    return (
        f"trainer {trainer}: one epoch in {estimate.epoch_seconds:.2g} s; it was ended there, before it returned labels"
        f"{networks}"
    )


def _text(trials: int, ran: str, estimate: Estimate) -> str:
    least, most = rough_duration(estimate.seconds_at_least), rough_duration(estimate.seconds_at_most)
    return (
        f"{ran}\n"
        f"{trials} trials: {least} to {most} by one worker "
        "(every trial stops as early, or as late, as it may)\n"
        f"memory: {estimate.data_bytes / MEGABYTE:,.0f} MB of data, {estimate.peak_bytes / MEGABYTE:,.0f} MB in all; "
        "workers share the data"
    )
