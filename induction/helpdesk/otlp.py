"""Raw format 2: OpenTelemetry spans of the GenAI semantic conventions, as OTLP/JSON.

One trace per run: a `chat` span for every message or set of calls of the agent, an `execute_tool` span for every call,
and at the end the root `invoke_agent` span, which like every span is exported when it is over. A chat span's input
holds only what is new since the one before. The customer's word after the agent's last message appears nowhere: no span
took it in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from random import Random
from typing import Any

from induction.helpdesk.chat import SYSTEM
from induction.helpdesk.trace import AgentSaid, CustomerSaid, HelpdeskRun, ToolCall

EPOCH_NS = 1_773_648_000_000_000_000
"""2026-03-16 08:00 UTC, when the first conversations start."""

MS = 1_000_000
MODEL = "desk-model-1"
CLIENT, INTERNAL = 3, 1
ERROR = 2

Span = dict[str, Any]
Json = list[dict[str, Any]]


class Tracer:
    """Records one run's spans on a simulated clock that depends on the run's id alone, never on how the run ends."""

    def __init__(self, run: HelpdeskRun) -> None:
        self._trace_id = sha256(run.run_id.encode()).hexdigest()[:32]
        self._conversation = run.run_id
        self._rng = Random(f"helpdesk-clock:{run.run_id}")
        self.now_ns = EPOCH_NS + self._rng.randrange(10 * 3600 * 1000) * MS
        self.start_ns = self.now_ns
        self.root_id = self._span_id(0)
        self.spans: list[Span] = []

    def wait(self, low_ms: int, high_ms: int) -> None:
        """Lets some time pass."""
        self.now_ns += self._rng.randrange(low_ms, high_ms) * MS

    def record(self, name: str, kind: int, start_ns: int, attributes: dict[str, str], *, root: bool = False) -> None:
        """Adds a span that ends now."""
        span: Span = {"traceId": self._trace_id, "spanId": self.root_id if root else self._span_id(len(self.spans) + 1)}
        if not root:
            span["parentSpanId"] = self.root_id
        span |= {"name": name, "kind": kind, "startTimeUnixNano": str(start_ns), "endTimeUnixNano": str(self.now_ns)}
        named = {"gen_ai.conversation.id": self._conversation, **attributes}
        span["attributes"] = [{"key": key, "value": {"stringValue": value}} for key, value in named.items()]
        span["status"] = {"code": ERROR} if "error.type" in attributes else {}
        self.spans.append(span)

    def _span_id(self, number: int) -> str:
        return sha256(f"{self._trace_id}:{number}".encode()).hexdigest()[:16]


def to_spans(run: HelpdeskRun) -> list[Span]:
    """The spans of the run in the order in which they end; the root is the last."""
    tracer = Tracer(run)
    news: Json = []
    for event in run.events:
        if isinstance(event, CustomerSaid):
            tracer.wait(4_000, 40_000)
            news.append({"role": "user", "parts": [{"type": "text", "content": event.text}]})
        elif isinstance(event, AgentSaid):
            _record_chat(tracer, news, [{"type": "text", "content": event.text}], "stop")
            news = []
        else:
            parts = [
                {"type": "tool_call", "id": call.call_id, "name": call.name, "arguments": call.args}
                for call in event.calls
            ]
            _record_chat(tracer, news, parts, "tool_call")
            news = [_record_call(tracer, call) for call in event.calls]
    tracer.wait(5, 50)
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "helpdesk",
        "gen_ai.agent.name": "help-desk",
        "gen_ai.request.model": MODEL,
    }
    tracer.record("invoke_agent help-desk", INTERNAL, tracer.start_ns, attributes, root=True)
    return tracer.spans


def to_export(spans: Iterable[Span]) -> dict[str, Any]:
    """One OTLP/JSON export request that carries the spans."""
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "help-desk"}}]}
    scope = {"name": "helpdesk.tracer", "version": "1.0.0"}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": list(spans)}]}]}


def _record_chat(tracer: Tracer, news: Json, parts: Json, finish: str) -> None:
    start_ns = tracer.now_ns
    tracer.wait(300, 3_000)
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "helpdesk",
        "gen_ai.request.model": MODEL,
    }
    if len(tracer.spans) == 0:
        attributes["gen_ai.system_instructions"] = json.dumps([{"type": "text", "content": SYSTEM}])
    attributes["gen_ai.input.messages"] = json.dumps(news)
    attributes["gen_ai.output.messages"] = json.dumps([{"role": "assistant", "parts": parts, "finish_reason": finish}])
    tracer.record(f"chat {MODEL}", CLIENT, start_ns, attributes)


def _record_call(tracer: Tracer, call: ToolCall) -> dict[str, Any]:
    """Records the tool's span and gives the message that tells the model of the result."""
    start_ns = tracer.now_ns
    tracer.wait(10, 400)
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": call.name,
        "gen_ai.tool.call.id": call.call_id,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.arguments": json.dumps(call.args),
        "gen_ai.tool.call.result": json.dumps(call.result),
    }
    if call.error:
        attributes["error.type"] = call.error
    tracer.record(f"execute_tool {call.name}", INTERNAL, start_ns, attributes)
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call.call_id, "response": call.result}]}
