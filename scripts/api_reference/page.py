"""The page: an index by tag, each route, and the shapes of what goes in and out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scripts.api_reference.document import (
    Answer,
    Body,
    Parameter,
    Route,
    Schema,
    meaning_of,
    read_routes,
    reference_of,
    references_in,
    resolve,
)
from scripts.api_reference.wording import default_of, link_to, slug, to_cell, to_words
from service.api.document import TYPE
from service.api.problems import MEDIA_TYPE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
INTRODUCTION = Path(__file__).with_name("introduction.md")
# A shape has the name Privacy.
TITLES = {"opentelemetry": "OpenTelemetry", "privacy": "Privacy and deletion"}
# A shape of so many fields is not repeated inside another.
WORTH = 4
NAMES = re.compile(r"`([a-z-]+)`:")
ERRORS = """An error is a {problem} (RFC 9457, `{media}`), whose `type` is `{type}` and a name of this list.
Each route lists its own; those marked *any* may come from every one. With 429 and 503 comes `Retry-After`, in seconds.
"""


def make_page(document: Schema) -> str:
    """The whole page. Raises ValueError where two headings would have one anchor."""
    routes = read_routes(document)
    parts = [INTRODUCTION.read_text("utf-8"), *_index(document, routes), *_errors(document)]
    parts += ["## Names in paths\n", _parameters(_names_in_paths(routes))]
    for tag in document["tags"]:
        parts += [f"## {_title(tag['name'])}\n", f"{tag['description']}\n"]
        for route in (one for one in routes if one.tag == tag["name"]):
            parts += _route(document, route)
    parts += _shapes(document, routes)
    page = "\n".join(parts)
    _check_anchors(page)
    return page.rstrip("\n") + "\n"


def _title(tag: str) -> str:
    return TITLES.get(tag, tag.capitalize())


def _index(document: Schema, routes: list[Route]) -> Iterator[str]:
    rows = ["| route | | scope |", "|---|---|---|"]
    for tag in document["tags"]:
        rows.append(f"| **[{_title(tag['name'])}](#{slug(_title(tag['name']))})** | | |")
        rows += [
            f"| [`{one.name}`](#{slug(one.name)}) | {to_cell(one.summary)} | {_scopes(one)} |"
            for one in routes
            if one.tag == tag["name"]
        ]
    yield "\n".join(rows) + "\n"


def _scopes(route: Route) -> str:
    return ", ".join(f"`{scope}`" for scope in route.scopes) or "none"


def _errors(document: Schema) -> Iterator[str]:
    yield "## Errors\n"
    yield ERRORS.format(problem=link_to("Problem"), media=MEDIA_TYPE, type=TYPE)
    rows = ["| status | type | | |", "|---|---|---|---|"]
    rows += [
        f"| {one['status']} | `{one['name']}` | {to_cell(one['title'])} | {'*any*' if one['everywhere'] else ''} |"
        for one in document["x-problems"]
    ]
    yield "\n".join(rows) + "\n"


def _route(document: Schema, route: Route) -> Iterator[str]:
    yield f"### `{route.name}`\n"
    needed = f"Needs the scope {_scopes(route)}." if route.scopes else "Needs no key."
    yield " ".join([f"{route.summary}.", *([route.notes] if route.notes else []), needed]) + "\n"
    if own := [one for one in route.parameters if one.place != "path"]:
        yield _parameters(own)
    if route.body is not None:
        yield from _body(document, route.body)
    yield _answers(route) + "\n"


def _parameters(parameters: Iterable[Parameter]) -> str:
    rows = ["| name | in | type | |", "|---|---|---|---|"]
    for one in parameters:
        words, default = to_words(one.schema, null=False), default_of(one.schema)
        kind = f"{words}; default {default}" if default else words
        rows.append(f"| {_name(one.name, one.required)} | {one.place} | {to_cell(kind)} | {to_cell(one.meaning)} |")
    return "\n".join(rows) + "\n"


def _names_in_paths(routes: Iterable[Route]) -> list[Parameter]:
    """Parameters of paths, each of one meaning wherever it stands. Raises ValueError for one of several."""
    found: dict[str, Parameter] = {}
    for one in (one for route in routes for one in route.parameters if one.place == "path"):
        known = found.setdefault(one.name, one)
        if (known.meaning, known.schema.get("type")) != (one.meaning, one.schema.get("type")):
            raise ValueError(f"{one.name} in paths means {known.meaning!r} here, {one.meaning!r} there")
    return list(found.values())


def _name(name: str, required: bool) -> str:
    return f"**`{name}`**" if required else f"`{name}`"


def _body(document: Schema, body: Body) -> Iterator[str]:
    told = " (may be left out)" if not body.required else ""
    kinds = " or ".join(f"`{media}`" for media in body.content)
    yield f"**Body**{told} {kinds}" + (f": {body.meaning}" if body.meaning else "") + "\n"
    for media, schema in body.content.items():
        models = [resolve(document, one) for one in (schema, *schema.get("anyOf", []))]
        if model := next((one for one in models if one.get("properties")), None):
            yield _fields(document, model)
        for example in body.examples[media]:
            text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
            yield f"```{'json' if media.endswith('/json') else 'text'}\n{text}\n```\n"


def _fields(document: Schema, model: Schema) -> str:
    rows = ["| field | type | |", "|---|---|---|"]
    for name, schema in model["properties"].items():
        required = name in model.get("required", ())
        default = default_of(schema)
        kind = f"{to_words(schema)}; default {default}" if default else to_words(schema)
        rows.append(f"| {_name(name, required)} | {to_cell(kind)} | {to_cell(meaning_of(document, schema))} |")
    return "\n".join(rows) + "\n"


def _answers(route: Route) -> str:
    told, errors = [], []
    for one in route.answers:
        if MEDIA_TYPE not in one.content:
            told.append(_answer(one))
        elif one.status != "default":
            errors.append(f"{one.status} {', '.join(f'`{name}`' for name in NAMES.findall(one.meaning))}")
    return f"**Answers** {' · '.join(told)}" + (f"\n\n**Errors** {' · '.join(errors)}" if errors else "")


def _answer(answer: Answer) -> str:
    holds = [to_words(schema) for schema in answer.content.values() if reference_of(schema)]
    kinds = [f"`{media}`" for media, schema in answer.content.items() if not reference_of(schema)]
    meaning = "" if answer.meaning == "Successful Response" else answer.meaning
    status = "others" if answer.status == "default" else answer.status
    return f"{status} {': '.join([*holds, *([' or '.join(kinds)] if kinds else []), *([meaning] if meaning else [])])}"


def _shapes(document: Schema, routes: Iterable[Route]) -> Iterator[str]:
    yield "## Shapes\n"
    models: dict[str, Any] = document["components"]["schemas"]
    for name in _shown(document, routes):
        model = models[name]
        yield f"### {name}\n"
        yield f"{to_cell(model['description'])}\n"
        whole = _whole(models, name)
        own = {field: one for field, one in model.get("properties", {}).items() if not whole or field not in whole[1]}
        if whole:
            yield f"All of {link_to(whole[0])}, and:\n"
        if own:
            yield _fields(document, {**model, "properties": own})


def _shown(document: Schema, routes: Iterable[Route]) -> list[str]:
    """The shapes that routes speak of, and those that these speak of: each once, in the order in which they come."""
    models = document["components"]["schemas"]
    wanted = ["Problem"]
    for route in routes:
        # The body's own fields stand at the route.
        for schema in route.body.content.values() if route.body else ():
            wanted += [name for one in references_in(schema) for name in references_in(models[one])]
        wanted += references_in([answer.content for answer in route.answers])
    found: dict[str, None] = {}
    while wanted:
        name = wanted.pop(0)
        if name not in found:
            found[name] = None
            wanted[:0] = references_in(models[name])
    return list(found)


def _whole(models: Schema, name: str) -> tuple[str, Schema] | None:
    """The largest shape of which this one has every field, and its fields."""
    own = models[name].get("properties", {})
    parts = {other: model["properties"] for other, model in models.items() if other != name and "properties" in model}
    inside = [
        (other, part) for other, part in parts.items() if WORTH <= len(part) < len(own) and part.items() <= own.items()
    ]
    return max(inside, key=lambda one: len(one[1]), default=None)


def _check_anchors(page: str) -> None:
    headings = [line.lstrip("#").strip() for line in page.splitlines() if line.startswith("#")]
    anchors = [slug(heading) for heading in headings]
    if twice := sorted({anchor for anchor in anchors if anchors.count(anchor) > 1}):
        raise ValueError(f"headings with one anchor: {', '.join(twice)}")
