"""``tuner data``: what tuner reads from a data file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.cli.data_options import takes_data_options
from tuner.cli.options import JsonOption, StorageOption, StudyArgument, TargetOption
from tuner.cli.printing import print_result
from tuner.cli.progress import show_steps


@takes_data_options
def data(
    study: StudyArgument,
    of_data: dict[str, Any],
    target: TargetOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show columns, encoding, splits and data checks."""
    from tuner.data import describe
    from tuner.workspace import StudyRequest, load_checked

    with show_steps():
        source, dataset, _, findings = load_checked(StudyRequest(study, target, storage, data=of_data))
    description = describe(dataset)
    name = source.definition.name
    first = f"study {name} · data {description['source'] or 'arrays'} · fingerprint {description['fingerprint'][:16]}"
    notes = findings_lines(description["notices"], findings)
    lines = [first, *_sizes(description), "", *_columns(description["columns"]), "", *notes]
    print_result({"study": name, **description, "findings": findings}, lines, as_json=as_json)


def _sizes(description: dict[str, Any]) -> list[str]:
    sizes = ", ".join(f"{name} {n:,}" for name, n in description["sizes"].items() if n)
    numbers = description["numbers"]
    classes = ", ".join(f"{entry['name']} {entry['rows']:,}" for entry in description["classes"][:12])
    more = f", … ({len(description['classes'])} classes)" if len(description["classes"]) > 12 else ""
    folds = f" in {description['folds']} folds" if description["folds"] else ""
    of_target = [f"target {description['target']}: {classes}{more}"]
    if numbers is not None:
        of_target = [f"{_number(description['target'], numbers)} (regression; --task classification predicts classes)"]
    return [
        f"rows: {sizes}{folds} ({description['split']})",
        *([_number(target["name"], target) for target in description.get("targets", [])] or of_target),
        f"network inputs: {description['features']:,}",
    ]


def _number(target: str, numbers: dict[str, Any]) -> str:
    return f"target {target}: a number, {numbers['mean']:,.6g} ± {numbers['deviation']:,.6g} in training"


def _columns(columns: list[dict[str, Any]]) -> list[str]:
    """One line per column; columns in a row with the same treatment share one."""
    lines: list[str] = []
    start = 0
    while start < len(columns):
        end = start + 1
        while end < len(columns) and _treatment(columns[end]) == _treatment(columns[start]):
            end += 1
        names = columns[start]["name"] if end == start + 1 else f"{columns[start]['name']} … {columns[end - 1]['name']}"
        count = "" if end == start + 1 else f" ({end - start} columns)"
        lines.append(f"  {names}{count}: {_treatment(columns[start])}")
        start = end
    return ["columns:", *lines]


def _treatment(column: dict[str, Any]) -> str:
    missing = f", {column['missing']:,} missing" if column["missing"] else ""
    why = f": {column['why']}" if not column["features"] and column["why"] else ""
    return f"{column['kind']}, {column['encoding']}{why}{missing}"


def findings_lines(notices: Sequence[str], findings: Sequence[dict[str, Any]]) -> list[str]:
    """The notices on the data and the findings of the data checks, one per line."""
    lines = [f"  · {notice}" for notice in notices]
    lines += [f"  · {finding['severity']}: {finding['text']}" for finding in findings]
    return ["notes:", *lines] if lines else ["note: the data checks found nothing"]
