"""The names by which agents' spans and events say what they are: OpenTelemetry's GenAI conventions, current and older,
OpenInference's and OpenLLMetry's."""

from __future__ import annotations

from typing import Any

from monitors.stepview import JsonValue

TRACE_ID = "trace_id"
"""In the setting FOREWARN_OTLP_RUN_ID: the trace itself; every other word there is an attribute's name."""
AGENT = "gen_ai.agent.name"
SERVICE = "service.name"
_UNKNOWN_SERVICE = "unknown_service"
_TOLD = ("gen_ai.", "llm.", "openinference.", "traceloop.")
LONGEST_NAME = 200


def is_about_agents(step: dict[str, Any]) -> bool:
    """True if a flat span carries an attribute or an event of one of the conventions."""
    if any(name.startswith(_TOLD) for name in attributes_of(step)):
        return True
    events = step.get("events", ())
    return any(str(event.get("name", "")).startswith(_TOLD) for event in events if isinstance(event, dict))


def find_agent(step: dict[str, Any]) -> str:
    """The agent's name that a flat span or record tells; "" where it tells none."""
    return _to_name(find_attribute(step, AGENT))


def find_service(step: dict[str, Any]) -> str:
    """The service's name, which stands for the agent where no span names one; "" for none."""
    name = _to_name(resource_of(step).get(SERVICE))
    return "" if name.startswith(_UNKNOWN_SERVICE) else name


def _to_name(value: JsonValue) -> str:
    return value[:LONGEST_NAME] if isinstance(value, str) else ""


def attributes_of(step: dict[str, Any]) -> dict[str, JsonValue]:
    """A flat span's or record's own attributes."""
    attributes = step.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def resource_of(step: dict[str, Any]) -> dict[str, JsonValue]:
    """Its resource's attributes."""
    resource = step.get("resource")
    return resource if isinstance(resource, dict) else {}


def find_attribute(step: dict[str, Any], name: str) -> JsonValue:
    """An attribute of a flat span or record, else of its resource."""
    value = attributes_of(step).get(name)
    return resource_of(step).get(name) if value is None else value
