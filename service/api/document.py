"""/openapi.json as callers read it: what the framework makes of the routes, with the key and scope that each needs, the
problems that each answers with, and a first sentence in place of a function's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from service.api.problems import MEDIA_TYPE, OTHERS, ProblemRow
from service.api.problems import TABLE as ERRORS
from service.api.refusals import EVERYWHERE
from service.api.refusals import TABLE as REFUSALS
from service.api.scopes import OPEN, needed_scope

TYPE = "urn:forewarn:problem:"
TAGS = {
    "runs": "Sending steps, saying how a run went, and reading runs back.",
    "live": "Server-sent events: what is happening now.",
    "alerts": "Episodes that opened, and taking note of them.",
    "webhooks": "Where alerts are posted, and what became of each.",
    "monitors": "Which monitors there are, and which one scores.",
    "quality": "How often monitors are right, and whether they keep their promise.",
    "privacy": "What is kept, and deleting it.",
    "opentelemetry": "OTLP/HTTP: spans and events in, as exporters send them.",
    "keys": "API keys of a project.",
    "projects": "Settings of a project; making and deleting projects.",
    "audit": "What was done with the rights of an admin.",
    "operations": "Alive, ready, metrics. None needs a key.",
}
_SENTENCE = re.compile(r"(.+?\.)(?:\s+|$)(.*)", re.DOTALL)
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key with the scope that is listed. On loopback, while there is no key, none is needed.",
}


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="`urn:forewarn:problem:` and the problem's name. It stays; texts may change.")
    title: str = Field(description="What this type of problem is, in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong here, and what to do.")
    errors: list[dict[str, str]] | None = Field(
        None, description="What is wrong where: a JSON pointer into the body, or a parameter."
    )
    rejected: list[dict[str, Any]] | None = Field(
        None, description="Of a request with several steps of which none was taken: each with its reason."
    )


class DocumentedApp(FastAPI):
    """An application whose document says all of that."""

    problem_rows: Sequence[ProblemRow] = ()
    """Rows for errors that single routers bring along."""

    def openapi(self) -> dict[str, Any]:
        """The document; made once."""
        if not self.openapi_schema:
            complete(super().openapi(), self.problem_rows)
        assert self.openapi_schema is not None
        return self.openapi_schema


def known_problems(narrower: Sequence[ProblemRow]) -> dict[str, tuple[int, str]]:
    """Every problem by its name: status and title."""
    rows = [(status, name, title) for _, status, name, title in (*narrower, *ERRORS)]
    return {name: (status, title) for status, name, title in (*rows, *OTHERS)}


def complete(document: dict[str, Any], narrower: Sequence[ProblemRow]) -> None:
    """Add to the framework's document, in place. Raises KeyError for a problem that nobody knows."""
    problems = known_problems(narrower)
    refusals = {(method, path): names.split() for method, path, names in REFUSALS}
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    components = document["components"]
    components["securitySchemes"] = {"key": _KEY}
    components["schemas"]["Problem"] = Problem.model_json_schema()
    document["x-problems"] = [
        {"name": name, "status": status, "title": title, "everywhere": name in EVERYWHERE}
        for name, (status, title) in sorted(problems.items(), key=lambda one: one[1][0])
        if name in EVERYWHERE or any(name in names for names in refusals.values())
    ]
    components["responses"] = {"Refused": _refused(sorted(EVERYWHERE), "A problem that any route may answer with")}
    for path, item in document["paths"].items():
        for raw_method, operation in item.items():
            method = raw_method.upper()
            _split_sentence(operation)
            need = needed_scope(method, path)
            operation["security"] = [] if need is OPEN else [{"key": [need]}]
            if (method, path) in refusals:
                _add_refusals(operation["responses"], refusals[method, path], problems)


def _split_sentence(operation: dict[str, Any]) -> None:
    text = " ".join(operation.pop("description", "").split())
    found = _SENTENCE.match(text)
    # Without one, a person must write it: the function's name says nothing (scripts/api_reference).
    operation["summary"], rest = (found[1].removesuffix("."), found[2]) if found else ("", text)
    if rest:
        operation["description"] = rest


def _add_refusals(responses: dict[str, Any], names: Sequence[str], problems: dict[str, tuple[int, str]]) -> None:
    by_status: dict[int, list[str]] = {}
    for name in names:
        by_status.setdefault(problems[name][0], []).append(name)
    for status, own in sorted(by_status.items()):
        too = [name for name in EVERYWHERE if problems[name][0] == status and name not in own]
        text = " · ".join(f"`{name}`: {problems[name][1]}" for name in own)
        responses[str(status)] = _refused([*own, *too], text)
    responses["default"] = {"$ref": "#/components/responses/Refused"}


def _refused(names: Sequence[str], text: str) -> dict[str, Any]:
    types = {"type": "string", "enum": [TYPE + name for name in names]}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": {"type": types}}]}
    return {"description": text, "content": {MEDIA_TYPE: {"schema": schema}}}
