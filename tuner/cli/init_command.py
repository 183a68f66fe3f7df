"""``tuner init``: write a definition for a data file, or an included example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tuner.cli.data_options import takes_data_options
from tuner.cli.options import TargetOption
from tuner.cli.printing import print_lines
from tuner.cli.progress import show_steps
from tuner.commands import command_text
from tuner.errors import UsageError


@takes_data_options
def init(
    of_data: dict[str, Any],
    data: Annotated[Path | None, typer.Argument(metavar="DATA", help="The data file.", show_default=False)] = None,
    target: TargetOption = None,
    example: Annotated[
        bool,
        typer.Option(
            "--example", help="Instead: copy an included study here; DATA is digits (default), churn or diabetes."
        ),
    ] = False,
) -> None:
    """Write studies/NAME.toml, with ranges that suit the data; never overwrite."""
    from tuner.workspace import make_definition_file, write_example

    if data is None and not example:
        raise UsageError(
            "name a data file (tuner init my.csv --target COLUMN), or pass --example for an included study"
        )
    if example and of_data:
        raise UsageError("--example copies a study file as it is; the options of a data file have no effect on it")
    name = data or Path("digits")
    with show_steps():
        written, notices = (write_example(str(name)), ()) if example else make_definition_file(name, target, of_data)
    for notice in notices:
        print_lines(f"note: {notice}")
    print_lines(f"written: {written}. Edit it if you like, then run: {command_text('search', written.stem)}")
