"""Reports and comparisons with the faces they are shown with: files, terminal, notebook."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.analysis import Baseline
from tuner.errors import ArgumentError
from tuner.reporting.comparing import SideBySide
from tuner.reporting.content import Content
from tuner.reporting.files import csv_of_numbers, csv_text, json_text, write_files
from tuner.reporting.findings import find
from tuner.reporting.frames import epoch_columns, trial_columns
from tuner.reporting.news import find_news
from tuner.storage import StudyRecord
from tuner.study import parse_definition

if TYPE_CHECKING:
    from rich.console import RenderableType


class Report(Content):
    """What a study says; made by :func:`build_report`."""

    def write(self, folder: str | Path) -> Path:
        """Write ``<folder>/<study>/`` with its five files, each of which appears whole; return that folder."""
        from tuner.reporting.markdown import markdown
        from tuner.reporting.page import page

        contents: dict[str, Callable[[], str]] = {
            "report.html": lambda: page(self),
            "report.md": lambda: markdown(self),
            "trials.csv": lambda: csv_text(trial_columns(self.record), self.trial_rows),
            "epochs.csv": lambda: csv_of_numbers(epoch_columns(self.record)),
            "summary.json": lambda: json_text(self.summary),
        }
        target = Path(folder) / self.record.name
        write_files(target, contents)
        return target

    def text(self, width: int = 100) -> str:
        """Write what ``tuner report`` prints, without colour."""
        from tuner.reporting.terminal import plain

        return plain(self, width)

    def __repr__(self) -> str:
        return f"Report(study={self.record.name!r}, verdict={self.verdict!r})"

    def __rich__(self) -> RenderableType:
        from tuner.reporting.terminal import renderable

        return renderable(self)

    def _repr_html_(self) -> str:
        from tuner.reporting.page import fragment

        return fragment(self)


class Comparison(SideBySide):
    """Reports of two or more studies, the first of which the others are held against; made by :func:`compare`."""

    def write(self, folder: str | Path) -> Path:
        """Write ``<folder>/<A>-vs-<B>/`` with page, Markdown and JSON; return that folder."""
        from tuner.reporting.markdown import comparison_markdown
        from tuner.reporting.page import comparison_page

        contents: dict[str, Callable[[], str]] = {
            "report.html": lambda: comparison_page(self),
            "report.md": lambda: comparison_markdown(self),
            "summary.json": lambda: json_text(self.summary),
        }
        target = Path(folder) / self.name
        write_files(target, contents)
        return target

    def text(self, width: int = 100) -> str:
        """Write the table and the sentences without colour."""
        from tuner.reporting.terminal import plain

        return plain(self, width)

    def __rich__(self) -> RenderableType:
        from tuner.reporting.terminal import comparison_renderable

        return comparison_renderable(self)

    def _repr_html_(self) -> str:
        from tuner.reporting.page import comparison_fragment

        return comparison_fragment(self)


def build_report(
    record: StudyRecord,
    *,
    baseline: Baseline = None,
    material_gap: float | None = None,
    since: datetime.timedelta | None = None,
) -> Report:
    """Build the report of a stored study.

    ``baseline`` (an error, or ``{"wrong": 3, "of": 200}``) and ``material_gap`` overrule its ``[diagnosis]``; ``since``
    adds what is new since so long ago.
    """
    definition = parse_definition(record.definition, f"study {record.name!r}")
    said = definition.diagnosis
    findings = find(
        record,
        definition,
        said.baseline_error if baseline is None else baseline,  # type: ignore[arg-type]
        said.material_gap if material_gap is None else material_gap,
    )
    now = datetime.datetime.now(datetime.UTC)
    return Report(
        record=record,
        definition=definition,
        findings=findings,
        made=now,
        news=None if since is None else find_news(record, since, now),
    )


def compare(
    records: Sequence[StudyRecord],
    *,
    baseline: Baseline = None,
    material_gap: float | None = None,
    since: datetime.timedelta | None = None,
) -> Comparison:
    """Put two or more studies side by side, paired where their dev rows are the same."""
    if len(records) < 2:
        raise ArgumentError(f"a comparison needs at least two studies, got {len(records)}")
    return Comparison(
        tuple(build_report(record, baseline=baseline, material_gap=material_gap, since=since) for record in records)
    )
