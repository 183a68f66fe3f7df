"""How a report or a comparison is shown: in files, in a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from tuner.reporting.files import write_files

if TYPE_CHECKING:
    from rich.console import RenderableType

T = TypeVar("T")


@dataclass(frozen=True)
class Faces(Generic[T]):
    """``files``: name -> text, made when it is written; ``terminal``: for rich; ``notebook``: an HTML fragment."""

    files: Callable[[T], Mapping[str, Callable[[], str]]]
    terminal: Callable[[T], RenderableType]
    notebook: Callable[[T], str]

    def write(self, shown: T, folder: Path) -> Path:
        """Write all files, each of which appears whole; return their folder."""
        write_files(folder, self.files(shown))
        return folder

    def text(self, shown: T, width: int) -> str:
        """What a terminal shows, without color, lines ending where the words do."""
        import io

        from rich.console import Console

        out = io.StringIO()
        console = Console(file=out, width=width, color_system=None, force_terminal=False, legacy_windows=False)
        console.print(self.terminal(shown), crop=False)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
