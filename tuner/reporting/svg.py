"""A small drawing board: scales, axes, lines, bands and dots as SVG text, colored by the page's style sheet.

Static SVG shows without a script, prints, and costs a page some ten bytes a point. docs/explanation/drawing.md compares
it with plotting libraries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuner.scales import linear_ticks, log_ticks

Floats = NDArray[np.float64]

MANY = 1000  # dots beyond which they are drawn smaller
CROWDED = 3000  # dots beyond which cells are shaded by how many are in them
CELL, SHADES = 4, 5  # side of such a cell, in units, and shades of it
BAR_ROW = 26  # units that a bar with its label takes
LETTER, TICK_LETTER = 7.2, 6.5  # units that a letter takes at the size of labels, and of ticks
DIGIT = 6.8  # units that a digit of a tick takes


@dataclass(frozen=True, slots=True)
class AxisScale:
    """Maps ``low`` … ``high`` to pixels ``start`` … ``end``; ``kind`` linear or log."""

    low: float
    high: float
    start: float
    end: float
    kind: str = "linear"

    def __call__(self, values: ArrayLike) -> Floats:
        """Pixels of the values; values outside are drawn at the edge."""
        forward = FORWARD[self.kind]
        low, high = forward(np.asarray(self.low, float)), forward(np.asarray(self.high, float))
        inside = np.clip(np.asarray(values, float), min(self.low, self.high), max(self.low, self.high))
        share = (forward(inside) - low) / (high - low) if high != low else np.full(np.shape(values), 0.5)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values to label the axis at, about so many."""
        if self.kind == "log":
            return log_ticks(self.low, self.high, about)
        return linear_ticks(self.low, self.high, about)


FORWARD: dict[str, Callable[[Floats], Floats]] = {
    "linear": lambda v: v,
    "log": np.log10,
}


def number(value: float) -> str:
    """Write a coordinate: one decimal, none where it is 0."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def points(xs: ArrayLike, ys: ArrayLike) -> str:
    """Coordinates as ``x,y x,y``."""
    pairs = zip(np.asarray(xs, float).tolist(), np.asarray(ys, float).tolist(), strict=True)
    return " ".join(f"{number(x)},{number(y)}" for x, y in pairs)


def tag(name: str, content: str = "", **attributes: Any) -> str:
    """One element; ``class_`` and names with ``_`` become ``class`` and names with ``-``; values are escaped."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(number(v) if isinstance(v, float) else str(v))}"'
        for key, v in attributes.items()
        if v is not None
    )
    return f"<{name}{given}>{content}</{name}>" if content else f"<{name}{given}/>"


