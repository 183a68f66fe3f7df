"""Numbers, times, lists and names as people read them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import Any


def points(share: float) -> str:
    """Write a share in percentage points: one decimal, two below 0.95; "−" for negative ones, "unknown" for NaN."""
    if math.isnan(share):
        return "unknown"
    hundredfold = 100 * share
    text = f"{hundredfold:.1f}" if abs(hundredfold) >= 0.95 or round(hundredfold, 2) == 0 else f"{hundredfold:.2f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")


def percent(error: float | None) -> str:
    """Write an error as a percentage: 2.4%; below 1% with a second decimal, 0.14%; a dash if unknown."""
    return "–" if error is None or math.isnan(error) else f"{points(error)}%"


def span(low: float, high: float) -> str:
    """Write an interval, in percent or pp: ``1.9–2.9``, or ``−0.3 to 0.2`` with a negative end."""
    return f"{points(low)} to {points(high)}" if low < 0 else f"{points(low)}–{points(high)}"


def share(of: float) -> str:
    """Write a share as a whole percentage: ``31%``."""
    return f"{100 * of:.0f}%"


def rounded(number: int) -> str:
    """Write a large number rounded to two digits: ``120,000``."""
    return f"{int(float(f'{number:.2g}')):,}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Write a number of things: ``1 trial``, ``1,797 trials``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def times(number: int) -> str:
    """Write how often: ``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def value(of: Any) -> str:
    """Write a hyperparameter's value, short: four significant digits without trailing zeros; "true" or "false"."""
    if of is None or (isinstance(of, float) and math.isnan(of)):
        return ""
    if isinstance(of, list | tuple):
        return ", ".join(map(value, of))
    if isinstance(of, bool):
        return str(of).lower()  # as study files spell it
    if not isinstance(of, float):
        return str(of)
    return f"{of:.4g}".replace("e-0", "e-").replace("e+0", "e+")


def number(value: float) -> str:
    """A hyperparameter's value, short: "0.0001", "64", "1e-06"."""
    return f"{value:.3g}"


def bounded(
    kind: str,
    *,
    low: float = -math.inf,
    above: float = -math.inf,
    high: float = math.inf,
    below: float = math.inf,
) -> str:
    """What is expected of a number, for an error: ``an integer ≥ 1``, ``a number ≥ 0 and < 1``."""
    bounds = (("≥", low), (">", above), ("≤", high), ("<", below))
    return f"{kind} {' and '.join(f'{sign} {end:g}' for sign, end in bounds if math.isfinite(end))}".rstrip()


def duration(seconds: float) -> str:
    """``0.4 s``, ``42 s``, ``3 min 20 s``, ``5 h 12 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rough_duration(seconds: float) -> str:
    """Write a rough time in the largest unit of which there are at least two: ``2.5 min``."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def moment(seconds: float) -> str:
    """Write seconds since 1970 as a local time: ``2026-11-27 08:15``."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def join(words: Sequence[str], last: str = "and") -> str:
    """Join words: ``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def one_line(text: object) -> str:
    """The text with every run of white space as one blank."""
    return " ".join(str(text).split())


def message_of(error: BaseException) -> str:
    """An error's message on one line of at most 300 characters: a library may quote a whole file in it."""
    return one_line(error)[:300]


def error_line(error: BaseException) -> str:
    """An error as ``Type: message`` on one line of at most 300 characters of message."""
    message = message_of(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_cell(of: Any) -> Any:
    """A cell of a CSV file: text that a spreadsheet would calculate begins with ``'``; numbers stay as they are."""
    if not (isinstance(of, str) and of.startswith(FORMULA_BEGINS)):
        return of
    try:
        float(of)
    except ValueError:
        return f"'{of}"
    return of


def shorten(text: str, most: int = 60) -> str:
    """The start of a text where it is longer than ``most`` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def some_of(names: Sequence[str], most: int = 20) -> str:
    """The first names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:most])} and {more:,} more"


def quoted(text: object) -> str:
    """The start of a text in quotes, with control characters escaped."""
    return repr(shorten(str(text)))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the most similar known name; empty if none is similar."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {quoted(close[0])}?" if close else ""


def headline(study: str, database: str, *parts: str) -> str:
    """Return the first line that a command prints: the study, its database (a file by its path) and ``parts``."""
    return " · ".join([f"study {study}", f"database {database.removeprefix('sqlite:///')}", *parts])
