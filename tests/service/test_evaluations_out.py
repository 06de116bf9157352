"""forewarn's scores on their way to an OTLP receiver: decoded there by OpenTelemetry's own messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from prometheus_client import CollectorRegistry

from service.core.evaluations import Evaluation
from service.otlp import exporting
from service.otlp.exporting import EvaluationExporter, Every, ExportMetrics
from service.records import RunRef
from tests.service.conftest import Core

SPAN = b'{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"chat"}'
ALERT = {
    "id": "alert_1",
    "severity": "critical",
    "failure_probability": 0.9,
    "score": 2.5,
    "threshold": 2.0,
    "position": 3,
    "turn": 2,
    "created_ms": 1_780_000_000_000,
}


def evaluation(run_id: str = "r", raw_step: bytes = b"{}", *alerts: Any) -> Evaluation:
    bodies = tuple(orjson.dumps(alert) for alert in alerts)
    return Evaluation(RunRef("acme", run_id), "m-1", 4, raw_step, 2, 0.25, 0.5, bool(alerts), 1_780_000_000_123, bodies)


@dataclass
class Receiver:
    """Speaks OTLP/HTTP. `answers` are (status, headers, body) in turn, the last one for good."""

    url: str = ""
    answers: list[tuple[int, str, bytes]] = field(default_factory=lambda: [(200, "", b"")])
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def records(self) -> list[LogRecord]:
        """All records that came, decoded."""
        requests = [ExportLogsServiceRequest.FromString(body) for body in self.bodies]
        scopes = [scope for request in requests for logs in request.resource_logs for scope in logs.scope_logs]
        return [record for scope in scopes for record in scope.log_records]

    async def until(self, requests: int, within_s: float = 10.0) -> None:
        async with asyncio.timeout(within_s):
            while True:
                if len(self.bodies) >= requests:
                    return
                await asyncio.sleep(0.01)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
                body = await reader.readexactly(length)
                status, headers, answer = self.answers[min(len(self.bodies), len(self.answers) - 1)]
                self.heads.append(head)
                self.bodies.append(body)
                lines = f"HTTP/1.1 {status} x\r\n{headers}content-length: {len(answer)}\r\n\r\n"
                writer.write(lines.encode() + answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def attributes(record: LogRecord) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in record.attributes}


@asynccontextmanager
async def receiving(*answers: tuple[int, str, bytes]) -> AsyncIterator[Receiver]:
    receiver = Receiver(answers=list(answers) or [(200, "", b"")])
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield receiver
    server.close()


class Exporting:
    """An exporter that runs while the block lasts, and what it counted."""

    def __init__(self, url: str, every: Every = "turn", **settings: Any) -> None:
        self.registry = CollectorRegistry()
        quick = {"gather_s": 0.02, "first_pause_s": 0.02, "timeout_s": 1.0, **settings}
        headers = {"authorization": "Bearer s3cret"}
        self.exporter = EvaluationExporter(url, headers, every, "1.2.3", ExportMetrics(self.registry), **quick)

    async def __aenter__(self) -> Exporting:
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self.exporter.run(self._stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def end(self) -> None:
        self._stop.set()
        await self._task

    def counted(self, result: str) -> float:
        return self.registry.get_sample_value("forewarn_otlp_exported_total", {"result": result}) or 0.0


async def test_a_score_arrives_as_the_conventions_name_it() -> None:
    async with receiving() as receiver, Exporting(receiver.url) as out:
        out.exporter.offer([evaluation("run 7", SPAN)])
        await receiver.until(1)
    risk, failure = receiver.records
    said = attributes(risk)
    assert risk.event_name == said["event.name"] == "gen_ai.evaluation.result"
    assert said["gen_ai.evaluation.name"] == "forewarn.risk"
    assert said["gen_ai.evaluation.score.value"] == pytest.approx(0.25)
    assert said["gen_ai.evaluation.score.label"] == "ok"
    assert (said["gen_ai.conversation.id"], said["forewarn.project"], said["forewarn.position"]) == ("run 7", "acme", 4)
    assert attributes(failure)["gen_ai.evaluation.name"] == "forewarn.failure_probability"
    assert risk.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert risk.span_id.hex() == "eee19b7ec3c1b174"
    assert risk.time_unix_nano == 1_780_000_000_123_000_000
    assert receiver.heads[0].startswith("post /v1/logs ")
    assert "content-type: application/x-protobuf" in receiver.heads[0]
    assert "authorization: bearer s3cret" in receiver.heads[0]


@pytest.mark.parametrize(("every", "names"), [("turn", 3), ("alert", 1)])
async def test_an_alert_arrives_with_its_severity_and_reason(every: Every, names: int) -> None:
    async with receiving() as receiver, Exporting(receiver.url, every) as out:
        out.exporter.offer([evaluation("quiet")] if every == "alert" else [])
        out.exporter.offer([evaluation("r", SPAN, ALERT)])
        await receiver.until(1)
    *_, alert = receiver.records
    said = attributes(alert)
    assert len(receiver.records) == names
    assert (said["gen_ai.evaluation.name"], said["gen_ai.evaluation.score.label"]) == ("forewarn.alert", "critical")
    assert said["gen_ai.evaluation.explanation"] == "the score 2.500 crossed the threshold 2.000 at step 3, turn 2"
    assert (said["forewarn.alert.id"], said["forewarn.position"]) == ("alert_1", 3)
    assert alert.trace_id.hex() == "5b8efff798038103d269b633813fc60c"


@pytest.mark.parametrize(
    "raw_step", [b"", b'{"traceId"', b'{"traceId":7}', b'{"traceId":"zz"}', b'["traceId"]', b'"\\"traceId\\""']
)
async def test_a_step_that_is_no_span_gives_no_trace(raw_step: bytes) -> None:
    async with receiving() as receiver, Exporting(receiver.url) as out:
        out.exporter.offer([evaluation("r", raw_step)])
        await receiver.until(1)
    assert {(record.trace_id, record.span_id) for record in receiver.records} == {(b"", b"")}


async def test_what_may_be_retried_is_and_arrives_once() -> None:
    answers = [(503, "retry-after: 0\r\n", b""), (429, "", b""), (200, "", b"")]
    async with receiving(*answers) as receiver, Exporting(receiver.url) as out:
        out.exporter.offer([evaluation()])
        await receiver.until(3)
        await asyncio.sleep(0.1)
    assert len(receiver.bodies) == 3
    assert len(set(receiver.bodies)) == 1
    assert (out.counted("sent"), out.counted("unreachable")) == (2, 0)


@pytest.mark.parametrize("status", [400, 401, 302, 500])
async def test_what_may_not_be_retried_is_counted_as_rejected(status: int) -> None:
    async with receiving((status, "", b"")) as receiver, Exporting(receiver.url) as out:
        out.exporter.offer([evaluation()])
        await receiver.until(1)
        await asyncio.sleep(0.1)
    assert (len(receiver.bodies), out.counted("rejected")) == (1, 2)


async def test_a_partial_success_is_counted() -> None:
    answer = ExportLogsServiceResponse(partial_success=ExportLogsPartialSuccess(rejected_log_records=1))
    async with receiving((200, "", answer.SerializeToString())) as receiver, Exporting(receiver.url) as out:
        out.exporter.offer([evaluation()])
        await receiver.until(1)
        await asyncio.sleep(0.05)
    assert (out.counted("sent"), out.counted("rejected")) == (1, 1)


async def test_a_receiver_that_is_away_costs_no_more_than_a_bounded_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "QUEUE", 5)
    async with Exporting("http://127.0.0.1:9") as out:
        for _ in range(20):
            out.exporter.offer([evaluation()])  # returns at once, whatever the receiver does
        await asyncio.sleep(0.1)
        assert out.counted("overflow") == 15
    assert out.counted("unreachable") == 10


async def test_what_is_queued_when_the_service_stops_is_sent_first() -> None:
    async with receiving() as receiver, Exporting(receiver.url, gather_s=60.0) as out:
        out.exporter.offer([evaluation()])
        await asyncio.sleep(0.05)
    assert (len(receiver.records), out.counted("sent")) == (2, 2)


class Taken:
    """A sink that keeps what it is offered."""

    def __init__(self) -> None:
        self.evaluations: list[Evaluation] = []

    def offer(self, evaluations: Sequence[Evaluation]) -> None:
        self.evaluations += evaluations


async def test_each_committed_score_is_offered_once_the_newest_of_a_batch(core: Core) -> None:
    taken = Taken()
    async with core.working(evaluations=taken):
        await core.post("r", b'{"bad": 1}', b'{"bad": 2}')
        await core.until_scored("r", 2)
        await core.post("r", b'{"text": "more"}')
        await core.until_scored("r", 3)
    positions = [one.position for one in taken.evaluations]
    assert positions == sorted(set(positions))
    assert positions[-1] == 2
    scores = [one for one in await core.reader.read_scores(core.ref("r"), 0, 10) if one is not None]
    assert [one.risk for one in taken.evaluations] == pytest.approx([scores[place].risk for place in positions])
    (alert,) = [orjson.loads(raw) for one in taken.evaluations for raw in one.alerts]
    assert (alert["run_id"], alert["episode"]) == ("r", 1)


async def test_nothing_is_told_of_a_control_run(core: Core) -> None:
    taken = Taken()
    async with core.working(evaluations=taken, is_control=lambda ref: ref.run_id == "control"):
        await core.post("control", b'{"bad": 5}')
        await core.post("r", b'{"bad": 5}')
        await core.until_scored("control", 1)
        await core.until_scored("r", 1)
    assert {one.ref.run_id for one in taken.evaluations} == {"r"}
