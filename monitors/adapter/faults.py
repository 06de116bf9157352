"""What may be wrong with a spec beyond the shape of its parts: found in the raw document, so that one fault hides no
other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monitors.adapter.template import parse_template
from monitors.errors import Fault
from monitors.stepview import JsonValue

FIELD_NAMES = ("metadata", "observation", "action", "tool", "args", "result", "status")


def find_faults(raw_spec: JsonValue) -> list[Fault]:
    """Return the faults that concern several values at once, each with its path. Parts of a wrong shape are passed
    over: their own faults say so.
    """
    event = _object(_object(raw_spec).get("event"))
    faults = list(_find_in_event(event))
    for path, fields in _field_groups(event):
        for name in FIELD_NAMES:
            selectors = fields.get(name)
            for number, selector in enumerate(selectors if isinstance(selectors, list) else ()):
                problem = find_selector_problem(_object(selector).get("template"), _object(selector).get("take"))
                if problem:
                    faults.append(Fault(f"{path}.{name}.{number}", problem))
    return faults


def find_selector_problem(template: Any, take: Any) -> str:
    """Return why a template and what is taken from it do not go together, or ""."""
    if (template is None) != (take is None):
        return "template and take belong together"
    if not isinstance(template, str) or not isinstance(take, str):
        return ""
    try:
        _, parts = parse_template(template)
    except ValueError:
        return ""
    return "" if take in parts else f"template {template!r} has no part {{{take}}}"


def find_blocks_problem(unit: Any, blocks: Any) -> str:
    """Return what a text run's blocks lack, or ""."""
    return "blocks must be given for unit 'text'" if unit == "text" and blocks is None else ""


def _find_in_event(event: dict[str, Any]) -> Iterator[Fault]:
    problem = find_blocks_problem(event.get("unit"), event.get("blocks"))
    if problem:
        yield Fault("event", problem)
    blocks = _object(event.get("blocks"))
    opens = blocks.get("opens")
    if not isinstance(opens, list):
        return
    for name in ("leads", "then"):
        for literal in _object(blocks.get(name)):
            if literal not in opens:
                yield Fault(f"event.blocks.{name}.{literal}", "opens has no such literal, so this would never apply")


def _field_groups(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    cases = event.get("cases")
    for number, case in enumerate(cases if isinstance(cases, list) else ()):
        yield f"event.cases.{number}.fields", _object(_object(case).get("fields"))
    yield "event.otherwise", _object(event.get("otherwise"))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
