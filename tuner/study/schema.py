"""The JSON schema of a definition: what editors complete and check it with."""

from __future__ import annotations

import json
from typing import Any

from tuner.paths import SCHEMA
from tuner.scales import SCALES
from tuner.study.definition import StudyDefinition
from tuner.study.hyperparameters import FREE, HYPERPARAMETERS, HyperparameterSpec

SCHEMA_LINE = f"#:schema ./{SCHEMA}"
"""The first line of a definition, by which editors (Taplo, Even Better TOML, Tombi) find its schema."""


def definition_schema() -> dict[str, Any]:
    """The schema as it stands beside definitions; [space] lists every hyperparameter with the ranges it can have.

    Where [network] names a trainer, other names may stand there too.
    """
    schema = StudyDefinition.model_json_schema()
    ranges = schema["$defs"].pop("Range")["properties"]
    schema["properties"]["space"] = {
        "type": "object",
        "description": "a plain value fixes a hyperparameter, a table searches it",
        "additionalProperties": _entry(FREE, ranges),
        "properties": {name: _entry(spec, ranges) for name, spec in HYPERPARAMETERS.items()},
    }
    has_trainer = {"required": ["network"], "properties": {"network": {"required": ["trainer"]}}}
    known = {"properties": {"space": {"propertyNames": {"enum": list(HYPERPARAMETERS)}}}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "if": has_trainer, "else": known}


def schema_text() -> str:
    """The schema as it is written to a file."""
    return json.dumps(definition_schema(), indent=2, ensure_ascii=False) + "\n"


def _entry(spec: HyperparameterSpec, ranges: dict[str, Any]) -> dict[str, Any]:
    """A plain value, or a table with one of the ranges that suit this hyperparameter."""
    table = {
        "type": "object",
        "description": "searched over one range",
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {kind: _range(ranges[kind], spec) for kind in SCALES if kind in spec.kinds},
    }
    return {"description": spec.help, "anyOf": [_value(spec), table]}


def _value(spec: HyperparameterSpec) -> dict[str, Any]:
    if spec.options:
        return {"enum": list(spec.options)}
    types = [name for name, example in EXAMPLES.items() if any(spec.check(value) is None for value in example)]
    return {"type": types}


def _range(schema: dict[str, Any], spec: HyperparameterSpec) -> dict[str, Any]:
    """The range without "or null", which TOML cannot write; the names of a choice where they are known."""
    found: dict[str, Any] = next(option for option in schema["anyOf"] if option.get("type") != "null")
    if spec.options and "items" in found:
        found = {**found, "items": {"enum": list(spec.options)}}
    return found | {"description": schema["description"]}


EXAMPLES: dict[str, tuple[Any, ...]] = {
    "number": (0.5, 16.0),
    "integer": (1, 16),
    "string": ("full", "64-32"),
    "array": ([0.9, 0.5],),
    "boolean": (True,),
}
"""Values by which the kinds a hyperparameter takes are found out: a check is a function, and says nothing of kinds."""
