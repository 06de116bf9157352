"""Raw steps of the common shapes in any size, each with an adapter that reads all of it: for tests of cost and of
totality.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from monitors.adapter import Adapter, compile_adapter, parse_spec

STATUS = {
    "error_if": {"/error": [True], "/errors": [], "/is_error": [True]},
    "error_text": ["error:", "traceback (most recent call last)", "exception:"],
    "ok_if_result": True,
}
WIDE = {"max_text_chars": 200_000, "max_items": 4_000, "max_values": 20_000}
"""Limits that cut nothing of 128 KB, so that the cost of all of it is seen."""


def prose(size: int) -> str:
    """Return `size` characters of ordinary text with line breaks."""
    line = "The agent looked at booking 4711 and found two flights to Oslo on Friday.\n"
    return (line * (size // len(line) + 1))[:size]


def values(size: int) -> dict[str, Any]:
    """Return an object of small values that is about `size` bytes of JSON."""
    item = {"flight": "HAT028", "origin": "MCO", "price": 1859, "seats": [1, 2], "open": True}
    return {f"item{number}": item for number in range(max(1, size // 92))}


def chat(size: int) -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"to": "Oslo"}'}}
    return {"role": "assistant", "content": prose(size), "tool_calls": [call], "timestamp": "2026-01-01T00:00:00"}


def reply(size: int) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "c1", "name": "find", "content": prose(size)}


def arguments(size: int) -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": orjson.dumps(values(size))}}
    call["function"]["arguments"] = orjson.dumps(values(size)).decode()  # type: ignore[index]
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def blocks(size: int) -> dict[str, Any]:
    """Return a message whose list of typed parts grows with its size: about half a KB a part."""
    kinds: list[Callable[[int], dict[str, Any]]] = [
        lambda n: {"type": "thinking", "thinking": prose(400)},
        lambda n: {"type": "text", "text": prose(400)},
        lambda n: {"type": "tool_use", "id": f"t{n}", "name": "find", "input": {"to": "Oslo", "note": prose(300)}},
        lambda n: {"type": "tool_result", "tool_use_id": f"t{n}", "content": [{"type": "text", "text": prose(300)}]},
    ]
    return {"role": "assistant", "content": [kinds[n % 4](n) for n in range(max(1, size // 480))]}


def log(size: int) -> str:
    """Return a text block of many short lines."""
    return f"Thought: I should look.\nAction: find[Oslo, Friday]\nObservation: {prose(size)}"


def lines(size: int) -> str:
    """Return a text block of very short lines."""
    return "Action: find[Oslo]\nObservation: " + "ok then\n" * (size // 8)


def span(size: int) -> dict[str, Any]:
    attributes: dict[str, Any] = {f"app.key.{number}": "a value" for number in range(size // 80)}
    said = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find", "input.value": '{"to": "Oslo"}'}
    return {
        "traceId": "5b8aa5a2d2c872e8321cf37308d69df2",
        "spanId": "051581bf3cb55c13",
        "name": "execute_tool find",
        "attributes": {**attributes, **said, "output.value": prose(size // 2)},
    }


def decoded(size: int) -> dict[str, Any]:
    """Return a step whose payload is JSON inside a string."""
    return {"event": "call", "payload": orjson.dumps({"tool": "find", "args": values(size), "said": "ok"}).decode()}


def wide(size: int) -> dict[str, Any]:
    """Return a step whose result is an object of small values."""
    return {"role": "tool", "content": values(size)}


def _field(path: str, **more: Any) -> list[dict[str, Any]]:
    return [{"path": path, **more}]


def _case(when: dict[str, list[Any]], acts: bool, **fields: Any) -> dict[str, Any]:
    return {"when": when, "acts": acts, "fields": fields}


_CHAT_CASES = [
    _case(
        {"/role": ["assistant"]},
        True,
        action=_field("/content", only="text"),
        tool=_field("/tool_calls/*/function/name"),
        args=_field("/tool_calls/*/function/arguments", decode="json"),
        metadata=_field("/tool_calls/0/id"),
    ),
    _case({"/role": ["tool"]}, False, result=_field("/content"), metadata=_field("/tool_call_id")),
    _case({"/role": ["user", "system"]}, False, observation=_field("/content")),
]
_BLOCK_CASES = [
    _case(
        {"/role": ["assistant"]},
        True,
        action=[
            *_field("/content/*/thinking", where={"/type": ["thinking"]}),
            *_field("/content/*/text", where={"/type": ["text"]}),
        ],
        tool=_field("/content/*/name", where={"/type": ["tool_use"]}),
        args=_field("/content/*/input", where={"/type": ["tool_use"]}),
        result=_field("/content/*/content/*/text"),
    )
]
_LOG_CASES = [
    _case(
        {"/Action": []},
        True,
        action=[*_field("/Thought"), *_field("/Action")],
        tool=_field("/Action", template="{name}[{args}]", take="name"),
        args=_field("/Action", template="{name}[{args}]", take="args"),
        result=_field("/Observation"),
    )
]
_SPAN_CASES = [
    _case(
        {"/attributes/gen_ai.operation.name": ["execute_tool"]},
        True,
        tool=_field("/attributes/gen_ai.tool.name"),
        args=_field("/attributes/input.value", decode="json"),
        result=_field("/attributes/output.value", decode="json"),
        metadata=[*_field("/traceId"), *_field("/spanId")],
    )
]
_DECODED_CASES = [
    _case(
        {"/event": ["call"]},
        True,
        tool=_field("/payload/tool"),
        args=_field("/payload/args"),
        action=_field("/payload/said"),
    )
]


def adapter(event: dict[str, Any], limits: dict[str, int] | None = None) -> Adapter:
    """Return the adapter of an event's description, with the usual signs of status."""
    spec: dict[str, Any] = {"name": "shape", "event": event, "status": STATUS}
    return compile_adapter(parse_spec({**spec, "limits": limits} if limits is not None else spec))


EVENTS: dict[str, dict[str, Any]] = {
    "chat": {"cases": _CHAT_CASES},
    "blocks": {"cases": _BLOCK_CASES},
    "log": {
        "unit": "text",
        "blocks": {"opens": ["Thought:", "Action:", "Observation:"], "whole": "whole text"},
        "cases": _LOG_CASES,
        "otherwise": {"observation": [{"path": "/whole text"}]},
    },
    "span": {"cases": _SPAN_CASES},
    "decoded": {"decode": ["/payload"], "cases": _DECODED_CASES},
}
SHAPES: dict[str, tuple[str, Callable[[int], Any]]] = {
    "chat": ("chat", chat),
    "reply": ("chat", reply),
    "arguments as text": ("chat", arguments),
    "wide result": ("chat", wide),
    "typed parts": ("blocks", blocks),
    "text log": ("log", log),
    "short lines": ("log", lines),
    "span": ("span", span),
    "JSON in a string": ("decoded", decoded),
}
"""Each shape: the event that reads it, and how to make one of a size in bytes."""
