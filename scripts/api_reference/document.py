"""The parts of an OpenAPI document that the page shows, as typed records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
REFERENCE = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a route."""

    name: str
    place: str
    required: bool
    meaning: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a route by its status; `default` is for all others."""

    status: str
    meaning: str
    content: Mapping[str, Schema]


@dataclass(frozen=True, slots=True)
class Body:
    """The body that a route takes, by media type."""

    required: bool
    meaning: str
    content: Mapping[str, Schema]
    examples: Mapping[str, tuple[Any, ...]]
    """By media type."""


@dataclass(frozen=True, slots=True)
class Route:
    """A route."""

    method: str
    path: str
    tag: str
    summary: str
    notes: str
    scopes: tuple[str, ...]
    """Empty where no key is needed."""
    parameters: tuple[Parameter, ...]
    body: Body | None
    answers: tuple[Answer, ...]

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"


def read_routes(document: Schema) -> list[Route]:
    """All routes of the document, by tag and in its order."""
    order = [tag["name"] for tag in document["tags"]]
    routes = [
        _read_route(document, method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    return sorted(routes, key=lambda route: order.index(route.tag))


def resolve(document: Schema, schema: Schema) -> Schema:
    """The schema that a reference names; the schema itself where it is none."""
    name = reference_of(schema)
    found: Schema = document["components"]["schemas"][name] if name else schema
    return found


def reference_of(schema: Schema) -> str:
    """The name of the schema that this one refers to; empty where it does not."""
    return str(schema.get("$ref", "")).removeprefix(REFERENCE)


def references_in(node: object) -> Iterator[str]:
    """The names of all schemas that something refers to, in its order."""
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(REFERENCE)
        for value in node.values():
            yield from references_in(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from references_in(value)


def meaning_of(document: Schema, schema: Schema) -> str:
    """A field's description; else that of the schema it refers to, alone or beside null."""
    options = [schema, *schema.get("anyOf", [])]
    found = (str(one.get("description") or resolve(document, one).get("description", "")) for one in options)
    return next((text for text in found if text), "")


def _read_route(document: Schema, method: str, path: str, operation: Schema) -> Route:
    body = operation.get("requestBody")
    return Route(
        method,
        path,
        operation["tags"][0],
        operation.get("summary", ""),
        operation.get("description", ""),
        tuple(scope for need in operation.get("security", ()) for scopes in need.values() for scope in scopes),
        tuple(
            Parameter(
                one["name"], one["in"], one.get("required", False), one.get("description", ""), one.get("schema", {})
            )
            for one in operation.get("parameters", ())
        ),
        None if body is None else _read_body(document, body),
        tuple(_read_answer(document, status, one) for status, one in sorted(operation["responses"].items())),
    )


def _read_body(document: Schema, body: Schema) -> Body:
    content, examples = {}, {}
    for media, one in body["content"].items():
        content[media] = one["schema"]
        own = [example["value"] for example in one.get("examples", {}).values()]
        options = [one["schema"], *one["schema"].get("anyOf", [])]
        examples[media] = tuple(
            own or [value for each in options for value in resolve(document, each).get("examples", ())]
        )
    return Body(body.get("required", False), body.get("description", ""), content, examples)


def _read_answer(document: Schema, status: str, answer: Schema) -> Answer:
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    content = {media: one.get("schema", {}) for media, one in answer.get("content", {}).items()}
    return Answer(status, answer.get("description", ""), content)
