"""What the two examples with an instrumentation share: export the spans to forewarn, then read the run's risk back."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from openinference.instrumentation import using_session
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

URL = os.environ.get("FOREWARN_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("FOREWARN_API_KEY")
HEADERS = {"authorization": f"Bearer {KEY}"} if KEY else {}


class CountingExporter(OTLPSpanExporter):
    """The exporter, and how many spans it was given."""

    spans = 0

    def export(self, spans: Any) -> Any:
        """Count and export."""
        self.spans += len(list[ReadableSpan](spans))
        return super().export(spans)


@contextmanager
def traced_run(agent: str, instrumentor: Any) -> Iterator[None]:
    """What the agent does in the `with` block is one run; at its end its risk is printed."""
    try:
        httpx.get(f"{URL}/readyz").raise_for_status()
    except httpx.HTTPError as error:
        start = "start one with `forewarn serve --bundle my-bundle`, or name it: FOREWARN_URL=http://host:port"
        sys.exit(f"no forewarn service is ready at {URL} ({error}): {start}")
    exporter = CountingExporter(endpoint=f"{URL}/v1/traces", headers=HEADERS)
    provider = TracerProvider(resource=Resource({"service.name": agent}))
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    instrumentor.instrument(tracer_provider=provider)
    run_id = f"{agent}-{uuid.uuid4().hex[:8]}"
    with using_session(run_id):  # puts session.id on every span: it names the run
        yield
    provider.shutdown()
    print_risk(run_id, exporter.spans)


def print_risk(run_id: str, spans: int) -> None:
    """Print the run's scores, once all its spans are scored."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        answer = httpx.get(f"{URL}/v1/runs/{run_id}", headers=HEADERS)
        if answer.status_code == 200 and answer.json()["scored"] >= spans:
            run = answer.json()
            print(f"run {run_id}: {run['scored']} of {spans} spans scored, P(fails) {run['failure_probability']:.2f}")
            if run["unknown"]:
                print(f"{run['unknown']} spans are of no kind that this monitor has learned: train one from such spans")
            return
        time.sleep(0.1)
    sys.exit(f"not all {spans} spans of run {run_id} were scored in 20 s; the service's log says why")
