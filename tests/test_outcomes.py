"""Outcomes: enums that are written as their text, and no literal of them elsewhere."""

import ast
import json

import pytest

from tests.sources import MODULES, name_of, tree_of
from tuner import outcomes
from tuner.outcomes import FailureCause, Level, StopReason, TrialState, Verdict

ENUMS = (TrialState, StopReason, FailureCause, Level, Verdict)
TEXTS = {str(member) for enum in ENUMS for member in enum}
NAMES = {"state", "stop_reason", "reason", "level", "verdict"}
"""What holds an outcome: keywords and names that no literal is assigned to."""


def literals(node: ast.AST | None) -> list[str]:
    """The texts a value can be: its own, those of a tuple, those of both branches."""
    match node:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return [text for part in parts for text in literals(part)]
        case ast.IfExp(body=body, orelse=other):
            return literals(body) + literals(other)
        case ast.BoolOp(values=parts):
            return [text for part in parts for text in literals(part)]
    return []


def holds_outcome(node: ast.AST) -> bool:
    """Whether an expression is named after an outcome: ``trial.state``, ``stop_reason``, ``levels``."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.strip("_").removesuffix("s") in NAMES


def suspects(tree: ast.AST) -> list[tuple[int, str]]:
    """Every text that is compared, or given to something that holds an outcome, as (line, text)."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                given = [left, *others]
            case ast.keyword(arg=name, value=value) if name in NAMES:
                given = [value]
            case ast.Assign(targets=targets, value=value) if any(map(holds_outcome, targets)):
                given = [value]
            case ast.AnnAssign(target=target, value=value) if value and holds_outcome(target):
                given = [value]
            case ast.MatchValue(value=value):
                given = [value]
            case _:
                given = []
        found += [(node.lineno, text) for value in given for text in literals(value)]
    return found


def test_outcomes_are_compared_as_enums() -> None:
    """No module but their own spells a state, reason, level or verdict where it compares or sets one."""
    places = [
        f"{name_of(path)}:{line}: {text!r}, expected a member of tuner.outcomes"
        for path in MODULES
        if path.name != "outcomes.py"
        for line, text in suspects(tree_of(path))
        if text in TEXTS
    ]
    assert places == []


def test_the_search_for_literals_finds_them() -> None:
    """In comparisons, memberships, keywords and assignments."""
    code = 'a.state == "pruned"\nb in ("low", "high")\nf(stop_reason="failed" if x else "patience")\nlevel = "low"\n'
    expected = ["failed", "high", "low", "low", "patience", "pruned"]
    assert sorted(text for _, text in suspects(ast.parse(code))) == expected


@pytest.mark.parametrize("enum", ENUMS)
def test_an_outcome_is_written_as_its_text(enum: type[outcomes.StopReason]) -> None:
    """In JSON, in a format string, as a key, and where it is printed for a developer."""
    for member in enum:
        text = member.value
        assert (json.dumps({member: member}), f"{member}", repr(member)) == (
            f'{{"{text}": "{text}"}}',
            text,
            repr(text),
        )
