"""The pages beside the reports: the list of studies, and what can be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from tuner.formatting import rough_duration
from tuner.reporting.page import LivePage
from tuner.reporting.rendering import content_policy, environment, resource
from tuner.serving.reading import StudyList
from tuner.study import metric_text

FRAMED = "; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""What only a header can say."""


def policy(*scripts: str) -> dict[str, str]:
    """The header of a page with these scripts, by the names of their files; live.js may ask the server."""
    allowed = content_policy(resource("style.css"), *map(resource, scripts), is_live="live.js" in scripts)
    return {"Content-Security-Policy": allowed + FRAMED}


def studies_page(studies: StudyList, links: Sequence[tuple[str, str]]) -> str:
    """The list of studies, which follows them."""
    return (
        environment()
        .get_template("studies.html")
        .render(
            list=studies,
            live=LivePage("", "", links),
            style=resource("style.css"),
            live_script=resource("live.js"),
            metric_text=metric_text,
            rough_duration=rough_duration,
        )
    )


def endpoints_page(described: Mapping[str, Any]) -> str:
    """What the server answers, from its OpenAPI description; nothing is loaded for it."""
    template = environment().get_template("endpoints.html")
    return template.render(described=described, style=resource("style.css"), schema_text=schema_text)


def schema_text(schema: Mapping[str, Any]) -> Markup:
    """A JSON schema in a few words, with links to those it refers to."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    if "anyOf" in schema:
        return Markup(" or ").join(map(schema_text, schema["anyOf"]))
    if schema.get("type") == "array":
        return Markup("list of {}").format(schema_text(schema.get("items", {})))
    if isinstance(more := schema.get("additionalProperties"), Mapping):
        return Markup("object of {}").format(schema_text(more))
    bounds = [f"{sign} {schema[key]:,}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    default = [f"default {schema['default']}"] if "default" in schema else []
    return escape(", ".join([schema.get("type", "any value"), *bounds, *default]))
