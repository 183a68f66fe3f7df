"""``tuner refine``: the next definition, from what the report advises."""

from __future__ import annotations

import json
import shlex
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
)
from tuner.cli.printing import headline

if TYPE_CHECKING:
    from tuner.reporting import Refinement, Report


def refine(
    study: StudyArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="The next definition [default: studies/STUDY-2.toml, or the next free name].",
            show_default=False,
        ),
    ] = None,
    baseline: BaselineOption = None,
    material_gap: MaterialGapOption = None,
    allow_trainer: AllowTrainerOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the definition of the next study: the report's advice as changed lines, each with its reason."""
    from tuner.analysis import next_name
    from tuner.paths import STUDIES
    from tuner.reporting import build_report, taken_names
    from tuner.reporting import refine as refined
    from tuner.workspace import read_record, refuse_stored_trainer, write_definition

    refuse_stored_trainer(study, storage, allow_trainer or ())
    report = build_report(read_record(study, storage), baseline=baseline, material_gap=material_gap)
    path = output or STUDIES / f"{next_name(report.record.name, taken_names(report.record))}.toml"
    found = refined(report, path)
    if found.edits:
        write_definition(path, found.text)
    if as_json:
        typer.echo(json.dumps(_summary(report, found, path)))
    else:
        typer.echo(_text(report, found, path))


def _search(report: Report, path: Path) -> str:
    from tuner.reporting.advice import storage_option

    parts = ["tuner search", shlex.quote(str(path)), "--from", report.record.name, storage_option(report.record)]
    return " ".join(part for part in parts if part)


def _summary(report: Report, found: Refinement, path: Path) -> dict[str, object]:
    written = {"output": str(path), "name": found.name, "command": _search(report, path)}
    return {
        "study": found.study,
        "changes": found.changes(),
        **(written if found.edits else dict.fromkeys(written)),
    }


def _text(report: Report, found: Refinement, path: Path) -> str:
    record = report.record
    lines = [headline(record.name, record.storage, f"data {record.data_path}")]
    if found.edits:
        lines += ["", *found.lines(), "", f"written: {path}; go on with: {_search(report, path)}"]
        return "\n".join(lines)
    lines.append("nothing in the definition needs a change; nothing was written")
    if report.actions:
        first = report.actions[0]
        lines.append(f"the report advises: {first.why}" + (f"\n  {first.command}" if first.command else ""))
    return "\n".join(lines)