@dataclass
class Plot:
    """One drawing of ``width`` × ``height`` units with margins (top, right, bottom, left) around its frame.

    ``before``: units left of it that the labels of its y axis need, besides the margin.
    """

    width: int = 460
    height: int = 320
    margins: tuple[int, int, int, int] = (32, 14, 44, 48)
    parts: list[str] = field(default_factory=list)
    before: int = 0

    @property
    def left(self) -> float:
        """Left edge of the frame."""
        return self.margins[3]

    @property
    def right(self) -> float:
        """Right edge of the frame."""
        return self.width - self.margins[1]

    @property
    def top(self) -> float:
        """Upper edge of the frame."""
        return self.margins[0]

    @property
    def bottom(self) -> float:
        """Lower edge of the frame."""
        return self.height - self.margins[2]

    def x_scale(self, low: float, high: float, kind: str = "linear") -> AxisScale:
        """Make a scale over the frame's width."""
        return AxisScale(low, high, self.left, self.right, kind)

    def y_scale(self, low: float, high: float, kind: str = "linear") -> AxisScale:
        """Make a scale over the frame's height, upwards."""
        return AxisScale(low, high, self.bottom, self.top, kind)

    def x_axis(
        self, scale: AxisScale, title: str, label: Callable[[float], str], ticks: Iterable[float] | None = None
    ) -> None:
        """Grid lines, labels and the axis's title below the frame."""
        for tick in scale.ticks() if ticks is None else ticks:
            x = float(scale(tick))
            self.upright(x, "grid")
            self.text(x, self.bottom + 16, label(tick), "tick", "middle")
        self.text((self.left + self.right) / 2, self.height - 8, title, "axis", "middle")

    def y_axis(
        self, scale: AxisScale, title: str, label: Callable[[float], str], ticks: Iterable[float] | None = None
    ) -> None:
        """Grid lines and labels, and the axis's title above its upper end; long labels make the drawing wider."""
        for tick in scale.ticks() if ticks is None else ticks:
            y = float(scale(tick))
            self.line((self.left, self.right), (y, y), "grid")
            self.text(self.left - 7, y + 4, label(tick), "tick", "end")
            self.before = max(self.before, math.ceil(DIGIT * len(label(tick)) + 9 - self.left))
        self.text(2 - self.before, self.top - 12, title, "axis")

    def line(self, xs: ArrayLike, ys: ArrayLike, css: str, **attributes: Any) -> None:
        """Draw a line through pixels."""
        self.parts.append(tag("polyline", points=points(xs, ys), class_=css, **attributes))

    def upright(self, x: float, css: str) -> None:
        """Draw a line at a pixel over the frame's height."""
        self.line((x, x), (self.top, self.bottom), css)

    def band(self, xs: ArrayLike, lows: ArrayLike, highs: ArrayLike, css: str) -> None:
        """Fill the area between two lines."""
        xs = np.asarray(xs, float)
        outline = points(np.concatenate([xs, xs[::-1]]), np.concatenate([np.asarray(lows), np.asarray(highs)[::-1]]))
        self.parts.append(tag("polygon", points=outline, class_=css))

    def dots(self, xs: ArrayLike, ys: ArrayLike, css: str) -> None:
        """Many dots as one path: strokes without length whose round ends are the dots (their width is the style's).

        More than can be told apart are drawn as cells, the darker the more dots are in each.
        """
        if (count := np.size(xs)) > CROWDED:
            self._crowd(np.asarray(xs, float), np.asarray(ys, float), css)
        elif count:
            path = "".join(f"M{at.replace(',', ' ')}h0" for at in points(xs, ys).split())
            self.parts.append(tag("path", d=path, class_=f"dots {css}{' many' if count > MANY else ''}"))

    def _crowd(self, xs: Floats, ys: Floats, css: str) -> None:
        """Draw cells, one path per shade; the shades are steps of the logarithm, so that single dots are seen, too."""
        cells, counts = np.unique(np.floor(np.column_stack([xs, ys]) / CELL).astype(int), axis=0, return_counts=True)
        shades = np.minimum(SHADES * np.log1p(counts) / np.log1p(counts.max()), SHADES - 1).astype(int)
        for shade in np.unique(shades):
            path = "".join(f"M{x} {y}h{CELL}v{CELL}h-{CELL}z" for x, y in (CELL * cells[shades == shade]).tolist())
            self.parts.append(tag("path", d=path, class_=f"crowd{shade} {css}"))

    def circle(self, x: float, y: float, radius: float, css: str) -> None:
        """Draw a circle around a pixel."""
        self.parts.append(tag("circle", cx=float(x), cy=float(y), r=radius, class_=css))

    def rect(self, x: float, y: float, width: float, height: float, css: str) -> None:
        """Draw a rectangle from its upper left corner."""
        width, height = max(float(width), 0.0), max(float(height), 0.0)
        self.parts.append(tag("rect", x=float(x), y=float(y), class_=css, width=width, height=height))

    def bar(self, place: int, name: str, end: float, text: str, css: str) -> None:
        """Draw a bar from the left edge of the frame to a pixel, with its name before it and a text behind it."""
        y, width = self.top + BAR_ROW * place, end - self.left
        self.text(self.left - 8, y + BAR_ROW / 2 + 4, name, "name", "end")
        self.rect(self.left, y + 4, max(width, 1.0), BAR_ROW - 8, f"bar {css}")
        self.text(self.left + width + 6, y + BAR_ROW / 2 + 4, text, "tick")

    def text(self, x: float, y: float, text: str, css: str, anchor: str = "start") -> None:
        """Write a line of text that starts, ends or has its middle at a pixel."""
        self.parts.append(tag("text", escape(text), x=float(x), y=float(y), class_=css, text_anchor=anchor))

    def below(self, xs: Iterable[float], labels: Iterable[str]) -> None:
        """Write a label below the frame at each pixel."""
        for x, label in zip(xs, labels, strict=True):
            share = (x - self.left) / (self.right - self.left)
            anchor = "middle" if 0.08 < share < 0.92 else "start" if share < 0.5 else "end"
            self.text(x, self.bottom + 16, label, "tick", anchor)

    def upright_text(self, x: float, y: float, text: str, css: str) -> None:
        """Write a line of text upwards from a pixel."""
        turned = f"rotate(-90 {number(x)} {number(y)})"
        self.parts.append(tag("text", escape(text), x=float(x), y=float(y), class_=css, transform=turned))

    def svg(self, key: str, alt: str) -> str:
        """Return the drawing as an SVG element whose alternative text is ``alt``."""
        described = tag("title", escape(alt))
        box = f"{-self.before} 0 {self.width + self.before} {self.height}"
        return (
            f'<svg id="{escape(key)}" viewBox="{box}" role="img" aria-label="{escape(alt)}">'
            f"{described}{''.join(self.parts)}</svg>"
        )


def label_width(labels: Iterable[str], most: int = 170) -> int:
    """Room that the longest of some labels needs beside a drawing; longer ones are cut by :func:`cut`."""
    return min(most, 16 + math.ceil(LETTER * max((len(text) for text in labels), default=0)))


def cut(text: str, width: float) -> str:
    """Shorten a label to a width, with an ellipsis."""
    letters = int((width - 16) / LETTER)
    return text if len(text) <= letters else text[: letters - 1] + "…"


def percent_tick(error: float) -> str:
    """Label an axis of errors: ``0.5%``, ``10%``."""
    return f"{100 * error:g}%"
