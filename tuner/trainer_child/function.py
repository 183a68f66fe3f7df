"""The function that a custom trainer calls: permitted, and imported where it is needed."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import UsageError
from tuner.formatting import did_you_mean, error_line

PARAMETERS = ("params", "data", "seed", "report")


@dataclass(frozen=True, slots=True)
class TrainerFunction:
    """A permitted function, ``package.module:function``, and folders to search for its module."""

    name: str
    folders: tuple[Path, ...]

    def load(self) -> Callable[..., Any]:
        """Import the function.  Raises UsageError for any error in the user's module."""
        module_name, _, function_name = self.name.partition(":")
        try:
            with self.importable():
                module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            places = ", ".join(map(str, self.folders))
            raise UsageError(f"trainer {self.name}: no module {error.name!r} is installed or in {places}") from error
        except Exception as error:
            raise UsageError(f"trainer {self.name}: importing {module_name} failed with {error_line(error)}") from error
        function: Callable[..., Any] | None = getattr(module, function_name, None)
        if not callable(function):
            names = [name for name in vars(module) if not name.startswith("_")]
            there = f"; {hint}" if (hint := did_you_mean(function_name, names)) else ""
            raise UsageError(
                f"trainer {self.name}: no function {function_name!r} in {getattr(module, '__file__', module_name)}"
                f"{there}"
            )
        self._check_parameters(function)
        return function

    def _check_parameters(self, function: Callable[..., Any]) -> None:
        """Refuse a function that cannot be called with a trial."""
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # some callables written in C have none
            return
        try:
            signature.bind(*PARAMETERS)
        except TypeError as error:
            expected = f"a function of ({', '.join(PARAMETERS)})"
            raise UsageError(f"trainer {self.name}: expected {expected}, got {signature}: {error}") from None

    def load_model(self, path: str) -> Any:
        """Load a model that the function returned and that was saved: by its ``load``, or that of its module."""
        function = self.load()
        with self.importable():
            module = importlib.import_module(self.name.partition(":")[0])
            load = getattr(function, "load", None) or getattr(module, "load", None)
            if load is None:
                raise UsageError(f"trainer {self.name}: no function load(path) in {module.__name__} that loads a model")
            return load(path)

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Search the folders for modules within the block only: elsewhere no file there stands in for a library."""
        added = [folder for folder in map(str, self.folders) if folder not in sys.path]
        sys.path += added
        try:
            yield
        finally:
            for folder in added:
                with suppress(ValueError):  # the trainer took it out itself
                    sys.path.remove(folder)
