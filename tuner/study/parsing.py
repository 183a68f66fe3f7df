"""Validate a definition; errors are one line with the key, what was expected and what was found."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

from pydantic import ValidationError

from tuner.arguments import shown
from tuner.data import ColumnSettings
from tuner.errors import DefinitionError
from tuner.formatting import bounded, join, one_line, shorten
from tuner.study.definition import StudyDefinition
from tuner.study.known_names import nearest_key
from tuner.study.schema import definition_schema

Schema = dict[str, Any]
_TYPES = {
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "string": "a text",
    "array": "a list",
    "object": "a table",
}
_MANY = {"integer": "integers", "number": "numbers", "string": "texts"}
LONGEST_TEXT = 1_000_000
LONGEST_MESSAGE = 900
MOST_LEVELS = 8
"""Tables and lists within each other; a definition has at most five."""
TOO_DEEP = f"expected tables and lists of at most {MOST_LEVELS} levels, got more"
DOTTED = re.compile(r"""(?:(?:"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+'|(?<![\w-])[\w-]++)[ \t]*+\.[ \t]*+){50}""")
"""A key of fifty parts: the time to parse one grows with the square of their number."""
MOST_KEYS = 4
"""Keys of a table that a message lists."""
_BOUNDS = {"exclusiveMinimum": "above", "minimum": "low", "exclusiveMaximum": "below", "maximum": "high"}


def parse_definition(text: str, where: str) -> StudyDefinition:
    """Validate the text of a definition; ``where`` is its name in messages.  Raises DefinitionError."""
    with _named(where):
        _check_length(text)
        return _parsed(text)


def parse_tables(text: str, where: str) -> dict[str, Any]:
    """Return the tables of a text that may be a part of a definition, not validated.  Raises DefinitionError."""
    with _named(where):
        _check_length(text)
        return _tables(text)


def validate_definition(table: Mapping[str, Any], where: str) -> StudyDefinition:
    """Validate a parsed definition; ``where`` is its name in messages.  Raises DefinitionError."""
    with _named(where):
        return _validated(table)


@contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {shorten(str(error), LONGEST_MESSAGE)}") from None


def _check_length(text: str) -> None:
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        given = f"{len(text):,} characters" if isinstance(text, str) else type(text).__name__
        raise DefinitionError(f"expected a text of at most {LONGEST_TEXT:,} characters, got {given}")


@lru_cache(maxsize=8)
def _parsed(text: str) -> StudyDefinition:
    """Parse each text once; a definition is immutable."""
    return _validated(_tables(text))


def _tables(text: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(text) if DOTTED.search(text) is None else None
    except RecursionError:
        raise DefinitionError(TOO_DEEP) from None
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        raise DefinitionError(f"not valid TOML: {shorten(one_line(error), 200)}") from None
    if table is None:
        raise DefinitionError(TOO_DEEP)
    return table


def _validated(table: Mapping[str, Any]) -> StudyDefinition:
    """Validate a table whose depth and numbers are bounded, so that every check and message can handle it."""
    level: list[tuple[str, Any]] = [("", table)]
    for _ in range(MOST_LEVELS):
        level = [inner for key, value in level for inner in _entries(key, value)]
        for key, value in level:
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise DefinitionError(
                    f"{shorten(key)}: expected an integer of at most 64 bits, got one of {value.bit_length()}"
                )
    if level:
        raise DefinitionError(f"{shorten(level[0][0])}: {TOO_DEEP}")
    try:
        return StudyDefinition.model_validate(table)
    except ValidationError as error:
        raise DefinitionError(explain(error)) from None


def _entries(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a table or a list holds, with dotted keys; a list is named as a whole."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise DefinitionError(f"{shorten(key)}: expected keys that are texts, got {shown(name)}".lstrip(": "))
            yield f"{key}.{name}".removeprefix("."), inner
    elif isinstance(value, list | tuple):
        yield from ((key, inner) for inner in value)


def explain(error: ValidationError) -> str:
    """Describe the first problem of a validation as ``key: expected what, got value``, and count the other keys."""
    problems = [(_key_of(problem["loc"]), problem) for problem in error.errors()]
    key, first = min(problems, key=lambda each: each[1]["type"] == "extra_forbidden")
    elsewhere = {place[: len(key)] for place, _ in problems if place != key[: len(place)]} - {key}
    # if a table is one of several possible kinds of value, the problem inside it says more
    key, first = next((each for each in problems if each[0][: len(key)] == key != each[0]), (key, first))
    more = f" (and {len(elsewhere)} more)" if elsewhere else ""
    return _sentence(shorten(".".join(key), 200), key, first) + more


def _sentence(name: str, key: tuple[str, ...], problem: Any) -> str:
    """Describe one problem in our own words; a ``ValueError`` has them already."""
    if problem["type"] == "extra_forbidden":
        return f"unknown key {name!r}{nearest_key(key[-1], _keys_at(key[:-1]))}"
    if problem["type"] == "missing" and problem["loc"][-1] == key[-1]:  # else a list that is too short
        return f"{name} is missing: expected {expected_value(_schema_at(key))}"
    got = f", got {shown(problem['input'])}"
    if problem["type"] != "value_error":
        return f"{name}: expected {expected_value(_schema_at(key))}{got}"
    message: str = problem["msg"].removeprefix("Value error, ")
    if not key or message.startswith(f"{key[0]}."):
        return message
    is_said = "got " in message or "unknown key" in message
    disagree = isinstance(problem["input"], Mapping)  # about keys of one table: do not print the whole table
    return f"{name}: {message}" + ("" if is_said or disagree else got)


def _key_of(location: Iterable[str | int]) -> tuple[str, ...]:
    """Return the key of a problem, without the kinds of value that pydantic tried."""
    names = [part for part in location if isinstance(part, str)]  # without positions: a list is refused as a whole
    parts = [name for name in names if name not in ("value", "range", ColumnSettings.__name__)]
    parts = [name for name in parts if not name.startswith("dict[str,")]
    kinds = ("str", "int", "float", "bool", "constrained-int")
    while len(parts) > 2 and (parts[-1] in kinds or "[" in parts[-1]):
        parts.pop()
    return tuple(parts)


@cache
def _schema() -> Schema:
    return definition_schema()


def _options(schema: Schema) -> Iterator[Schema]:
    """Yield the alternatives of a schema, with references followed."""
    if "$ref" in schema:
        schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        for option in schema["anyOf"]:
            yield from _options(option)
    elif schema.get("type") != "null":  # TOML has no null
        yield schema


def _schema_at(key: tuple[str, ...]) -> Schema:
    schema = _schema()
    for part in key:
        for option in _options(schema):
            inner = option.get("properties", {}).get(part) or option.get("additionalProperties")
            if inner:
                schema = inner
                break
    return schema


def _keys_at(key: tuple[str, ...]) -> list[str]:
    return [name for option in _options(_schema_at(key)) for name in option.get("properties", {})]


def expected_value(schema: Schema) -> str:
    """Describe the values that a schema allows, for messages and the reference page."""
    return " or ".join(dict.fromkeys(map(_kind, _options(schema))))


def _kind(schema: Schema) -> str:
    """Describe one kind of value: "an integer ≥ 1", "one of relu, tanh", "a list of 2 numbers"."""
    if "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema["const"]]
        names = [str(name) if str(name).isidentifier() else repr(name) for name in values]
        return ("one of " if len(names) > 1 else "") + ", ".join(names)
    if "pattern" in schema:
        return f"at most {schema['maxLength']} {schema['description']}"
    if schema.get("maxLength") == 1:
        return "one character"
    if isinstance(schema["type"], list):
        return join([_TYPES[name] for name in schema["type"] if name != "integer"], "or")
    if schema["type"] == "array":
        return _list(schema)
    if schema["type"] == "object":
        keys = schema.get("propertyNames", {}).get("enum") or list(schema.get("properties", ()))
        return "a table" + (f" with {join(keys)}" if 0 < len(keys) <= MOST_KEYS else "")
    return bounded(_TYPES[schema["type"]], **{end: schema[name] for name, end in _BOUNDS.items() if name in schema})


def _list(schema: Schema) -> str:
    items = schema.get("items") or schema["prefixItems"][0]
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    n = f"at least {least} " if least else ""
    if most:
        between = "or" if most == least + 1 else "to"
        n = f"{least} " if least == most else f"{least} {between} {most} " if least else f"at most {most:,} "
    (kind, *others) = _options(items)
    if others or "enum" in kind:
        return f"a list of {n}values" + ("" if others else f" among {', '.join(kind['enum'])}")
    return f"a list of {n}{_MANY[kind['type']]}" + _kind(kind).removeprefix(_TYPES[kind["type"]])
