"""The colors of the page: texts and marks differ enough from what is behind them (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re

import pytest

from tuner.reporting.rendering import resource

STYLE = resource("style.css")
TEXT, MARK = 4.5, 3.0
TEXTS = {
    "ink": ("paper", "sheet", "high-wash", "low-wash", "undecided-wash", "level3", "level4"),
    "quiet": ("paper", "sheet", "high-wash", "low-wash", "undecided-wash"),
    "high": ("paper", "high-wash"),
    "low": ("paper", "low-wash"),
    "undecided": ("paper", "undecided-wash"),
    "paper": ("level0", "level1"),
}
"""Color of a text -> what it is written on."""
MARKS = ("train", "dev", "explored", "pruned", "best", "high", "low", "undecided", *(f"shade{k}" for k in range(5)))


def palette(block: str) -> dict[str, str]:
    """The colors that a block of the style sheet names."""
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", block))


LIGHT = palette(STYLE.split("@media")[0])
DARK = {**LIGHT, **palette(STYLE[STYLE.index("prefers-color-scheme: dark") :].split("@media")[0])}
THEMES = pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])


def luminance(color: str) -> float:
    """The relative luminance of ``#rrggbb``."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colors, from 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@THEMES
def test_texts_can_be_read(colors: dict[str, str]) -> None:
    """At least 4.5 to 1, on the page and on every tinted ground."""
    found = {(text, on): contrast(colors[text], colors[on]) for text, grounds in TEXTS.items() for on in grounds}
    assert {pair: round(of, 2) for pair, of in found.items() if of < TEXT} == {}


@THEMES
def test_marks_can_be_seen(colors: dict[str, str]) -> None:
    """At least 3 to 1 for every line, dot and bar."""
    found = {mark: contrast(colors[mark], colors["paper"]) for mark in MARKS}
    assert {mark: round(of, 2) for mark, of in found.items() if of < MARK} == {}


def test_black_on_white_is_21_to_1() -> None:
    """And a color on itself 1 to 1."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#123456", "#123456") == 1
