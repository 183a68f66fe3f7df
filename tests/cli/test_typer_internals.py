"""What of Typer is not public is as it was, and in one module."""

import ast
from importlib.metadata import version

import typer

from tests.sources import MODULES, name_of, tree_of


def test_completions_are_made_as_before() -> None:
    """A name with its help; where not, the installed Typer is the reason."""
    upgrade = f"Typer {version('typer')} changed its CompletionItem: mend tuner/cli/typer_internals.py"
    try:
        from tuner.cli.typer_internals import completion

        found = completion("search", "Complete the budget.")
    except (ImportError, TypeError) as error:
        raise AssertionError(upgrade) from error
    assert (found.value, found.help) == ("search", "Complete the budget."), upgrade


def test_a_group_completes_commands_as_before() -> None:
    """The method that the command line overrides is still there to be overridden."""
    upgrade = f"Typer {version('typer')} has no TyperGroup.{{}} any more: mend cli/app.py"
    for method in ("shell_complete", "format_commands", "invoke", "list_commands", "get_command"):
        assert hasattr(typer.core.TyperGroup, method), upgrade.format(method)


def test_private_parts_of_typer_are_touched_in_one_module() -> None:
    """An upgrade is mended in one place."""
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if path.name != "typer_internals.py"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("typer._")
    ]
    assert found == []
