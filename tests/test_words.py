"""Plain American English, one term for one thing: no retired term in the program, its documents or its tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.sources import MODULES, name_of, tree_of

TOP = Path(__file__).parents[1]
ROOTS = (
    "author|binar|capital|categor|custom|emphas|final|general|initial|maxim|memor|minim|normal|optim|organ|parallel|penal|"
    "random|real|recogn|regular|serial|special|standard|summar|synchron|util|vector|visual"
)
RETIRED = {
    rf"(?:{ROOTS})is(?:e|ed|es|er|ing|ation|able)": "-ize, as in normalize",
    r"(?<![a-z])(?:behavi|col|fav|flav|hon|lab|neighb)our": "-or, as in behavior",
    r"(?:cancel|label|model|signal|travel)l(?:ed|ing)\b(?!\")": "one l, as in labeled",
    r"\b(?:analysed?|analysing|artefact|catalogue|centred?|defence)\b": "analyze, artifact, catalog, center, defense",
    r"\b(?:grey|judgement|licence|learnt|whilst|towards)\b": "gray, judgment, license, learned, while, toward",
    r"[\d}] % |[\d}] %[.,;:)|`\"']|per cent": "2.4%, percent",
    r"\d points\b": "pp",
    r"commonest": "majority class",
    r"reference lines?\b": "reference models",
    r"\brests? on\b": "based on",
    r"the line that was set|line of \{|below the line|above the line|the line at": "threshold",
    r"chance (?:that )?it is high": "confidence",
    r"cannot (?:be told|tell) yet": "inconclusive: what is missing",
    r"not[ _]distinguishable": "statistically tied with the best",
    r"(?<!--)\bsober": "simplest tied trial, --one-se",
    r"\bpulls? on\b": "effect of a hyperparameter on bias and on variance",
    r"separates good": "hyperparameter importance",
    r"(?<!\")honesty": "data checks",
    r"to know:": "note:",
    r"\bsealed\b|not looked at": "held out, not evaluated",
    r"looks? at (?:the|a) test|test looks?\b": "test-set evaluation",
    r"\bputs?[ _]back\b": "re-queued",
    r"to the (?:last )?bit\b": "bit for bit",
    r"stands? (?:twice|in both)": "duplicate",
    r"stand together": "mutually exclusive",
    r"is there already|was left as it is|left as it was": "already exists; not overwritten",
    r"whole numbers?\b": "an integer",
    r"fault of tuner": "internal error",
    r"one row an\b|a command an\b|one (?:entry|line|row|file|key) a \w+\b": "one row per example",
    r"upright lines|stretched near": "vertical lines, square-root axis",
    r"owes? its": "is probably noise",
    r"asks? for more|brought nothing": "more trials may help, no improvement",
    r"whichever|whoever comes|comes by": "any available worker",
    r"nobody is here": "not a terminal; pass --yes",
    r"trainer of (?:your|its|the user's) own|own trainer": "custom trainer",
    r"held against": "compared with",
    r"as counted|\(counted\b": "measured",
    r"bigger (?:network|one)": "larger",
}
"""Pattern (of lower-case text) -> what to say.  A new line here is all it takes to retire one more term."""
RETIRED_NAMES = {"found", "told"}
"""Variables, arguments and fields of tuner/ get the name of what they hold instead."""
KEPT = {
    "test_words.py": "this list",
    "CODE_OF_CONDUCT.md": "somebody else's text",
    "LICENSE": "somebody else's text",
}
FOLDERS = ("tuner", "docs", "tests", "examples", "benchmarks", "studies", ".github", ".ci")
KINDS = {".py", ".md", ".html", ".js", ".css", ".toml", ".yml", ".json", ".txt"}


@cache
def texts() -> dict[Path, str]:
    """Every text of the project that a person wrote, in lower case."""
    inside = (path for folder in FOLDERS for path in (TOP / folder).rglob("*"))
    found = [*TOP.glob("*"), *inside]
    kept = (path for path in found if path.suffix in KINDS and path.name not in KEPT and ".venv" not in str(path))
    return {path: path.read_text(encoding="utf-8").lower() for path in kept}


@pytest.mark.parametrize(("pattern", "better"), RETIRED.items(), ids=list(RETIRED.values()))
def test_a_retired_term_is_not_used(pattern: str, better: str) -> None:
    """Each place is named, with what to say."""
    term = re.compile(pattern)
    places = [
        f"{path.relative_to(TOP)}:{number}: {found.group()!r}"
        for path, text in texts().items()
        if term.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if (found := term.search(line))
    ]
    assert not places, f"say {better}:\n" + "\n".join(places)


def test_the_help_calls_the_file_that_users_edit_a_study_file() -> None:
    """As the manual does; "definition" is its name in the code."""
    assert "definition" not in (TOP / "docs" / "reference" / "commands.md").read_text(encoding="utf-8").lower()


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every variable, argument and field that code assigns, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name


def test_a_name_says_what_it_holds() -> None:
    """Each place with a retired name is listed."""
    places = [
        f"{name_of(path)}:{line}: {name}"
        for path in MODULES
        for line, name in names(tree_of(path))
        if name in RETIRED_NAMES
    ]
    assert not places, "name what it holds:\n" + "\n".join(places)


def test_every_kind_of_name_is_read() -> None:
    """A variable, a field, an argument of a function and of a lambda, the names of errors and of matches."""
    code = """
class A:
    field: int
    def f(self, argument, *rest):
        self.attribute = (walrus := lambda inner: inner)
        for loop, (nested, _) in rest: pass
        try: pass
        except E as error: pass
        match rest:
            case [first, *others]: pass
"""
    assigned = {name for _, name in names(ast.parse(code))}
    read = "field self argument rest attribute walrus inner loop nested _ error first others"
    assert assigned == set(read.split())
