"""Trainers of the user's own, ``[network] trainer``: who may run one, and the function it names.

A shared database must not become a way to run code.  So a function is run only if it stands in the definition file
that was given here, or was named on this command line; what the database's copy of a definition says is not enough,
and no folder that the database names is searched for it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import UsageError
from tuner.formatting import error_line
from tuner.study import StudyDefinition, nearest


@dataclass(frozen=True, slots=True)
class Trainer:
    """A function that may be run here: ``package.module:function``, and the folders its module may also lie in."""

    name: str
    folders: tuple[Path, ...]

    def load(self) -> Callable[..., Any]:
        """Import the function.  Raises UsageError with one line, whatever goes wrong in the user's module."""
        module_name, _, function_name = self.name.partition(":")
        sys.path += [str(folder) for folder in self.folders if str(folder) not in sys.path]
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            places = ", ".join(map(str, self.folders))
            raise UsageError(
                f"trainer {self.name}: there is no module {error.name!r}; expected it to be installed, or in {places}"
            ) from error
        except Exception as error:
            raise UsageError(
                f"trainer {self.name}: importing {module_name} failed with {error_line(error)}; expected a module that "
                "python can import"
            ) from error
        function: Callable[..., Any] | None = getattr(module, function_name, None)
        if not callable(function):
            there = nearest(function_name, [name for name in vars(module) if not name.startswith("_")])
            raise UsageError(
                f"trainer {self.name}: no function {function_name!r} in {getattr(module, '__file__', module_name)}"
                f"{there}"
            )
        return function


def permitted_trainer(
    definition: StudyDefinition, *, file_folder: Path | None, allowed: Collection[str]
) -> Trainer | None:
    """The definition's trainer, or None where it has none.

    ``file_folder`` is where the definition file lies that was given here, None where the definition comes from the
    database; ``allowed`` are the names given with --allow-trainer.  Raises UsageError where neither permits it.
    """
    name = definition.network.trainer
    if name is None:
        return None
    if file_folder is None and name not in allowed:
        raise UsageError(
            f"study {definition.name!r} runs a trainer, {name}, that only the database names; to run it here, say "
            f"--allow-trainer {name} (or give the definition file)"
        )
    here = Path.cwd()
    return Trainer(name, tuple(dict.fromkeys([here] if file_folder is None else [file_folder, here])))
