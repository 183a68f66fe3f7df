"""How a report or a comparison is shown: in files, in a terminal and in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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


class Shown(ABC):
    """What is shown with its ``faces``."""

    faces: Faces[Any]

    @property
    @abstractmethod
    def name(self) -> str:
        """The folder it is written to."""

    def write(self, folder: str | Path) -> Path:
        """Write ``<folder>/<name>/`` with all files, each of which appears whole; return that folder."""
        write_files(Path(folder) / self.name, self.faces.files(self))
        return Path(folder) / self.name

    def text(self, width: int = 100) -> str:
        """Write what ``tuner report`` prints, without color, lines ending where the words do."""
        import io

        from rich.console import Console

        out = io.StringIO()
        console = Console(file=out, width=width, color_system=None, force_terminal=False, legacy_windows=False)
        console.print(self, crop=False)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"

    def __rich__(self) -> RenderableType:
        return self.faces.terminal(self)

    def _repr_html_(self) -> str:
        return self.faces.notebook(self)
