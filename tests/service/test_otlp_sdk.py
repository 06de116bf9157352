"""The real OpenTelemetry SDK and recorded exports of real instrumentations against the service as it is started."""

from __future__ import annotations

import contextlib
import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter as JsonExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ProtobufExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from monitors import Monitor
from monitors.adapter.spans import flatten_spans
from tests.service.live import Service, running
from tests.service.otlp_exports import to_body
from tests.tiny_bundle import shared_tiny_bundle

pytestmark = pytest.mark.slow

RECORDED = Path(__file__).with_name("recorded")
Build = Callable[[str], SpanExporter]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp()).path


@pytest.fixture(scope="module")
def service(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {"FOREWARN_SPAN_WAIT_MS": "500", "FOREWARN_ARCHIVE_DIR": "none"}
    folder = tmp_path_factory.mktemp("otlp")
    with running(folder, "--bundle", str(bundle), environment=environment) as one:
        one.until_ready()
        yield one


def address(service: Service) -> str:
    return f"{str(service.http.base_url).rstrip('/')}/v1/traces"


EXPORTERS: dict[str, Build] = {
    "protobuf": lambda url: ProtobufExporter(endpoint=url),
    "protobuf-gzip": lambda url: ProtobufExporter(endpoint=url, compression=Compression.Gzip),
    "json": lambda url: JsonExporter(endpoint=url),
}


@pytest.mark.parametrize("name", EXPORTERS)
def test_every_span_of_the_sdk_is_stored_ordered_and_scored_once(service: Service, bundle: Path, name: str) -> None:
    sent: list[Any] = []
    # Two processes of one agent: each exports by itself, in small batches.
    providers = [TracerProvider(resource=Resource({"service.name": "desk"})) for _ in range(2)]
    for provider in providers:
        provider.add_span_processor(batching(EXPORTERS[name](address(service))))
    tracers = [provider.get_tracer("t") for provider in providers]
    run_id = f"talk-{name}"
    with tracers[0].start_as_current_span("agent", attributes={"gen_ai.conversation.id": run_id}) as root:
        for number in range(20):
            attributes = {"gen_ai.conversation.id": run_id, "gen_ai.operation.name": "chat", "n": number}
            with tracers[number % 2].start_as_current_span(f"chat {number}", attributes=attributes) as span:
                pass
            sent.append(span)
    sent.append(root)
    for provider in providers:
        assert provider.force_flush()
        provider.shutdown()
    run = service.until_scored(run_id, 21)
    assert run["scored"] == 21
    flat = [flat_of(span) for span in sorted(sent, key=lambda span: span.end_time)]
    assert [score["score"] for score in run["scores"]] == pytest.approx(offline(bundle, flat), abs=1e-5)


def batching(exporter: SpanExporter) -> BatchSpanProcessor:
    return BatchSpanProcessor(exporter, schedule_delay_millis=50, max_export_batch_size=3)


def flat_of(span: Any) -> dict[str, Any]:
    """A span of the SDK as an exported file has it, by the SDK's own encoder."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    from service.otlp.wire import SPANS, read_items

    ((item, group),) = read_items(encode_spans([span]).SerializeToString(), "protobuf", SPANS)
    (flat,) = flatten_spans({"resourceSpans": [{**group, "scopeSpans": [{"spans": [item]}]}]})
    return flat


def offline(bundle: Path, steps: list[dict[str, Any]]) -> list[float]:
    session = Monitor.read(bundle).session()
    return [session.step(step).score for step in steps]


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.jsonl.gz")), ids=lambda path: path.name.split(".")[0])
@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_recorded_exports_of_instrumentations_are_stored_and_scored_once(
    service: Service, path: Path, encoding: str
) -> None:
    exports = [orjson.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    # Each encoding has traces of its own, or the second would only repeat the first.
    exports = [with_traces(one, encoding[0].encode().hex()) for one in exports]
    wanted: dict[str, int] = {}
    for step in flatten_spans(exports):
        wanted[step["traceId"]] = wanted.get(step["traceId"], 0) + 1
    # Sent twice, as an exporter does that has not heard the answer.
    for export in [*exports, *exports[:20]]:
        body, headers = to_body(export, encoding)
        signal = "traces" if "resourceSpans" in export else "logs"
        answer = service.http.post(f"/v1/{signal}", content=body, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"{}" if encoding == "json" else b"")
    for trace_id, count in wanted.items():
        assert service.until_scored(trace_id, count)["scored"] == count


def with_traces(node: Any, first: str) -> Any:
    """The same with ids of traces that begin otherwise."""
    if isinstance(node, list):
        return [with_traces(item, first) for item in node]
    if isinstance(node, dict):
        return {
            key: first + value[2:] if key == "traceId" else with_traces(value, first) for key, value in node.items()
        }
    return node


def test_what_waits_survives_the_death_of_every_process(service: Service) -> None:
    trace_id = "c" * 32
    for number in reversed(range(8)):
        span = {"traceId": trace_id, "spanId": f"{number + 1:016x}", "name": "x", "endTimeUnixNano": str(number + 1)}
        post_until_stored(service, {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
        service.kill(("worker", "redis", "api")[number % 3])
    service.until_ready()
    assert service.until_scored(trace_id, 8)["scored"] == 8


def post_until_stored(service: Service, export: dict[str, Any]) -> None:
    """Post until it is stored, as an exporter does."""
    deadline = time.monotonic() + 40
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = service.http.post("/v1/traces", json=export)
            if answer.status_code == 200:
                return
            assert answer.status_code == 503, answer.text
        assert time.monotonic() < deadline, service.log.read_text()[-3000:]
        time.sleep(0.1)
