"""``tuner trials``: the trials of a study."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.cli.options import JsonOption, StorageOption, StudyArgument
from tuner.cli.printing import FileOutput, fitting_columns, print_json, print_lines, terminal_width
from tuner.formatting import count, headline, value

if TYPE_CHECKING:
    from tuner.units import Unit
    from tuner.workspace import TrialList

FIRST = ("number", "state", "value", "dev_error", "train_error")
GAP = "  "
AT_ONCE = 500
"""Rows that are printed at once; the first ones set how wide the columns are."""


def trials(
    study: StudyArgument,
    csv: Annotated[bool, typer.Option("--csv", help="All columns as CSV on stdout.")] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="CONDITION", help='Only trials like "dev_error < 5%"; may be given repeatedly.'
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many of them.")] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the trials in the order of their numbers; in a terminal, the columns that fit."""
    from tuner.outcomes import failure_groups
    from tuner.reporting import Condition, chosen_rows, trial_columns, write_csv
    from tuner.study import in_order
    from tuner.workspace import open_trials

    with open_trials(study, storage) as listed:
        names = in_order(sorted(listed.hyperparameters))
        columns = trial_columns(names)
        conditions = [Condition.parse(text, columns) for text in where or ()]
        baseline = listed.definition.diagnosis.baseline or 0.0
        rows = chosen_rows(listed, names, baseline, conditions, limit)
        failures = failure_groups(listed.failures())
        if csv:
            write_csv(FileOutput(sys.stdout), columns, rows)
        elif as_json:
            _, unrecorded, _ = listed.count()
            about = {"study": listed.stored.name, "storage": listed.storage, "unrecorded": unrecorded}
            shown = [dict(zip(columns, row, strict=True)) for row in rows]
            print_json({**about, "trials": shown, "failures": [group.to_dict() for group in failures]})
        else:
            left_out = _print_table(listed, columns, rows)
            if after := [*(f"failed: {group}" for group in failures), *left_out]:
                print_lines(*after)


def _print_table(listed: TrialList, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> list[str]:
    """Print the columns that fit, some rows at a time; returns lines about what was left out."""
    from tuner.reporting import unrecorded_sentence

    order = [*FIRST, *listed.definition.searched_space.searched]
    names = [name for name in order if name in columns] + [name for name in columns if name not in order]
    unit = listed.stored.facts.unit
    places, metric = [columns.index(name) for name in names], listed.definition.search.metric

    def some() -> list[list[str]]:
        return [
            [_cell(name, row[place], metric, unit) for name, place in zip(names, places, strict=True)]
            for row in islice(rows, AT_ONCE)
        ]

    of, unrecorded, unclaimed = listed.count()
    print_lines(headline(listed.stored.name, listed.storage, count(of, "trial")))
    cells, shown = [names, *some()], -1
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    fitting = fitting_columns(widths, len(GAP), terminal_width(sys.stdout))
    while cells:
        print_lines(*(GAP.join(row[k].rjust(widths[k]) for k in fitting) for row in cells))
        shown += len(cells)
        cells = some()
    left_out = ", ".join(name for k, name in enumerate(names) if k not in fitting)
    return [
        *([f"shown: {shown:,} of {count(of, 'trial')}"] if shown < of else []),
        *([unrecorded_sentence(unrecorded, unclaimed)] if unrecorded else []),
        *([f"not shown: {left_out}; --csv prints all columns"] if left_out else []),
    ]


def _cell(name: str, of: Any, metric: str, unit: Unit) -> str:
    """A cell as people read it: errors and gaps in their unit."""
    if of is None:
        return "–"
    if name == "value":
        from tuner.study import metric_text

        return metric_text(metric, of, unit)
    if name in ("dev_error", "train_error"):
        return unit.text(of)
    if name in ("avoidable_bias", "variance"):
        return f"{unit.gap(of)}{unit.of_gaps}"
    return value(of)
