"""Options of the commands that take a data file: how it is read and split, kept as [data] of its study file."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

TAB = {"tab", "\\t"}


def _sign(text: str) -> str:
    """Return the delimiter that was typed; a tab is hard to type."""
    return "\t" if text.lower() in TAB else text


def _options(
    *,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="The text encoding of a data file, like latin-1.")
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option("--delimiter", metavar="SIGN", help='The sign between the cells of a data file, or "tab".'),
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether line 1 of a data file has its column names."),
    ] = None,
    missing: Annotated[
        list[str] | None,
        typer.Option("--missing", metavar="CELL", help="A cell of a data file that counts as missing; repeatable."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="CELL", help="A cell like NA that is a class or category; repeatable."),
    ] = None,
    drop_unlabeled: Annotated[
        bool | None,
        typer.Option("--drop-unlabeled", help="Leave out rows without a class, and classes with a single example."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task", metavar="TASK", help="classification or regression; by default the target's cells decide."
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="COL", help="A column of groups, whose rows are never split between sets."),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option("--time", metavar="COL", help="A column of dates or numbers: the latest rows are dev and test."),
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option("--weight", metavar="COL", help="A column of weights: what each row counts for; 0 leaves it out."),
    ] = None,
    target_transform: Annotated[
        str | None,
        typer.Option("--target-transform", metavar="FORM", help="Of a skewed number: log, quantile, auto or none."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option("--folds", metavar="K", min=2, max=20, help="Folds of the rows outside the test set."),
    ] = None,
) -> dict[str, Any]:
    """Return the keys of [data] that were given."""
    given = {
        "encoding": encoding,
        "delimiter": delimiter and _sign(delimiter),
        "header": header,
        "missing": missing,
        "keep": keep,
        "drop_unlabeled": drop_unlabeled,
        "task": task,
        "group": group,
        "time": time,
        "weight": weight,
        "target_transform": target_transform,
        "folds": folds,
    }
    return {key: value for key, value in given.items() if value not in (None, [])}


def takes_data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a data file; it gets those that were typed as ``of_data``, keys of [data]."""
    own = inspect.signature(command).parameters
    hints = {**get_type_hints(command, include_extras=True), **get_type_hints(_options, include_extras=True)}
    others = inspect.signature(_options).parameters

    @functools.wraps(command)
    def with_options(**values: Any) -> None:
        typed = {name: values.pop(name) for name in others}
        command(**values, of_data=_options(**typed))

    parameters = [each.replace(kind=each.KEYWORD_ONLY) for name, each in own.items() if name != "of_data"]
    target = next((k for k, each in enumerate(parameters) if each.name == "target"), len(parameters) - 1) + 1
    every = [*parameters[:target], *others.values(), *parameters[target:]]
    with_options.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(annotation=hints[each.name]) for each in every]
    )
    with_options.__annotations__ = {each.name: hints[each.name] for each in every}
    return with_options
