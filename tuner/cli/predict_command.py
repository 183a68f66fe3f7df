"""``tuner predict``: predict the rows of a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.options import AllowTrainerOption, ForceOption, ModelArgument
from tuner.cli.printing import FileOutput, print_lines


def predict(
    model: ModelArgument,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Rows in the format of the training data; no target needed.", show_default=False
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="A .csv, .csv.gz or .parquet file [default: CSV on stdout]."),
    ] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Add one column per class.")] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="COL", help="Copy this column of DATA, like an id; repeatable."),
    ] = None,
    allow_trainer: AllowTrainerOption = None,
    force: ForceOption = False,
) -> None:
    """Predict every row, in the order of DATA: a column ``predicted``."""
    from tuner.modeling import check_output, load_model, predict_file

    if output is not None:
        check_output(output, data, model, force=force)
    loaded = load_model(model, allow_trainers=allow_trainer or ())
    rows = predict_file(
        loaded, data, output, FileOutput(sys.stdout), probabilities=probabilities, keep=tuple(keep or ()), force=force
    )
    to = "" if output is None else f" -> {output}"
    print_lines(
        f"study {loaded.metadata.study} · {loaded.metadata.described()} · data {data} ({rows:,} rows){to}",
        err=output is None,
    )
