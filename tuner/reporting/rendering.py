"""The templates of pages, and how text is written in them."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from tuner.formatting import percent, span, value
from tuner.reporting.sentences import outcome_name

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


@cache
def resource(name: str) -> str:
    """Return the text of a template."""
    return (files("tuner.reporting") / "templates" / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """Return the templates with their filters."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("tuner.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"percent": percent, "shown": value, "unbroken": unbroken, "options_whole": options_whole}
    made.filters |= {"outcome_name": outcome_name, "anchor": anchor}
    made.globals |= {"span": span}
    return made


def unbroken(text: str) -> str:
    """Keep a number and its unit, and the two ends of an interval, on one line."""
    return re.sub(r"(?<=\d)–(?=\d)", "–\u2060", re.sub(r"(?<=\d) (?=pp\b)", "\u00a0", text))


def anchor(heading: str) -> str:
    """Return the id of a section, for links to it."""
    return re.sub(r"[^a-z]+", "-", heading.lower()).strip("-")


def options_whole(command: str) -> Markup:
    """Return a command whose options are not broken at their hyphens; the text is unchanged."""
    from markupsafe import Markup, escape

    words = (f'<span class="word">{escape(w)}</span>' if w.startswith("-") else escape(w) for w in command.split(" "))
    return Markup(" ".join(map(str, words)))


def content_policy(style: str, *scripts: str, is_live: bool = False) -> str:
    """Return the Content-Security-Policy of a page: this style, these scripts, and nothing from elsewhere.

    A page that ``is_live`` may also ask the server that it comes from.
    """
    allowed = {"default-src": "'none'", "style-src": _hash(f"\n{style}"), "img-src": "data:"}
    if hashes := " ".join(map(_hash, filter(None, scripts))):
        allowed["script-src"] = hashes
    if is_live:
        allowed["connect-src"] = "'self'"
    return "; ".join(f"{kind} {sources}" for kind, sources in allowed.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
