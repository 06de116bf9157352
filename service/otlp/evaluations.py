"""Evaluations as OTLP log records: `gen_ai.evaluation.result` events of the GenAI semantic conventions.

The conventions: https://github.com/open-telemetry/semantic-conventions-genai, events of `model/gen-ai/events.yaml`. An
event belongs under the span that it judges, so a run whose steps are spans gives its trace and span; any run is named
by `gen_ai.conversation.id`. No word of an agent goes out: numbers, ids and labels alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from service.core.evaluations import Evaluation

EVENT = "gen_ai.evaluation.result"
RISK, FAILURE, ALERT = "forewarn.risk", "forewarn.failure_probability", "forewarn.alert"
NAME_CHARS = 256


def to_request(evaluations: Sequence[Evaluation], version: str, *, scores: bool) -> tuple[bytes, int]:
    """An export request in protobuf, and how many records it has. `scores`: of every score, not of alerts alone."""
    now_ns = time.time_ns()
    records = [record for one in evaluations for record in _to_records(one, scores, now_ns)]
    resource = Resource(attributes=[_pair("service.name", "forewarn"), _pair("service.version", version)])
    logs = ScopeLogs(scope=InstrumentationScope(name="forewarn", version=version), log_records=records)
    request = ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=resource, scope_logs=[logs])])
    return request.SerializeToString(), len(records)


def count_rejected(answer: bytes) -> int:
    """How many records a receiver says it has not taken; 0 where its answer cannot be read, for it said 2xx."""
    try:
        return int(ExportLogsServiceResponse.FromString(answer).partial_success.rejected_log_records)
    except Exception:  # noqa: BLE001 - the answer is anybody's bytes, and the status has said what counts
        return 0


def _to_records(one: Evaluation, scores: bool, now_ns: int) -> Iterator[LogRecord]:
    where = _where(one.raw_step)
    about: dict[str, Any] = {
        "gen_ai.conversation.id": one.ref.run_id,
        "forewarn.project": one.ref.project,
        "forewarn.monitor": one.monitor_id,
        "forewarn.position": one.position,
        "forewarn.turn": one.turn,
    }
    at_ns = one.scored_ms * 1_000_000
    if scores:
        label = "warning" if one.warning else "ok"
        for name, value in ((RISK, one.risk), (FAILURE, one.failure_probability)):
            said = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": value}
            yield _record({**said, "gen_ai.evaluation.score.label": label, **about}, "info", at_ns, now_ns, where)
    for raw_alert in one.alerts:
        alert = orjson.loads(raw_alert)
        severity = str(alert["severity"])
        said = {
            "gen_ai.evaluation.name": ALERT,
            "gen_ai.evaluation.score.value": float(alert["failure_probability"]),
            "gen_ai.evaluation.score.label": severity,
            "gen_ai.evaluation.explanation": f"the score {alert['score']:.3f} crossed the threshold "
            f"{alert['threshold']:.3f} at step {alert['position']}, turn {alert['turn']}",
            **about,
            "forewarn.position": int(alert["position"]),
            "forewarn.turn": int(alert["turn"]),
            "forewarn.alert.id": str(alert["id"]),
        }
        # Its step may be an earlier one of the commit than the newest, so its span is not known: the trace is.
        yield _record(said, severity, int(alert["created_ms"]) * 1_000_000, now_ns, (where[0], b""))


def _record(
    attributes: dict[str, Any], severity: str, at_ns: int, now_ns: int, where: tuple[bytes, bytes]
) -> LogRecord:
    number = SeverityNumber.SEVERITY_NUMBER_INFO if severity == "info" else SeverityNumber.SEVERITY_NUMBER_WARN
    return LogRecord(
        time_unix_nano=at_ns,
        observed_time_unix_nano=now_ns,
        severity_number=number,
        severity_text="INFO" if severity == "info" else "WARN",
        event_name=EVENT,
        # Receivers from before the field read the event's name here.
        attributes=[_pair("event.name", EVENT), *(_pair(name, value) for name, value in attributes.items())],
        trace_id=where[0],
        span_id=where[1],
    )


def _where(raw_step: bytes) -> tuple[bytes, bytes]:
    """The trace and span ids of a step that is a span or a span's event; empty where it is none."""
    if b'"traceId"' not in raw_step:
        return b"", b""
    try:
        step = orjson.loads(raw_step)
        trace_id = bytes.fromhex(step["traceId"])
        span_id = bytes.fromhex(step.get("spanId") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return b"", b""
    if len(trace_id) != 16:
        return b"", b""
    return trace_id, span_id if len(span_id) == 8 else b""


def _pair(name: str, value: Any) -> KeyValue:
    if isinstance(value, float):
        return KeyValue(key=name, value=AnyValue(double_value=value))
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    return KeyValue(key=name, value=AnyValue(string_value=str(value)[:NAME_CHARS]))
