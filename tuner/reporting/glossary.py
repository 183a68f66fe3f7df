"""Links from the terms of a report to the glossary of the documentation."""

from __future__ import annotations

import re
from collections.abc import Callable

GLOSSARY = "https://tuner-search.github.io/tuner/glossary/"
ANCHORS = {
    "avoidable bias": "avoidable-bias",
    "balanced error": "balanced-error",
    "baseline": "baseline",
    "confidence that it is above": "confidence-that-a-gap-is-above-the-threshold",
    "confidence": "confidence-that-a-gap-is-above-the-threshold",
    "data checks": "data-checks",
    "data mismatch": "data-mismatch",
    "dev (selection-corrected)": "dev-selection-corrected",
    "dev error (selection-corrected)": "dev-selection-corrected",
    "dev rows": "dev-set",
    "dev set": "dev-set",
    "expected calibration error": "expected-calibration-error",
    "exploring trials": "explore",
    "folds": "fold",
    "held out, not evaluated": "test-set-evaluation",
    "inconclusive": "inconclusive",
    "majority class": "majority-class",
    "majority class (baseline)": "majority-class",
    "measured": "measured",
    "one-standard-error rule": "simplest-tied-trial",
    "overfitting to dev": "overfitting-to-dev",
    "percentage points (pp)": "pp",
    "pp": "pp",
    "reference model": "reference-models",
    "reference models": "reference-models",
    "simplest tied trial": "simplest-tied-trial",
    "statistically tied": "statistically-tied",
    "test set": "test-set",
    "threshold": "threshold",
    "train error": "train-error",
    "train-dev": "train-dev-set",
    "variance": "variance",
}
"""Term, in lower case -> its anchor in the glossary."""
_ORDERED = sorted(ANCHORS, key=len, reverse=True)
TERM = re.compile(rf"(?<![\w%-])(?<!% )({'|'.join(map(re.escape, _ORDERED))})(?![\w-])", re.IGNORECASE)
NOT_LINKED = "head|nav|script|style|svg|pre|code|button|h1|h2|h3|strong|td|dd|summary"
HTML = re.compile(rf'(<(?P<tag>{NOT_LINKED})\b(?! class="quiet").*?</(?P=tag)>|<[^>]*>)', re.DOTALL)
MARKDOWN = re.compile(r"(^#[^\n]*|^\*\*[^\n]*|^ *```.*?^ *```$|\[[^\]]*\]\([^)]*\))", re.DOTALL | re.MULTILINE)


def link_html(html: str) -> str:
    """Link the first use of each term in every section of a page."""
    sections = re.split(r"(?=<section|<header|<footer)", html)
    return "".join(_link(section, HTML, lambda term, url: f'<a href="{url}">{term}</a>') for section in sections)


def link_markdown(text: str) -> str:
    """Link the first use of each term below every heading."""
    sections = re.split(r"(?=^## )", text, flags=re.MULTILINE)
    return "".join(_link(section, MARKDOWN, lambda term, url: f"[{term}]({url})") for section in sections)


def _link(section: str, kept: re.Pattern[str], write: Callable[[str, str], str]) -> str:
    """Link terms outside of what matches ``kept``."""
    seen = set()

    def linked(occurrence: re.Match[str]) -> str:
        term, anchor = occurrence.group(), ANCHORS[occurrence.group().lower()]
        if anchor in seen:
            return term
        seen.add(anchor)
        return write(term, f"{GLOSSARY}#{anchor}")

    parts, end = [], 0
    for match in kept.finditer(section):
        parts += [TERM.sub(linked, section[end : match.start()]), match.group()]
        end = match.end()
    return "".join([*parts, TERM.sub(linked, section[end:])])
