"""What the document leaves unsaid. The page is not made of it then: mend the route, model or field itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from scripts.api_reference.document import Route, Schema, meaning_of, read_routes
from scripts.api_reference.wording import has_markup
from service.api.problems import MEDIA_TYPE
from service.api.scopes import TABLE

# Described where it is spoken of: the document itself.
UNLISTED = {"GET /openapi.json"}
# OTLP's bodies are described by OpenTelemetry; a bundle and lines have no JSON to show.
SHOWN_AS_JSON = "application/json"


def find_faults(document: Schema) -> list[str]:
    """What is missing, or wrong in examples, one line each; empty where all is said."""
    routes = read_routes(document)
    return [
        *_missing(routes),
        *(fault for route in routes for fault in _of_route(document, route)),
        *_of_models(document),
    ]


def _missing(routes: list[Route]) -> Iterator[str]:
    names = {route.name for route in routes}
    for method, path, need in TABLE:
        name = f"{method} {path}"
        # Pages for people are no API; operators' routes need no key.
        is_api = path.startswith("/v1/") or (need is None and path in {"/livez", "/readyz", "/metrics"})
        if is_api and name not in names | UNLISTED:
            yield f"{name} is in service/api/scopes.py, and not in the document"


def _of_route(document: Schema, route: Route) -> Iterator[str]:
    if not route.summary:
        yield f"{route.name} has no summary: the first sentence of its docstring, with a full stop"
    for one in route.parameters:
        if not one.meaning:
            yield f"{route.name}: parameter {one.name} has no description"
    texts = [route.notes, *(one.meaning for one in route.parameters), route.body.meaning if route.body else ""]
    for text in texts:
        if has_markup(text):
            yield f"{route.name}: put what looks like a tag into backticks: {text}"
    names = [(one.name, one.place) for one in route.parameters]
    for name, place in sorted({one for one in names if names.count(one) > 1}):
        yield f"{route.name}: parameter {name} ({place}) is there twice"
    for answer in route.answers:
        has_no_model = answer.content.get(SHOWN_AS_JSON, {}).keys() - {"$ref"}
        if answer.status.startswith("2") and has_no_model and route.tag != "opentelemetry":
            yield f"{route.name}: {answer.status} has no model of its own"
        is_empty = any(not schema for media, schema in answer.content.items() if media != MEDIA_TYPE)
        if answer.status.startswith("2") and is_empty:
            yield f"{route.name}: nothing is said of what {answer.status} holds"
    if route.body is not None:
        yield from _of_body(document, route)


def _of_body(document: Schema, route: Route) -> Iterator[str]:
    assert route.body is not None
    schema = route.body.content.get(SHOWN_AS_JSON)
    if schema is None or schema == {"type": "object"}:
        return
    examples = route.body.examples[SHOWN_AS_JSON]
    if not examples:
        yield f"{route.name}: its body has no example"
    validator = jsonschema_rs.validator_for(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "components": document["components"]}
    )
    for example in examples:
        for error in validator.iter_errors(example):
            yield f"{route.name}: its example does not validate: {error.message}"


def _of_models(document: Schema) -> Iterator[str]:
    models: dict[str, Any] = document["components"]["schemas"]
    for name, model in models.items():
        if not model.get("description"):
            yield f"{name} has no docstring"
        for field, schema in model.get("properties", {}).items():
            if not (meaning := meaning_of(document, schema)):
                yield f"{name}: field {field} has no description"
            if has_markup(meaning):
                yield f"{name}: field {field}: put what looks like a tag into backticks: {meaning}"
