"""``tuner init``: a commented definition for a data file, or the example that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuner.commands import command_text
from tuner.errors import UsageError


def init(
    data: Annotated[Path | None, typer.Argument(metavar="DATA", help="The data file.", show_default=False)] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="COL", help="The column to predict.")] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Instead of DATA: put the digits study and its data here.")
    ] = False,
) -> None:
    """Write studies/NAME.toml, with ranges that suit the data; an existing file is left as it is."""
    if example == (data is not None):
        raise UsageError("expected a data file (tuner init my.csv --target COLUMN), or --example for the digits study")

    from tuner.workspace import make_definition_file, write_example

    written, notices = (write_example(), ()) if data is None else make_definition_file(data, target)
    for notice in notices:
        typer.echo(f"to know: {notice}")
    typer.echo(f"written: {written}; edit it, then: {command_text('search', written.stem)}")
