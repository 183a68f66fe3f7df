"""``tuner refine``: write the next definition from the report's advice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.options import (
    AllowTrainerOption,
    BaselineOption,
    JsonOption,
    MaterialGapOption,
    StorageOption,
    StudyArgument,
    check_unit,
)
from tuner.cli.printing import print_changes_since_search, print_result
from tuner.formatting import headline

if TYPE_CHECKING:
    from tuner.reporting import Refinement, Report


def refine(
    study: StudyArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="The next study file [default: studies/STUDY-2.toml, or the next free name].",
            show_default=False,
        ),
    ] = None,
    baseline: BaselineOption = None,
    material_gap: MaterialGapOption = None,
    allow_trainer: AllowTrainerOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the next study file: the report's advice as changed lines, each with its reason."""
    from tuner.reporting import build_report, next_definition, search_next_command
    from tuner.reporting import refine as refined
    from tuner.workspace import read_to_refine, write_definition

    record = read_to_refine(study, storage, allow_trainer or ())
    check_unit(record.unit, baseline=baseline, material_gap=material_gap)
    report = build_report(record, baseline=baseline, material_gap=material_gap)
    path = output or next_definition(report.record)
    refinement = refined(report, path)
    if refinement.edits:
        write_definition(path, refinement.text)
    print_changes_since_search(record.name, record.changes_since_search)
    command = search_next_command(report.record, path)
    written = {"output": str(path), "name": refinement.name, "command": command}
    there = written if refinement.edits else dict.fromkeys(written)
    summary = {"study": refinement.study, "changes": refinement.changes(), **there}
    print_result(summary, _lines(report, refinement, f"written: {path}. Continue with: {command}"), as_json=as_json)


def _lines(report: Report, refinement: Refinement, written: str) -> Iterator[str]:
    record = report.record
    yield headline(record.name, record.storage, f"data {record.data_path}")
    if refinement.edits:
        yield from ["", *refinement.lines(), "", written]
        return
    yield "the study file needs no change; nothing was written"
    if report.actions:
        first = report.actions[0]
        yield f"the report advises: {first.why}"
        if first.command:
            yield f"  {first.command}"
