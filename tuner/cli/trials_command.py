"""``tuner trials``: the trials of a study."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tuner.cli.options import JsonOption, StorageOption, StudyArgument
from tuner.formatting import headline


def trials(
    study: StudyArgument,
    csv: Annotated[bool, typer.Option("--csv", help="All columns as CSV on stdout.")] = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the trials, in the order of their numbers."""
    from tuner.reporting import trials_frame
    from tuner.workspace import read_record

    record = read_record(study, storage)
    frame = trials_frame(record)
    if csv:
        typer.echo(frame.to_csv(index=False), nl=False)
    elif as_json:
        rows = json.loads(frame.to_json(orient="records"))
        typer.echo(json.dumps({"study": record.name, "storage": record.storage, "trials": rows}))
    else:
        typer.echo(headline(record.name, record.storage, f"{len(frame)} trials"))
        typer.echo(frame.to_string(index=False, na_rep="-", float_format=lambda value: f"{value:.4g}"))
