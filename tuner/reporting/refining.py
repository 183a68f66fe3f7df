"""The next definition: what the actions change in a study's own, line by line, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import UsageError
from tuner.formatting import count
from tuner.reporting.commands import is_given
from tuner.study import Edit, edit_definition, move_definition, parse_definition, rename_definition, toml, value_at

if TYPE_CHECKING:
    from tuner.reporting.report import Report


@dataclass(frozen=True, slots=True)
class Refinement:
    """The ``text`` of the next definition, the ``edits`` that made it, and what stood there before (by key)."""

    study: str
    name: str
    text: str
    edits: tuple[Edit, ...]
    before: dict[str, Any]

    def lines(self) -> list[str]:
        """Every changed line as it stands in the next definition, the reason behind it."""
        return [f"{edit.key} = {toml(edit.value)}  # {edit.why}" for edit in self.edits]

    def changes(self) -> list[dict[str, Any]]:
        """The same for programs."""
        return [
            {"key": edit.key, "old": self.before[edit.key], "new": edit.value, "why": edit.why} for edit in self.edits
        ]


def refine(report: Report, output: Path) -> Refinement:
    """Turn a report's actions into the definition that is to lie at ``output``, named after that file.

    Every action with changes of the definition takes part, so that the report's first action is among them where it
    has any. ``edits`` is empty where nothing needs change. Raises UsageError for a study of data in memory and for an
    ``output`` that is there or that no study can have.
    """
    record = report.record
    name = output.stem
    if report.definition.data.source is None:
        raise UsageError(
            f"study {record.name!r} was made from data in memory, which a definition cannot name: "
            "write the data to a file, and start with: tuner search FILE --target COLUMN"
        )
    if output.suffix != ".toml":
        raise UsageError(f"--output {output}: expected a file that ends in .toml")
    if output.exists():
        raise UsageError(f"{output} is there already and was left as it is; name another file with --output")
    if name == record.name:
        raise UsageError(f"--output {output}: the next study needs another name than {record.name!r}")
    edits = [
        Edit(key, value, action.reasons[key]) for action in report.actions for key, value in action.changes.items()
    ]
    before = {edit.key: _before(report, edit.key) for edit in edits}
    done = count(len(record.trials), "trial")
    text = rename_definition(record.definition, report.definition, name)
    text = move_definition(text, Path(record.facts.folder), output.parent)
    said = _diagnosis(report)
    text = edit_definition(text, [*edits, *said], f"Made by tuner refine from study {record.name} after {done}.")
    parse_definition(text, f"--output {output}")
    return Refinement(record.name, name, text, tuple(edits), before)


def _before(report: Report, key: str) -> Any:
    """What a key says now: in the definition's text, or what holds where the text says nothing."""
    written = value_at(report.record.definition, key)
    if written is not None:
        return written
    section, _, name = key.partition(".")
    if section == "space":
        return report.definition.searched_space.fixed.get(name)
    return getattr(getattr(report.definition, section), name)


def _diagnosis(report: Report) -> list[Edit]:
    """The baseline and the line that this report was made with, where the definition says otherwise."""
    said, judged = report.definition.diagnosis, report.diagnosis
    baseline = judged.errors["baseline"]
    edits = []
    if judged.baseline_given and baseline is not None and not is_given(said.baseline_error, baseline.value):
        edits.append(Edit("diagnosis.baseline_error", baseline.value, "as given with --baseline"))
    if judged.material_gap != said.material_gap:
        edits.append(Edit("diagnosis.material_gap", judged.material_gap, "as given with --material-gap"))
    return edits
