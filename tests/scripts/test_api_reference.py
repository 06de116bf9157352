"""The API's page is made of the service's OpenAPI document, which leaves nothing unsaid."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from scripts.api_reference.application import read_document
from scripts.api_reference.faults import find_faults
from scripts.api_reference.page import PAGE, make_page
from scripts.api_reference.wording import to_words
from service.api import problems, refusals
from service.api.scopes import TABLE

COMMAND = "python -m scripts.api_reference"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncio.run(read_document())


@pytest.fixture
def worse(document: dict[str, Any]) -> dict[str, Any]:
    """A document to spoil."""
    return copy.deepcopy(document)


def test_the_page_is_what_the_generator_makes_now(document: dict[str, Any]) -> None:
    assert PAGE.read_text("utf-8") == make_page(document), f"docs/api.md is out of date: run {COMMAND}"


def test_the_document_leaves_nothing_unsaid(document: dict[str, Any]) -> None:
    assert find_faults(document) == []


def test_a_route_without_a_summary_is_a_fault(worse: dict[str, Any]) -> None:
    worse["paths"]["/v1/alerts"]["get"]["summary"] = ""
    assert [fault.partition(":")[0] for fault in find_faults(worse)] == ["GET /v1/alerts has no summary"]


def test_a_parameter_without_a_description_is_a_fault(worse: dict[str, Any]) -> None:
    del worse["paths"]["/v1/runs"]["get"]["parameters"][0]["description"]
    assert find_faults(worse) == ["GET /v1/runs: parameter limit has no description"]


def test_a_field_without_a_description_is_a_fault(worse: dict[str, Any]) -> None:
    del worse["components"]["schemas"]["RunView"]["properties"]["turn"]["description"]
    assert find_faults(worse) == ["RunView: field turn has no description"]


def test_a_route_that_the_document_does_not_have_is_a_fault(worse: dict[str, Any]) -> None:
    del worse["paths"]["/v1/quality"]
    assert find_faults(worse) == ["GET /v1/quality is in service/api/scopes.py, and not in the document"]


def test_an_example_that_the_service_would_not_take_is_a_fault(worse: dict[str, Any]) -> None:
    worse["components"]["schemas"]["NewKey"]["examples"] = [{"kind": "master"}]
    assert {fault.partition(": ")[0] for fault in find_faults(worse)} == {
        "POST /v1/keys",
        "POST /v1/projects/{project}/keys",
    }


def test_bounds_and_alternatives_are_told_in_words() -> None:
    assert to_words({"type": "integer", "minimum": 1, "maximum": 10_000}) == "integer (1 – 10,000)"
    assert to_words({"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]}) == (
        "text (at most 9 characters) or null"
    )
    assert (
        to_words({"type": "array", "items": {"$ref": "#/components/schemas/RunView"}}) == "list of [RunView](#runview)"
    )


def test_every_route_says_its_problems_and_every_problem_is_some_routes(document: dict[str, Any]) -> None:
    rows = {(method, path): names.split() for method, path, names in refusals.TABLE}
    assert len(rows) == len(refusals.TABLE)
    routes = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    # OTLP has errors of its own form.
    assert routes - rows.keys() == {("POST", "/v1/traces"), ("POST", "/v1/logs")}
    assert rows.keys() <= routes
    named = {name for names in rows.values() for name in names} | set(refusals.EVERYWHERE)
    # Of the web page's forms.
    assert {name for _, _, name, _ in problems.TABLE} - named == {"refused"}


def test_the_document_says_which_scope_a_route_needs(document: dict[str, Any]) -> None:
    said = {
        (method.upper(), path): [scope for need in operation["security"] for scope in need["key"]]
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert said == {(method, path): [need] if need else [] for method, path, need in TABLE if (method, path) in said}
