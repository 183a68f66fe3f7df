"""A figure as a file of its own: SVG that needs no style sheet, and from it PNG and PDF."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from importlib.resources import files

from tuner.errors import UsageError
from tuner.reporting.figures.figure import Figure

FORMATS = ("svg", "png", "pdf")
BEGIN = '<svg xmlns="http://www.w3.org/2000/svg" data-figure="tuner"'
FONT = "'DejaVu Sans', Arial, Helvetica, sans-serif"
MARGIN, TITLE, LEGEND, BETWEEN = 14, 28, 22, 20
COLUMNS = 3  # of a figure with several drawings
LETTER = 7.0  # units that a letter of the legend takes
PIXELS = 2.0  # of a PNG for each unit


def svg_of(figure: Figure) -> str:
    """Return the figure with title and legend, in the colors of light paper."""
    drawings = [_sized(svg) for svg in re.findall(r"<svg.*?</svg>", figure.svg, re.DOTALL)]
    rows = [drawings[k : k + COLUMNS] for k in range(0, len(drawings), COLUMNS)]
    width = max(sum(one[0] + BETWEEN for one in row) - BETWEEN for row in rows) + 2 * MARGIN
    parts, top = _legend(figure, width)
    for row in rows:
        left = MARGIN
        for wide, high, svg in row:
            parts.append(svg.replace("<svg ", f'<svg x="{left}" y="{top}" width="{wide}" height="{high}" ', 1))
            left += wide + BETWEEN
        top += max(high for _, high, _ in row) + BETWEEN
    height = top - BETWEEN + MARGIN
    title = f'<text class="title" x="{MARGIN}" y="{MARGIN + 14}">{escape(figure.title)}</text>'
    return (
        f'{BEGIN} width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<style>{_style()}</style>"
        f'<rect width="{width}" height="{height}" fill="{_variables()["paper"]}"/>{title}{"".join(parts)}</svg>\n'
    )


def file_of(figure: Figure, kind: str) -> bytes:
    """Return the figure as a file of one of ``FORMATS``.  Raises UsageError without the extra for PNG and PDF."""
    svg = svg_of(figure)
    if kind == "svg":
        return svg.encode()
    try:
        import vl_convert
    except ImportError:
        raise UsageError(
            f"a figure as {kind.upper()} needs the package vl-convert-python, which is not installed. "
            'Install it with: pip install "tuner-search[figures]", or choose --format svg'
        ) from None
    made: bytes = vl_convert.svg_to_png(svg, scale=PIXELS) if kind == "png" else vl_convert.svg_to_pdf(svg)
    return made


def _sized(svg: str) -> tuple[int, int, str]:
    """Return width, height and text of a drawing."""
    box = re.search(r'viewBox="-?\d+ 0 (\d+) (\d+)"', svg)
    assert box is not None
    return int(box[1]), int(box[2]), svg


def _legend(figure: Figure, width: int) -> tuple[list[str], int]:
    """Return the lines of the legend and where the drawings begin."""
    parts, x, y = [], MARGIN, MARGIN + TITLE
    for css, words in figure.legend:
        needed = 32 + round(LETTER * len(words))
        if x > MARGIN and x + needed > width:
            x, y = MARGIN, y + LEGEND
        parts.append(f'<circle class="key {css}" cx="{x + 6}" cy="{y}" r="5"/>')
        parts.append(f'<text class="name" x="{x + 16}" y="{y + 4}">{escape(words)}</text>')
        x += needed
    return parts, y + (LEGEND - 4 if figure.legend else 0)


@cache
def _sheet() -> str:
    """Return the rules of the page for the screen, in light."""
    text = (files("tuner.reporting") / "templates" / "style.css").read_text(encoding="utf-8")
    return re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", text)


@cache
def _variables() -> dict[str, str]:
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]+)", _sheet()))


@cache
def _style() -> str:
    """Return the rules of drawings without variables, which only browsers know."""
    sheet, variables = _sheet(), _variables()
    colors = {
        name: variables[of] for name, of in re.findall(r"\.tuner \.([\w-]+) \{ --c: var\(--([\w-]+)\); \}", sheet)
    }
    for names, of in re.findall(r"((?:\.tuner \.[\w-]+,? ?)+) ?\{ --c: var\(--([\w-]+)\); \}", sheet):
        colors |= dict.fromkeys(re.findall(r"\.tuner \.([\w-]+)", names), variables[of])
    title = f"fill: {variables['ink']}; font-size: 16px; font-weight: 600"
    rules = [f"svg {{ font-family: {FONT}; }}", f".title {{ {title}; }}"]
    for selectors, body in [
        *re.findall(r"((?:\.tuner svg [^{},]+,? ?)+)\{([^{}]*)\}", sheet),
        (".tuner svg .key", " fill: var(--c); "),
        (".tuner svg .key.best", f" fill: none; stroke: {variables['best']}; stroke-width: 2; "),
    ]:
        for selector in re.findall(r"\.tuner svg ([^{},]+)", selectors):
            if ":" in selector:
                continue
            for name, color in [("", variables["quiet"]), *colors.items()] if "var(--c" in body else [("", "")]:
                filled = re.sub(r"var\(--c(?:, var\(--[\w-]+\))?\)", color, body)
                filled = re.sub(r"var\(--([\w-]+)\)", lambda name: variables[name[1]], filled)
                rules.append(f"{selector.strip()}{f'.{name}' if name else ''} {{{filled}}}")
    return "\n".join(rules)
