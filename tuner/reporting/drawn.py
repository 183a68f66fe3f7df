"""A figure that was drawn: in a notebook, and as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuner.arguments import path as path_of
from tuner.arguments import unexpected
from tuner.files import open_regular, whole_file
from tuner.reporting.figures.figure import Figure
from tuner.reporting.rendering import environment, resource
from tuner.reporting.standalone import BEGIN, FORMATS, file_of


@dataclass(frozen=True, repr=False)
class DrawnFigure:
    """One figure of the page; a notebook shows it."""

    key: str
    figure: Figure

    def __repr__(self) -> str:
        return f"DrawnFigure({self.key!r}: {self.figure.sentence!r})"

    def _repr_html_(self) -> str:
        template = environment().get_template("figure.html")
        return template.render(key=self.key, figure=self.figure, style=resource("style.css"))

    def write(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the figure as an SVG, PNG, PDF or HTML file by the name's ending, whole or not at all.

        Replaces an SVG file of a figure; another file only with `force`.  PNG and PDF need the extra `figures`.
        Raises ArgumentError for another ending, UsageError without the extra.
        """
        path = path_of("path", path)
        kind = path.suffix.removeprefix(".").lower()
        if kind == "html":
            content = f'<!doctype html>\n<meta charset="utf-8">\n{self._repr_html_()}\n'.encode()
        elif kind in FORMATS:
            content = file_of(self.figure, kind)
        else:
            raise unexpected("path", f"a file that ends in .{', .'.join(FORMATS)} or .html", str(path))
        with whole_file(path, force=force or _is_figure(path), is_ours=_is_figure) as file:
            file.write(content)
        return path


def _is_figure(path: Path) -> bool:
    """Return whether a file begins as the SVG files of figures do."""
    try:
        with open_regular(path) as file:
            return file.read(len(BEGIN)) == BEGIN.encode()
    except OSError:
        return False
