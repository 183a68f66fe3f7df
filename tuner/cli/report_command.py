"""``tuner report``: the verdict in the terminal, the pages in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import (
    ABOVE,
    FailAboveOption,
    JsonOption,
    StorageOption,
    is_above,
)


def report(
    studies: Annotated[
        list[str], typer.Argument(metavar="STUDY...", help="One study, or two side by side.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Where the report's folder is written.")
    ] = Path("reports"),
    baseline: Annotated[
        float | None, typer.Option("--baseline", metavar="E", min=0, max=1, help="Human-level or Bayes error.")
    ] = None,
    material_gap: Annotated[
        float | None, typer.Option("--material-gap", metavar="E", min=0, max=1, help="A smaller gap does not matter.")
    ] = None,
    fail_above: FailAboveOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write report.html, report.md, trials.csv, epochs.csv and summary.json, and print the table and the verdict."""
    from tuner.reporting import build_report
    from tuner.running import read_record

    above = False
    for study in studies:
        record = read_record(study, storage)
        found = build_report(record, baseline=baseline, material_gap=material_gap)
        folder = found.write(output)
        if as_json:
            typer.echo(json.dumps(found.summary))
        else:
            typer.echo(found.text())
            typer.echo(f"\nwritten: {folder / 'report.html'}")
        best = found.summary["best"]
        above |= is_above(best["dev_error"] if best else None, fail_above)
    if above:
        typer.echo(f"tuner: the best dev error is above --fail-above {fail_above:g}", err=True)
        raise typer.Exit(ABOVE)
