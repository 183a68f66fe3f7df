"""A tally of wrong rows (error analysis by hand): a file that a person tags, and what its tags add up to."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.analysis import wilson
from tuner.errors import UsageError
from tuner.files import read_small
from tuner.formatting import count, percent, quoted, some_of, span
from tuner.reporting.files import csv_text
from tuner.reporting.wrong_rows import WrongRows

if TYPE_CHECKING:
    import pandas as pd

ROWS = 100
TAG, PLACE = "tag", "place"
MOST_OTHERS = 0.2
"""Of the tagged rows, that may have other cells than in the data."""
BETWEEN = ";"
"""Between several tags of a row."""
SEED = 0  # of the rows that are drawn


@dataclass(frozen=True, slots=True)
class Tag:
    """How many of the tagged rows have a tag, their share of the errors, and by how much the dev error were lower
    without them: the value and its 95% interval.
    """

    name: str
    rows: int
    share: tuple[float, float, float]
    ceiling: tuple[float, float, float]


@dataclass(frozen=True)
class Tally:
    """The tags of the rows of a file, the most frequent first; ``tagged`` of its rows have any, and are wrong still.

    ``right``: rows that have tags, but that the trial no longer has wrong, or that are no longer shown.
    """

    file: str
    tags: list[Tag]
    tagged: int
    right: int
    wrong: WrongRows

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings of the table."""
        return ("tag", "rows", "share", "95%", "ceiling", "95%")

    def rows(self) -> list[list[str]]:
        """Return the table as text."""
        unit = self.wrong.unit
        return [
            [
                tag.name,
                f"{tag.rows:,}",
                percent(tag.share[0]),
                span(*tag.share[1:]),
                unit.gap(tag.ceiling[0]),
                unit.span(*tag.ceiling[1:]),
            ]
            for tag in self.tags
        ]

    @property
    def frame(self) -> pd.DataFrame:
        """One row per tag: ``tag``, ``rows``, ``share.value`` and its ends, ``ceiling.value`` and its ends."""
        import pandas as pd

        return pd.json_normalize(self.to_dict()["tags"])

    @property
    def footnote(self) -> str:
        """What the ceiling is."""
        return "ceiling: by how much the dev error would be lower if no row had the tag"

    @property
    def sentence(self) -> str:
        """Say which tag would gain most, and at most how much."""
        first = self.tags[0]
        unit = self.wrong.unit
        why = "right in this trial" if self.wrong.eyeball is None else "right in this trial, or in the black box"
        other = f" Left out of the file: {count(self.right, 'tagged row')}, {why}." if self.right else ""
        return (
            f"Of {count(self.tagged, 'tagged row')}, {first.name} is {percent(first.share[0])} of the errors: without "
            f"it the dev error would be {unit.gap(first.ceiling[0])}{unit.of_gaps} lower, and no more.{other}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        ends = ("value", "low", "high")
        return {
            "file": self.file,
            "tagged": self.tagged,
            "right": self.right,
            "tags": [
                {
                    "tag": tag.name,
                    "rows": tag.rows,
                    "share": dict(zip(ends, tag.share, strict=True)),
                    "ceiling": dict(zip(ends, tag.ceiling, strict=True)),
                }
                for tag in self.tags
            ],
        }


def tally_text(wrong: WrongRows) -> str:
    """Return the file to be tagged: 100 of the wrong rows, drawn at random, with an empty first column."""
    frame = wrong.frame[: len(wrong.losses)]
    if not len(frame):
        raise UsageError("--tally: no dev row is wrong, so there is none to tag")
    places = np.sort(np.random.default_rng(SEED).permutation(len(frame))[:ROWS])
    pixels = () if wrong.pictures is None else wrong.pictures.columns
    rows = frame.iloc[places].drop(columns=list(pixels))
    cells = rows.astype(object).where(rows.notna(), None).to_numpy().tolist()
    return csv_text([TAG, *map(str, rows.columns)], [["", *row] for row in cells])


def read_tally(path: Path, wrong: WrongRows) -> Tally:
    """Add up the tags of a file, several of a row separated by ";".

    Raises UsageError for a file without tags, or without rows that the trial has wrong.
    """
    rows = {row[PLACE]: row for row in _rows(path)}
    tags_of = {place: tags for place, row in rows.items() if (tags := _split(row))}
    if not tags_of:
        raise UsageError(f"{path}: no row has a tag yet. Fill in the column {quoted(TAG)}, several tags separated by ;")
    weight_of = dict(zip(wrong.frame[PLACE][: len(wrong.losses)], wrong.losses, strict=True))
    known = {place: tags for place, tags in tags_of.items() if place in weight_of}
    if not known:
        places = some_of(sorted(tags_of), 3)
        raise UsageError(
            f"{path}: none of its tagged rows ({places}) is among those that trial {wrong.trial} has wrong"
        )
    _refuse_other_data(path, [rows[place] for place in known], wrong)
    held = np.array([weight_of[place] for place in known])
    names = dict.fromkeys(tag for tags in known.values() for tag in tags)
    has = {name: np.array([name in tags for tags in known.values()]) for name in names}
    measured = [_tag(name, tagged, held, wrong) for name, tagged in has.items()]
    ranked = sorted(measured, key=lambda tag: -tag.ceiling[0])
    return Tally(str(path), ranked, len(known), len(tags_of) - len(known), wrong)


def _tag(name: str, rows: np.ndarray, weights: np.ndarray, wrong: WrongRows) -> Tag:
    """Measure a tag; rows count by their losses times weights."""
    share = float(weights[rows].sum() / weights.sum())
    n = float(weights.sum() ** 2 / np.square(weights).sum())
    low, high = wilson(share * n, n)
    ends = (share, low, high)
    ceilings = tuple(wrong.gain_without(end) for end in ends)
    return Tag(name, int(rows.sum()), ends, (ceilings[0], ceilings[1], ceilings[2]))


def _refuse_other_data(path: Path, rows: Sequence[Mapping[str, str]], wrong: WrongRows) -> None:
    """Refuse a file whose rows are others; a spreadsheet may have written some columns in its own way."""
    own = [name for name in wrong.frame.columns if name == "given" or name not in wrong.fixed]
    names = [name for name in own if name in rows[0]]
    if not names and len(rows[0]) == len((TAG, PLACE)):
        return
    here = wrong.frame.set_index(PLACE)[names].to_dict("index")
    others = [
        row[PLACE]
        for row in rows
        if 2 * sum(_is_same(row[name], here[row[PLACE]][name]) for name in names) < max(len(names), 1)
    ]
    if len(others) > MOST_OTHERS * len(rows):
        raise UsageError(
            f"{path}: made for other data: {len(others):,} of {count(len(rows), 'tagged row')} with other cells than "
            f"in this study, such as {others[0]}"
        )


def _is_same(text: str, cell: Any) -> bool:
    if cell is None or cell != cell:  # missing
        return not text
    try:
        return text == str(cell) or float(text) == float(cell)
    except (TypeError, ValueError):
        return False


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a tally; a spreadsheet may have written ; or tabs."""
    try:
        text = read_small(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as text in UTF-8 ({error})") from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    names = reader.fieldnames or []
    for name in (TAG, PLACE):
        if name not in names:
            raise UsageError(
                f"{path}, line 1: no column {quoted(name)}; expected a file that tuner errors --tally wrote"
            )
    try:
        yield from ({name: row.get(name) or "" for name in names} for row in reader)
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}") from None


def _split(row: Mapping[str, str]) -> list[str]:
    parts = (part.strip() for part in row[TAG].split(BETWEEN))
    return list(dict.fromkeys(part for part in parts if part))
