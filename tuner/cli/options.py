"""Options that several commands share, and how their values are parsed."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.completion import study_names
from tuner.errors import UsageError
from tuner.formatting import shorten

if TYPE_CHECKING:
    from tuner.units import Unit

StudyArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="A study file (TOML), a data file, or the name of a study.",
        show_default=False,
        autocompletion=study_names,
    ),
]
QueuedArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="A study file (TOML), the name of a study, or a pattern like 'churn-*'.",
        show_default=False,
        autocompletion=study_names,
    ),
]
ModelArgument = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="Written by tuner train.", show_default=False),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        envvar="TUNER_STORAGE",
        help="The database [default: studies/tuner.db].",
        show_default=False,
        show_envvar=False,
    ),
]
AllowTrainerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-trainer",
        metavar="PACKAGE.MODULE:FUNCTION",
        help="Custom trainer that may be run although only the database, or a model, names it.",
        show_default=False,
    ),
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="COL", help="The column of a data file to predict; again for several numbers."),
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Replace an existing file, but never a database, model, data file or study file."),
]
WaitOption = Annotated[
    str,
    typer.Option(
        "--wait-for-database",
        metavar="TIME",
        help="How long to wait for a database that is locked or whose server is away, like 30s or 5m.",
    ),
]
MetricsPortOption = Annotated[
    str | None,
    typer.Option(
        "--metrics-port",
        metavar="[HOST:]PORT",
        help="While it runs, answer /metrics, /healthz and /api there, as tuner serve does (extra: serve).",
    ),
]
LogFormatOption = Annotated[
    str, typer.Option("--log-format", metavar="NAME", help="Logs on stderr: text, or json (one object per line).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")]


def share(text: str) -> float:
    """``0.05`` or ``5%`` as a share between 0 and 1; ``5`` for an error that is in the unit of the target."""
    is_percent = text.strip().endswith("%")
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf or (is_percent and value > 100):
        raise typer.BadParameter(f"expected a share between 0 and 1, like 0.05 or 5%, got {text!r}")
    return Percent(value / 100) if is_percent else value


class Percent(float):
    """A share that was typed as a percentage."""


def check_unit(unit: Unit, **options: float | None) -> None:
    """Raise UsageError for an error above 1 of classes, or for a percentage that should be in the target's unit."""
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is not None and unit.is_percent and value > 1:
            raise UsageError(f"{option}: expected a share between 0 and 1, like 0.05 or 5%, got '{value:g}'")
        if isinstance(value, Percent) and not unit.is_percent:
            what = "like the metric" if unit.is_share else f"{unit.of_target} ({unit.name})"
            raise UsageError(f"{option}: expected a number {what}, got '{100 * value:g}%'")


FailAboveOption = Annotated[
    float | None,
    typer.Option(
        "--fail-above",
        metavar="E",
        parser=share,
        help="Exit with status 4 if the best dev error is above E, like 5%.",
    ),
]
BaselineOption = Annotated[
    float | None,
    typer.Option("--baseline", metavar="E", parser=share, help="Human-level or Bayes error, like 0.05 or 5%."),
]
MaterialGapOption = Annotated[
    float | None,
    typer.Option(
        "--material-gap", metavar="E", parser=share, help="Threshold: smaller gaps do not matter, like 0.02 or 2%."
    ),
]

ABOVE = 4
"""Exit status if the best dev error is above ``--fail-above``."""

LONGEST_DAYS = 36_500
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str, option: str) -> float:
    """``90``, ``90s``, ``30m``, ``2h``, ``1d`` or ``1h30m`` in seconds.  Raises UsageError naming the option."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"{option}: expected a time like 90s, 30m or 2h, got {shorten(text)!r}")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > LONGEST_DAYS * _UNITS["d"]:
        raise UsageError(f"{option}: expected at most {LONGEST_DAYS:,}d, got {shorten(text)!r}")
    return seconds


def bytes_of(text: str, option: str) -> int:
    """``500M``, ``2G``, ``1.5GB`` or ``1000000`` in bytes.  Raises UsageError naming the option."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([kMGT]?)B?", text)
    size = 0 if match is None else int(float(match[1]) * 1000 ** " kMGT".index(match[2] or " "))
    if size <= 0:
        raise UsageError(f"{option}: expected a size like 500M or 2G, got {text!r}")
    return size


def is_above(error: float | None, limit: float | None) -> bool:
    """Whether the error is above ``--fail-above``; a study without a complete trial always is."""
    return limit is not None and (error is None or error > limit)
