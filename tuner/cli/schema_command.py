"""``tuner schema``: the JSON schema of a definition, for editors."""

from __future__ import annotations

import json

import typer


def schema() -> None:
    """Print the JSON schema that editors complete and check definitions with."""
    from tuner.study import StudyDefinition

    typer.echo(json.dumps(StudyDefinition.model_json_schema(), indent=2))
