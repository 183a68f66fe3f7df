"""The modules of the package, parsed once for all tests that read them."""

import ast
from functools import cache
from pathlib import Path

import tuner

PACKAGE = Path(tuner.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    """What a module says."""
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    """Its place in the project, like ``tuner/nn/network.py``."""
    return path.relative_to(PACKAGE.parent).as_posix()
