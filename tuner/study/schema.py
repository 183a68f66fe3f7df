"""The JSON schema of a definition, for completion and checks in editors."""

from __future__ import annotations

import json
from typing import Any

from tuner.paths import SCHEMA
from tuner.scales import SCALES
from tuner.study.definition import StudyDefinition
from tuner.study.hyperparameters import FREE, HYPERPARAMETERS, KEEP_PROB_OF_A_LAYER, HyperparameterSpec

SCHEMA_LINE = f"#:schema ./{SCHEMA}"
"""The first line of a definition, where editors (Taplo, Even Better TOML, Tombi) find its schema."""


def definition_schema() -> dict[str, Any]:
    """Return the schema; [space] lists every hyperparameter with its possible ranges.

    With a custom trainer [space] may have other names.
    """
    schema = StudyDefinition.model_json_schema()
    ranges = schema["$defs"].pop("Range")["properties"]
    schema["properties"]["space"] = {
        "type": "object",
        "description": "a plain value fixes a hyperparameter, a table searches it",
        "additionalProperties": _entry(FREE, ranges),
        "properties": {name: _entry(spec, ranges) for name, spec in HYPERPARAMETERS.items()},
    }
    schema["properties"]["space"]["properties"]["keep_prob"]["anyOf"].append(
        {
            "type": "object",
            "description": KEEP_PROB_OF_A_LAYER.help,
            "minProperties": 1,
            "additionalProperties": False,
            "patternProperties": {"^[1-9][0-9]{0,3}$": _entry(KEEP_PROB_OF_A_LAYER, ranges)},
        }
    )
    has_trainer = {"required": ["network"], "properties": {"network": {"required": ["trainer"]}}}
    known = {"properties": {"space": {"propertyNames": {"enum": list(HYPERPARAMETERS)}}}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "if": has_trainer, "else": known}


def schema_text() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(definition_schema(), indent=2, ensure_ascii=False) + "\n"


def _entry(spec: HyperparameterSpec, ranges: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a hyperparameter: a plain value, or a table with one of its ranges."""
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
    """Return the schema of a range without null, which TOML lacks; with the names of a choice, if known."""
    range_schema: dict[str, Any] = next(option for option in schema["anyOf"] if option.get("type") != "null")
    if spec.options and "items" in range_schema:
        range_schema = {**range_schema, "items": {"enum": list(spec.options)}}
    return range_schema | {"description": schema["description"]}


EXAMPLES: dict[str, tuple[Any, ...]] = {
    "number": (0.5, 16.0),
    "integer": (1, 16),
    "string": ("full", "64-32"),
    "array": ([0.9, 0.5],),
    "boolean": (True,),
}
"""Type -> values to try: a hyperparameter's check accepts a type if it accepts one of them."""
