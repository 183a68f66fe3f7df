"""Every test can fail."""

import ast
from pathlib import Path

HERE = Path(__file__).parent
THEIRS = {"test_it_passes_scikit_learns_checks"}
"""Tests whose assertions stand in somebody else's library."""


def functions_of(tree: ast.Module) -> list[ast.FunctionDef]:
    """Every function of a file, nested ones and methods too."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def checks_of(function: ast.FunctionDef) -> set[str]:
    """The names of what it calls, and ``assert`` where it has one."""
    nodes = list(ast.walk(function))
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    names = {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in calls}
    return names | {"assert" for node in nodes if isinstance(node, ast.Assert)}


def asserts(checks: set[str], helpers: set[str]) -> bool:
    """Whether these are an ``assert``, an expected error or warning, one of the helpers, or an ``assert_…``."""
    return bool(checks & (helpers | {"assert", "raises", "warns"})) or any(
        name.startswith("assert_") for name in checks
    )


def from_other_files(tree: ast.Module) -> set[str]:
    """The names that a file imports from others of the tests."""
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in froms if (node.module or "").startswith("tests.") for alias in node.names}


def test_every_test_asserts_something() -> None:
    """Itself, or by a helper of its own file or imported from another file of the tests."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(HERE.rglob("*.py"))}
    checks = {path: [(one, checks_of(one)) for one in functions_of(tree)] for path, tree in trees.items()}
    ours = {path: {one.name for one, names in those if asserts(names, set())} for path, those in checks.items()}
    everywhere = set().union(*ours.values())
    silent = {
        one.name: f"{path.relative_to(HERE)}:{one.lineno}"
        for path, those in checks.items()
        for one, names in those
        if one.name.startswith("test_") and not asserts(names, ours[path] | from_other_files(trees[path]) & everywhere)
    }
    assert silent.keys() == THEIRS, silent
