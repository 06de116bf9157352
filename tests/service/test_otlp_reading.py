"""Exports as raw steps, without a service: both encodings give what an exported file gives, and runs are named."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from monitors.adapter.spans import flatten_spans
from service.errors import NameRefused, RawStepRefused
from service.otlp.conventions import find_agent, find_service
from service.otlp.outcomes import OutcomeRule
from service.otlp.reading import Reading, Received, tell_refusals
from service.otlp.wire import LOGS, SPANS, read_items, write_answer, write_status
from tests.service.otlp_exports import TRACE, export, export_logs, record, span, to_body

READING = Reading()
VALUES = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def read(document: dict[str, Any], encoding: str, reading: Reading = READING) -> list[Any]:
    signal = SPANS if "resourceSpans" in document else LOGS
    body, _ = to_body(document, encoding)
    return [reading.read(item, signal) for item in read_items(body, encoding, signal)]  # type: ignore[arg-type]


def only(document: dict[str, Any], reading: Reading = READING) -> Received:
    (one,) = read(document, "json", reading)
    assert isinstance(one, Received), one
    return one


@given(attributes=st.dictionaries(st.text("abc.", min_size=1, max_size=6), VALUES, max_size=4), body=VALUES)
def test_protobuf_json_and_an_exported_file_give_the_same_raw_steps(attributes: dict[str, Any], body: Any) -> None:
    events = [{"timeUnixNano": "5", "name": "gen_ai.choice", "attributes": [{"key": "x", "value": {"intValue": "7"}}]}]
    links = [{"traceId": TRACE, "spanId": "eee19b7ec3c1b174"}]
    spans = export(span(0, attributes=attributes, events=events, links=links, status={"code": 2, "message": "no"}))
    logs = export_logs(record(0, "gen_ai.choice", body=body, **attributes))
    for document in (spans, logs):
        in_json = [one.step for one in read(document, "json")]
        assert in_json == flatten_spans(document)
        assert [one.step for one in read(document, "protobuf")] == in_json


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_has_not_are_words_in_both_encodings(number: float) -> None:
    message = ExportTraceServiceRequest()
    one = message.resource_spans.add().scope_spans.add().spans.add()
    one.trace_id, one.span_id, one.end_time_unix_nano = b"1" * 16, b"2" * 8, 1
    pair = one.attributes.add(key="x")
    pair.value.double_value = number
    ((item, _),) = read_items(message.SerializeToString(), "protobuf", SPANS)
    assert item["attributes"][0]["value"]["doubleValue"] in {"NaN", "Infinity", "-Infinity"}


def test_unknown_fields_are_let_be() -> None:
    document = export(span(0, somethingNew={"a": 1}))
    document["later"] = True
    document["resourceSpans"][0]["schemaUrl"] = "x"
    assert only(document).trace_id == TRACE


@pytest.mark.parametrize(
    "fields",
    [
        {"traceId": "0" * 32},
        {"traceId": "xyz"},
        {"traceId": 5},
        {"spanId": ""},
        {"spanId": "0" * 16},
        {"endTimeUnixNano": "0"},
        {"endTimeUnixNano": str(2**64)},
        {"endTimeUnixNano": "soon"},
        {"endTimeUnixNano": None},
    ],
)
def test_a_span_without_ids_or_end_is_refused(fields: dict[str, Any]) -> None:
    (one,) = read(export(span(0, **fields)), "json")
    assert isinstance(one, RawStepRefused)


@pytest.mark.parametrize("body", [b"[]", b"7", b'{"resourceSpans": 3}', b'{"resourceSpans": [3]}', b"{", b"\xff"])
def test_a_body_that_is_no_export_is_refused_whole(body: bytes) -> None:
    with pytest.raises(RawStepRefused):
        read_items(body, "json", SPANS)


def test_bytes_that_are_no_protobuf_are_refused_whole() -> None:
    for signal in (SPANS, LOGS):
        with pytest.raises(RawStepRefused):
            read_items(b"\xff\xff\xff", "protobuf", signal)


@given(body=st.binary(max_size=200))
def test_no_bytes_break_the_reading(body: bytes) -> None:
    for signal in (SPANS, LOGS):
        try:
            items = read_items(body, "protobuf", signal)
        except RawStepRefused:
            continue
        for item in items:
            READING.read(item, signal)


def test_the_run_is_named_by_the_first_attribute_that_is_there() -> None:
    both = {"session.id": "s-1", "gen_ai.conversation.id": "c-1"}
    assert only(export(span(0, attributes=both))).named_run == "c-1"
    assert only(export(span(0, attributes={"session.id": "s-1"}))).named_run == "s-1"
    assert only(export(span(0), session__id="s-2")).named_run == "s-2"
    assert only(export(span(0, attributes={"session.id": 17}))).named_run == "17"
    assert only(export(span(0))).named_run is None


def test_the_order_of_the_names_can_be_set() -> None:
    both = {"session.id": "s-1", "gen_ai.conversation.id": "c-1"}
    session_first = Reading(("session.id", "trace_id"))
    assert only(export(span(0, attributes=both)), session_first).named_run == "s-1"
    assert only(export(span(0, attributes=both)), Reading(("trace_id",))).named_run == TRACE


def test_a_name_that_is_no_run_id_is_refused_and_not_told_at_length() -> None:
    (one,) = read(export(span(0, attributes={"session.id": "no spaces " * 50})), "json")
    assert isinstance(one, NameRefused)
    assert "session.id" in str(one)
    assert len(str(one)) < 300


def test_ids_are_hex_of_either_case() -> None:
    one = only(export(span(0, traceId=TRACE.upper())))
    assert one.trace_id == TRACE
    assert one.client_id == only(export(span(0))).client_id


def test_agents_are_named_by_attribute_and_services_by_resource() -> None:
    one = only(export(span(0, attributes={"gen_ai.agent.name": "clerk"}), service__name="shop"))
    assert (find_agent(one.step), find_service(one.step)) == ("clerk", "shop")
    nobody = only(export(span(0), service__name="unknown_service:python"))
    assert (find_agent(nobody.step), find_service(nobody.step)) == ("", "")


def test_spans_of_other_things_are_passed_over_where_only_agents_count() -> None:
    agents = Reading(only_agents=True)
    assert only(export(span(0, attributes={"http.method": "GET"})), agents).use == "none"
    for name in ("gen_ai.system", "openinference.span.kind", "llm.model_name", "traceloop.span.kind"):
        assert only(export(span(0, attributes={name: "x"})), agents).use == "step"
    assert only(export(span(0, attributes={"http.method": "GET"}))).use == "step"


def test_of_log_records_genai_events_are_steps() -> None:
    named_by_attribute = {**record(0, ""), "attributes": record(0, "", event__name="gen_ai.user.message")["attributes"]}
    assert only(export_logs(record(0, "gen_ai.user.message"))).use == "step"
    assert only(export_logs(named_by_attribute)).use == "step"
    assert only(export_logs(record(0, "http.request"))).use == "none"
    assert only(export_logs(record(0, "gen_ai.evaluation.result"))).use == "evaluation"


def test_an_evaluation_is_no_step_of_an_exported_file_either() -> None:
    logs = export_logs(record(0, "gen_ai.evaluation.result"), record(1, "gen_ai.choice"), record(2, "other"))
    assert [one["eventName"] for one in flatten_spans(logs)] == ["gen_ai.choice"]


def test_an_event_outside_of_any_trace_needs_a_name_for_its_run() -> None:
    (nobody,) = read(export_logs(record(0, "gen_ai.choice", trace="")), "json")
    assert isinstance(nobody, RawStepRefused)
    assert only(export_logs(record(0, "gen_ai.choice", trace="", session__id="s"))).named_run == "s"


def test_evaluations_tell_outcomes_where_that_is_set() -> None:
    rule = OutcomeRule("evaluation", "solved")

    def told(**fields: Any) -> bool | None:
        named = {f"gen_ai__evaluation__{name}": value for name, value in fields.items()}
        return rule.of_evaluation(only(export_logs(record(0, "gen_ai.evaluation.result", **named))).step)

    assert told(name="solved", score__label="pass") is True
    assert told(name="solved", score__label="Failed", score__value=1.0) is False
    assert (told(name="solved", score__value=0.5), told(name="solved", score__value=0.49)) == (True, False)
    assert told(name="relevance", score__label="fail") is None
    with pytest.raises(RawStepRefused):
        told(name="solved", score__label="so so")
    assert OutcomeRule("none", "solved").of_evaluation({"attributes": {"gen_ai.evaluation.name": "solved"}}) is None


def test_a_root_span_tells_an_outcome_where_that_is_set() -> None:
    rule = OutcomeRule("root-status")
    assert only(export(span(0, parent=""))).is_root
    assert not only(export(span(0))).is_root
    assert rule.of_root({"status": {"code": 2}}) is False
    assert rule.of_root({"status": {}}) is True
    assert OutcomeRule().of_root({"status": {"code": 2}}) is None


def test_a_status_is_what_google_calls_so() -> None:
    raw = write_status("protobuf", 400, "é" * 200)
    assert raw[:2] == b"\x08\x03"
    assert raw.endswith("é".encode() * 200)
    assert struct.unpack("<BBB", raw[2:5]) == (0x12, 400 & 0x7F | 0x80, 400 >> 7)
    assert write_status("json", 503, "later") == b'{"code":14,"message":"later"}'


def test_a_status_in_protobuf_is_read_by_the_real_message() -> None:
    status_pb2 = pytest.importorskip("google.rpc.status_pb2")
    status: Message = status_pb2.Status.FromString(write_status("protobuf", 429, "slower"))
    assert (status.code, status.message) == (8, "slower")  # type: ignore[attr-defined]


def test_reasons_are_told_once_and_bounded() -> None:
    refused = [RawStepRefused("x" * 5000), RawStepRefused("same"), RawStepRefused("same")]
    refused += [RawStepRefused(f"other {number}") for number in range(10)]
    told = tell_refusals(refused, "spans")
    assert "2 of spans: same" in told
    assert len(told) < 1500


def test_nothing_is_said_of_an_export_taken_whole() -> None:
    assert write_answer("json", SPANS, 0, "") == b"{}"
    assert write_answer("protobuf", LOGS, 0, "") == b""
