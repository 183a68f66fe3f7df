"""A study definition written in Python: typed, checked while it is written, and in part or whole."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from tuner.arguments import shown
from tuner.data import DataSettings
from tuner.errors import ArgumentError, DefinitionError
from tuner.paths import LONGEST_STUDY_NAME, STUDY_NAME
from tuner.study.definition import StudyDefinition
from tuner.study.editing import toml, toml_key
from tuner.study.hyperparameters import layer_of
from tuner.study.parsing import explain

SECTIONS = ("data", "network", "training", "space", "search", "diagnosis")
MADE_FOR_ALL = ("data", "search", "diagnosis")
"""Sections that suit every trainer; what the others say for tuner's own network means nothing to another one."""


class Definition(StudyDefinition):
    """A study definition in Python, with the tables and keys of the study file; `space` takes `tuner.log_uniform(…)`.

    What it leaves out is made for the data, section by section.  Raises DefinitionError, with the key, the value found
    and what was expected.
    """

    name: str = Field(default="", pattern=f"^{STUDY_NAME}$", max_length=LONGEST_STUDY_NAME)
    data: DataSettings = DataSettings()

    if not TYPE_CHECKING:  # type checkers see the fields

        def __init__(self, /, **sections: Any) -> None:
            try:
                super().__init__(**sections)
            except ValidationError as error:
                raise DefinitionError(f"definition: {explain(error)}") from None


def definition_table(definition: StudyDefinition | Mapping[str, Any], where: str = "definition") -> dict[str, Any]:
    """Return the tables of a definition as a study file has them.

    ``where``: its name in messages.  Raises InputError.
    """
    if isinstance(definition, Mapping):
        unknown = next((key for key in definition if not isinstance(key, str)), None)
        if unknown is not None:
            raise DefinitionError(f"{where}: expected names of sections, got {shown(unknown)}")
        try:
            definition = Definition(**definition)
        except DefinitionError as error:
            raise DefinitionError(f"{where}: {str(error).removeprefix('definition: ')}") from None
    if not isinstance(definition, StudyDefinition):
        expected = "a study file, a dict or a tuner.Definition"
        raise ArgumentError(f"definition: expected {expected}, got {shown(definition)}")
    return definition.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def complete_definition(given: Mapping[str, Any], made: str) -> dict[str, Any]:
    """Return the given tables with the sections they lack from the definition ``made`` for the data.

    What a given [network] says is not searched.
    """
    others, network = tomllib.loads(made), given.get("network", {})
    others["space"] = {name: entry for name, entry in others["space"].items() if name not in network}
    if "network" in given and "task" in others["network"]:  # the thresholds that are made for the data are in its unit
        given = {**given, "network": {"task": others["network"]["task"], **network}}
    is_own = "trainer" not in network
    taken = SECTIONS if is_own else MADE_FOR_ALL
    names = [name for name in (*SECTIONS, "notify") if name in (*given, *taken)]
    return {name: given[name] if name in given else others[name] for name in names}


def _key(name: str) -> str:
    return name if layer_of(name) else toml_key(name)


def definition_text(name: str, tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the tables of a definition as TOML, one key per line."""
    lines = ["# Made by a call of Python for data in memory.", f"name = {toml(name)}"]
    for section, keys in tables.items():
        lines += ["", f"[{section}]", *(f"{_key(key)} = {toml(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"
