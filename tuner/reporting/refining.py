"""The next definition: what the actions change, line by line, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import UsageError
from tuner.formatting import count
from tuner.reporting.commands import judged_by
from tuner.study import Edit, edit_definition, move_definition, parse_definition, rename_definition, toml, value_at

if TYPE_CHECKING:
    from tuner.reporting.report import Report


@dataclass(frozen=True, slots=True)
class Refinement:
    """The ``text`` of the next definition, its ``edits``, and the values before them by key."""

    study: str
    name: str
    text: str
    edits: tuple[Edit, ...]
    before: dict[str, Any]

    def lines(self) -> list[str]:
        """Return every changed line of the next definition, with its reason."""
        return [f"{edit.key} = {toml(edit.value)}  # {edit.why}" for edit in self.edits]

    def changes(self) -> list[dict[str, Any]]:
        """Return the changes for programs."""
        return [
            {"key": edit.key, "old": self.before[edit.key], "new": edit.value, "why": edit.why} for edit in self.edits
        ]


def refine(report: Report, output: Path) -> Refinement:
    """Apply the changes of all actions of a report; the definition is for ``output`` and named after that file.

    ``edits`` is empty if nothing needs to change. Raises UsageError for a study of data in memory and for an
    ``output`` that exists or that no study can have.
    """
    record = report.record
    name = output.stem
    if report.definition.data.source is None:
        raise UsageError(
            f"study {record.name!r} has data in memory, which no study file can name. Write the data to a file and "
            "start with: tuner search FILE --target COLUMN"
        )
    if output.suffix != ".toml":
        raise UsageError(f"--output {output}: expected a file that ends in .toml")
    if output.exists():
        raise UsageError(f"{output} already exists; not overwritten. Name another file with --output")
    if name == record.name:
        raise UsageError(f"--output {output}: the next study needs a name other than {record.name!r}")
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
    """Return the current value of a key: as written in the definition, or its default."""
    written = value_at(report.record.definition, key)
    if written is not None:
        return written
    section, _, name = key.partition(".")
    if section == "space":
        return report.definition.searched_space.fixed.get(name)
    return getattr(getattr(report.definition, section), name)


def _diagnosis(report: Report) -> list[Edit]:
    """Return the baseline and the threshold of this report, if the definition has others."""
    keys = {"baseline": "diagnosis.baseline_error", "material-gap": "diagnosis.material_gap"}
    others = judged_by(report.definition, report.diagnosis)
    return [Edit(keys[option], value, f"as given with --{option}") for option, value in others.items()]
