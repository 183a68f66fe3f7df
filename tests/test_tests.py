"""Every test can fail."""

import ast
from pathlib import Path

HERE = Path(__file__).parent
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(HERE.rglob("*.py"))}
THEIRS = {"test_it_passes_scikit_learns_checks"}
"""Tests whose assertions stand in somebody else's library."""


def functions_of(tree: ast.Module) -> list[ast.FunctionDef]:
    """Every function of a file, nested ones and methods too."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def asserts(function: ast.FunctionDef, helpers: set[str]) -> bool:
    """Whether it has an ``assert``, expects an error or a warning, or calls one of the helpers or an ``assert_…``."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    names = {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in calls}
    return (
        any(isinstance(node, ast.Assert) for node in ast.walk(function))
        or bool(names & (helpers | {"raises", "warns"}))
        or any(name.startswith("assert_") for name in names)
    )


def from_other_files(tree: ast.Module) -> set[str]:
    """The names that a file imports from others of the tests."""
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in froms if (node.module or "").startswith("tests.") for alias in node.names}


def test_every_test_asserts_something() -> None:
    """Itself, or by a helper of its own file or imported from another file of the tests."""
    ours = {path: {one.name for one in functions_of(tree) if asserts(one, set())} for path, tree in TREES.items()}
    everywhere = set().union(*ours.values())
    silent = {
        one.name: f"{path.relative_to(HERE)}:{one.lineno}"
        for path, tree in TREES.items()
        for one in functions_of(tree)
        if one.name.startswith("test_") and not asserts(one, ours[path] | from_other_files(tree) & everywhere)
    }
    assert silent.keys() == THEIRS, silent
