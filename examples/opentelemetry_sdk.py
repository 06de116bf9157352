"""Shows: an agent traced with the OpenTelemetry SDK. Its spans are the steps; then the run's risk is read back.

    pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http
    python examples/opentelemetry_sdk.py

Serve a monitor that was induced and trained from exported spans for scores that mean something: docs/opentelemetry.md.
Reads FOREWARN_URL (http://127.0.0.1:8080) and, where the service has keys, FOREWARN_API_KEY (ingest and read).
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from typing import Any

import httpx
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

URL = os.environ.get("FOREWARN_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("FOREWARN_API_KEY")
HEADERS = {"authorization": f"Bearer {KEY}"} if KEY else {}
TOOLS = ("find_user", "get_order", "get_order", "cancel_order")


def main() -> None:
    """Trace a run and ask how it stands."""
    require_service()
    run_id = f"otel-{uuid.uuid4().hex[:8]}"
    provider = TracerProvider(resource=Resource({"service.name": "desk"}))
    exporter = OTLPSpanExporter(endpoint=f"{URL}/v1/traces", headers=HEADERS)
    # Half a second, not the SDK's five: a warning can be no earlier than the span.
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    spans = trace_agent(provider, run_id)
    provider.shutdown()
    print(f"{spans} spans exported as run {run_id}")
    run = read_run(run_id, spans)
    for score in run["scores"]:
        print(f"step {score['position']}: risk {score['risk']:.2f}, P(fails) {score['failure_probability']:.2f}")
    print(f"{run['scored']} of {spans} spans scored; the run is {run['state']}, alerts: {run['alerts']}")
    if run["unknown"]:
        print(f"{run['unknown']} spans are of no kind that this monitor has learned: train one from exported spans")


def trace_agent(provider: TracerProvider, run_id: str) -> int:
    """A scripted agent with the attributes of the GenAI conventions; how many spans it made."""
    tracer = provider.get_tracer("desk")
    # On every span: it names the run. Without it the trace id would.
    run = {"gen_ai.conversation.id": run_id}
    with tracer.start_as_current_span("invoke_agent desk", attributes={**run, "gen_ai.agent.name": "desk"}):
        for tool in TOOLS:
            said = [{"role": "assistant", "parts": [{"type": "tool_call", "name": tool, "arguments": {"id": "W-17"}}]}]
            chat = {**run, "gen_ai.operation.name": "chat", "gen_ai.output.messages": json.dumps(said)}
            with tracer.start_as_current_span("chat desk-model", attributes=chat):
                pass
            call = {**run, "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
            with tracer.start_as_current_span(f"execute_tool {tool}", attributes=call) as span:
                span.set_attribute("gen_ai.tool.call.result", '{"error": "no such order"}')
    return 1 + 2 * len(TOOLS)


def read_run(run_id: str, spans: int) -> dict[str, Any]:
    """The run, once all its spans are scored: a second or two, while late ones are waited for."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        answer = httpx.get(f"{URL}/v1/runs/{run_id}", headers=HEADERS)
        if answer.status_code == 200 and answer.json()["scored"] >= spans:
            return dict(answer.json())
        if answer.status_code not in {200, 404}:
            sys.exit(f"the run cannot be read: {answer.text}")
        time.sleep(0.1)
    sys.exit(f"not all spans of {run_id} were scored in 20 s; `forewarn runs` and the service's log say more")


def require_service() -> None:
    """Begin only where a service is ready."""
    try:
        httpx.get(f"{URL}/readyz").raise_for_status()
    except httpx.HTTPError as error:
        start = "start one with `forewarn serve --bundle my-bundle`, or name it: FOREWARN_URL=http://host:port"
        sys.exit(f"no forewarn service is ready at {URL} ({error}): {start}")


if __name__ == "__main__":
    main()
