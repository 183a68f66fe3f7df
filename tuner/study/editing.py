"""Edit the text of a definition: changed lines get their reason as a comment, all others stay."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import InlineTable

from tuner.formatting import one_line
from tuner.paths import resolved
from tuner.printable import visible
from tuner.study.definition import StudyDefinition
from tuner.study.schema import SCHEMA_LINE

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
FILES = ("source", "dev", "test")


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one key of a definition ("space.alpha"): its new value and a short reason."""

    key: str
    value: Any
    why: str


def rename_definition(text: str, definition: StudyDefinition, name: str) -> str:
    """Return the definition under another name, with its comments."""
    if definition.name == name:
        return text
    document = tomlkit.parse(text)
    document["name"] = name
    return tomlkit.dumps(document)


def edit_definition(text: str, edits: Sequence[Edit], heading: str) -> str:
    """Return the definition with some keys changed or added, each with its reason as a comment.

    Other lines, their order and comments stay. ``heading`` becomes the comment at the top.
    """
    document = tomlkit.parse(text)
    for edit in edits:
        *sections, key = edit.key.split(".")
        table: Any = document
        for section in sections:
            if section not in table:
                table[section] = tomlkit.table()
            table = table[section]
        table[key] = tomlkit.value(toml(edit.value))
        whole_line = table if isinstance(table, InlineTable) else table[key]
        whole_line.comment(visible(one_line(edit.why)))
    lines = tomlkit.dumps(document).rstrip().split("\n")
    lines.insert(lines[0] == SCHEMA_LINE, f"# {visible(heading)}")  # editors expect the schema's name in the first line
    return "\n".join(lines) + "\n"


def move_definition(text: str, old_folder: Path, new_folder: Path) -> str:
    """Return the definition with the paths of its data files for another folder; relative ones stay relative."""
    if resolved(old_folder) == resolved(new_folder):
        return text
    document = tomlkit.parse(text)
    data: Any = document["data"]
    for key in FILES:
        if key in data and not Path(data[key]).is_absolute():
            data[key] = os.path.relpath(resolved(old_folder) / data[key], resolved(new_folder))
    return tomlkit.dumps(document)


def value_at(text: str, key: str) -> Any:
    """Return the value of a key ("space.alpha") in a definition's text, or None."""
    value: Any = tomlkit.parse(text).unwrap()
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def toml_key(name: str) -> str:
    """Write a key as TOML."""
    return name if BARE_KEY.fullmatch(name) else str(tomlkit.item(name).as_string())


def toml(value: Any) -> str:
    """Write a value as TOML, a table on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(str(key))} = {toml(of)}" for key, of in value.items()) + " }"
    return str(tomlkit.item(value).as_string())
