"""``tuner studies``: one line per study."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tuner.cli.options import JsonOption, StorageOption
from tuner.cli.printing import print_result
from tuner.formatting import count, moment

if TYPE_CHECKING:
    from tuner.storage import StudyLine


def studies(storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """List the studies of the database, oldest first."""
    from tuner.storage import unclaimed_text
    from tuner.study import metric_text
    from tuner.workspace import list_studies

    where, lines = list_studies(storage)
    rows = [f"database {where}: {count(len(lines), 'study', 'studies') if lines else 'no studies'}"]
    if not lines:
        rows.append("start with: tuner search my.csv --target COLUMN, or: tuner search digits")
    else:
        width = max(5, *(len(line.name) for line in lines))
        rows.append(f"{'study':{width}}  {'done':>11}  {'failed':>6}  {'running':>7}  {'best value':>10}  data")
    for line in lines:
        if line.is_imported:
            rows.append(
                f"{line.name:{width}}  of plain Optuna: {count(line.unrecorded, 'trial')} to begin with (--from)"
            )
            continue
        done = f"{line.finished}/{max(line.finished, line.budget)}"
        best = metric_text(line.metric, line.best, line.unit)
        rows.append(
            f"{line.name:{width}}  {done:>11}  {line.failed:>6}  {line.running:>7}  {best:>10}  {line.data_path}"
        )
        if line.unrecorded:
            rows.append(f"  unrecorded: {count(line.unrecorded, 'trial')} of another program")
        if line.unclaimed:
            rows.append(f"  {unclaimed_text(line.unclaimed)}")
        if line.priority:
            rows.append(f"  priority {line.priority}")
        if line.hold is not None:
            rows.append(f"  {line.hold} ({moment(line.hold.since)})")
        elif line.set_aside is not None:
            rows.append(f"  set aside: {line.set_aside}")
    print_result({"storage": where, "studies": [_plain(line) for line in lines]}, rows, as_json=as_json)


def _plain(line: StudyLine) -> dict[str, Any]:
    document = asdict(line)
    document.pop("unit")
    return document
