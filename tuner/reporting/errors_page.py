"""The page of the wrong rows, ``errors.html``: one file like the report's, without script."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.reporting.files import write_files
from tuner.reporting.glossary import link_html
from tuner.reporting.rendering import content_policy, environment, resource
from tuner.reporting.wrong_rows import WrongRows
from tuner.storage import StudyRecord

if TYPE_CHECKING:
    import pandas as pd

NAME = "errors.html"


@dataclass(frozen=True, slots=True)
class RowTable:
    """Rows as text: the columns, which of them are numbers, and for each row its cells and picture, if it has one."""

    columns: list[str]
    numeric: list[bool]
    rows: list[tuple[list[str], str]]

    @property
    def has_pictures(self) -> bool:
        """Whether the rows are drawn."""
        return any(picture for _, picture in self.rows)


def row_table(wrong: WrongRows, rows: pd.DataFrame) -> RowTable:
    """Write rows of the frame; pixels become a picture."""
    pictures = wrong.pictures
    pixels = set() if pictures is None else set(pictures.columns)
    columns = [name for name in map(str, rows.columns) if name not in pixels]
    numeric = [getattr(rows[name].dtype, "kind", "O") in "iuf" for name in columns]
    return RowTable(
        columns,
        numeric,
        [
            (
                [wrong.text(name, row[name]) for name in columns],
                "" if pictures is None else pictures.data_uri(row),
            )
            for row in rows.to_dict("records")
        ],
    )


def errors_page(record: StudyRecord, wrong: WrongRows, rows: pd.DataFrame) -> str:
    """Write the page of some rows of ``wrong.frame``."""
    style = resource("style.css")
    template = environment().get_template("errors.html")
    table = row_table(wrong, rows)
    page = template.render(record=record, wrong=wrong, table=table, style=style, policy=content_policy(style))
    return link_html(page)


def write_errors_page(
    record: StudyRecord, wrong: WrongRows, rows: pd.DataFrame, folder: Path, *, force: bool = False
) -> Path:
    """Write ``<folder>/<study>/errors.html`` whole, over an earlier one; return the file."""
    write_files(folder / record.name, {NAME: lambda: errors_page(record, wrong, rows)}, force=force)
    return folder / record.name / NAME
