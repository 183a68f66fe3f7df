"""How a report or a comparison is shown: in files, in a terminal and in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tuner.printable import printable
from tuner.reporting.files import write_files

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

T = TypeVar("T")
PIPED_WIDTH = 100


@dataclass(frozen=True)
class Printed:
    """What a terminal shows: the ``body``, and the ``verdict``, which comes last so that it is not scrolled away."""

    body: Sequence[RenderableType]
    verdict: Sequence[RenderableType]


@dataclass(frozen=True)
class Faces(Generic[T]):
    """``files``: name -> text, made when it is written; ``terminal``: for rich; ``notebook``: an HTML fragment.

    ``figure``: draws the figure with a key; None without figures.
    """

    files: Callable[[T], Mapping[str, Callable[[], str]]]
    terminal: Callable[[T], Printed]
    notebook: Callable[[T], str]
    figure: Callable[[T, str], Any] | None = None


class Shown(ABC):
    """What is shown with its ``faces``."""

    faces: Faces[Any]

    @property
    @abstractmethod
    def name(self) -> str:
        """The folder it is written to."""

    def write(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write ``<folder>/<name>/`` with all files, each of which appears whole; return that folder.

        Replaces an earlier report; with ``force`` also other files of these names, but no data file or definition.
        """
        write_files(Path(folder) / self.name, self.faces.files(self), force=force)
        return Path(folder) / self.name

    def text(self, width: int = PIPED_WIDTH, files: Sequence[str] = ()) -> str:
        """Return what :meth:`print_to` prints, without color."""
        import io

        from rich.console import Console

        out = io.StringIO()
        console = Console(file=out, width=width, color_system=None, force_terminal=False, legacy_windows=False)
        self.print_to(console, files)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"

    def print_to(self, console: Console, files: Sequence[str] = ()) -> None:
        """Print the body, the lines that name the report's ``files``, and the verdict."""
        from rich.console import Group
        from rich.text import Text

        printed = self.faces.terminal(self)
        lines = [Text(printable(line), no_wrap=True, overflow="ignore") for line in [*files, ""]] if files else []
        shown = Group(*printed.body, "", *lines, *printed.verdict)
        console.print(shown, crop=False)  # a command that is cut off cannot be typed

    def __rich__(self) -> RenderableType:
        from rich.console import Group

        printed = self.faces.terminal(self)
        return Group(*printed.body, "", *printed.verdict)

    def _repr_html_(self) -> str:
        return self.faces.notebook(self)
