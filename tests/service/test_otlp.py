"""OTLP/HTTP over a real Redis: what an exporter sends is stored, and told of as the protocol says."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import httpx
import orjson
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from monitors.adapter.spans import flatten_spans
from service.api.application import create_app
from service.app.api import Access, build_deps
from service.app.binding import LOOPBACK, Binding
from service.core.tenants.access import Principal, Scope
from service.core.tenants.authentication import Authenticator
from service.records import RunRef
from service.settings import read_settings
from tests.service.conftest import PARTITIONS, Core
from tests.service.otlp_exports import TRACE, export, export_logs, record, span, to_body
from tests.service.test_api import KEY, Api, serving
from tests.service.test_held_spans import tidy
from tests.service.test_step_log import in_stream
from tests.tiny_bundle import shared_tiny_bundle

OTHER_TRACE = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
Serve = Callable[..., Any]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real bundle."""
    return shared_tiny_bundle(tmp_path_factory.getbasetemp()).path


@pytest.fixture
async def api(core: Core, bundle: Path) -> AsyncIterator[Api]:
    async for one in serving(core, read_settings(bundle=bundle, max_body_bytes=4096, max_step_bytes=1500)):
        yield one


@pytest.fixture
async def hearing(core: Core, bundle: Path) -> AsyncIterator[Api]:
    """A service that hears outcomes of evaluations."""
    async for one in serving(core, read_settings(bundle=bundle, otlp_outcome="evaluation", otlp_outcome_name="solved")):
        yield one


async def post(api: Api, document: dict[str, Any], encoding: str = "json", **headers: str) -> httpx.Response:
    body, kind = to_body(document, encoding)
    path = "/v1/traces" if "resourceSpans" in document else "/v1/logs"
    return await api.http.post(path, content=body, headers={**kind, **headers})


async def steps(api: Api, run_id: str = TRACE) -> list[Any]:
    """What was stored of a run, once nothing waits."""
    await tidy(api.core)
    return [orjson.loads(data) for data in await in_stream(api.core, run_id)]


def rejected(answer: httpx.Response, name: str = "rejectedSpans") -> tuple[int, str]:
    """How many were rejected, and why."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"] == "application/json":
        partial = answer.json().get("partialSuccess", {})
        return int(partial.get(name, 0)), partial.get("errorMessage", "")
    if name == "rejectedSpans":
        spans = ExportTraceServiceResponse.FromString(answer.content).partial_success
        return spans.rejected_spans, spans.error_message
    logs = ExportLogsServiceResponse.FromString(answer.content).partial_success
    return logs.rejected_log_records, logs.error_message


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
@pytest.mark.parametrize("packed", [False, True])
async def test_spans_are_stored_as_an_exported_file_has_them(api: Api, encoding: str, packed: bool) -> None:
    document = export(span(1, attributes={"gen_ai.operation.name": "chat"}), span(0), service__name="shop")
    body, headers = to_body(document, encoding)
    if packed:
        body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
    answer = await api.http.post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == headers["Content-Type"]
    assert answer.content == (b"{}" if encoding == "json" else b"")
    assert await steps(api) == flatten_spans(document)[::-1]


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
async def test_of_valid_and_invalid_spans_the_valid_are_stored_and_the_others_counted(api: Api, encoding: str) -> None:
    bad = span(1, traceId="0" * 32)
    big = span(2, attributes={"x": "y" * 1600})
    unnamed = span(3, attributes={"session.id": "has spaces"})
    answer = await post(api, export(bad, big, unnamed, span(4), span(5)), encoding)
    count, why = rejected(answer)
    assert count == 3
    assert "traceId" in why
    assert "1500 bytes" in why
    assert "session.id 'has spaces'" in why
    assert [one["name"] for one in await steps(api)] == ["chat 4", "chat 5"]


async def test_an_item_that_is_no_object_is_counted_too(api: Api) -> None:
    assert rejected(await post(api, export("no span", span(0))))[0] == 1


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
async def test_a_repeated_export_stores_nothing_twice_and_loses_nothing(api: Api, encoding: str) -> None:
    await post(api, export(span(0), span(1)), encoding)
    assert rejected(await post(api, export(span(0), span(1), span(2)), encoding)) == (0, "")
    assert len(await steps(api)) == 3
    await post(api, export(span(0)), "json" if encoding == "protobuf" else "protobuf")
    assert len(await steps(api)) == 3


async def test_an_empty_export_is_taken(api: Api) -> None:
    for document in (export(), {"resourceSpans": []}, export_logs()):
        for encoding in ("json", "protobuf"):
            assert (await post(api, document, encoding)).status_code == 200
    assert (await api.http.post("/v1/traces", content=b"{}", headers={"Content-Type": "application/json"})).json() == {}


class TestRuns:
    async def test_a_span_without_a_name_goes_with_its_trace(self, api: Api) -> None:
        await post(api, export(span(0), span(1, attributes={"gen_ai.conversation.id": "talk-1"})))
        assert len(await steps(api, "talk-1")) == 2

    async def test_the_trace_is_remembered_between_exports(self, api: Api) -> None:
        await post(api, export(span(0, attributes={"gen_ai.conversation.id": "talk-1"})))
        await post(api, export(span(1), span(2, trace=OTHER_TRACE)))
        assert len(await steps(api, "talk-1")) == 2
        assert len(await steps(api, OTHER_TRACE)) == 1

    async def test_what_a_trace_was_named_first_stands_for_those_that_name_nothing(self, api: Api) -> None:
        await post(api, export(span(0, attributes={"session.id": "first"})))
        await post(api, export(span(1, attributes={"session.id": "second"}), span(2)))
        assert len(await steps(api, "first")) == 2
        assert len(await steps(api, "second")) == 1

    async def test_spans_before_the_first_name_are_a_run_of_their_trace(self, api: Api) -> None:
        await post(api, export(span(0)))
        await post(api, export(span(1, attributes={"session.id": "later"})))
        await post(api, export(span(2)))
        assert [len(await steps(api, run)) for run in (TRACE, "later")] == [1, 2]

    async def test_events_go_with_the_trace_too(self, api: Api) -> None:
        await post(api, export(span(0, attributes={"gen_ai.conversation.id": "talk-1"})))
        await post(api, export_logs(record(1, "gen_ai.user.message", body={"content": "hi"}), record(2, "other")))
        spans, event = await steps(api, "talk-1")
        assert spans["name"] == "chat 0"
        assert (event["eventName"], event["body"]) == ("gen_ai.user.message", {"content": "hi"})

    async def test_a_trace_of_another_project_tells_nothing(self, api: Api) -> None:
        await api.core.client.set(f"forewarn:trace:other:{TRACE}", "their-run")
        await post(api, export(span(0)))
        assert len(await steps(api)) == 1

    async def test_the_agent_is_known_of_the_run(self, api: Api) -> None:
        await post(api, export(span(0, attributes={"gen_ai.agent.name": "clerk"}), service__name="shop"))
        await tidy(api.core)
        run = (await api.http.get(f"/v1/runs/{TRACE}")).json()
        assert run["agent"] == "clerk"


class TestErrors:
    @pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs"])
    async def test_a_broken_body_is_a_status_in_the_encoding_of_the_request(self, api: Api, path: str) -> None:
        in_json = await api.http.post(path, content=b"{", headers={"Content-Type": "application/json"})
        assert (in_json.status_code, in_json.json()["code"]) == (400, 3)
        assert "JSON" in in_json.json()["message"]
        packed = await api.http.post(path, content=b"\xff\xff", headers={"Content-Type": "application/x-protobuf"})
        assert packed.status_code == 400
        assert packed.headers["content-type"] == "application/x-protobuf"
        assert packed.content[:3] == b"\x08\x03\x12"

    async def test_other_media_types_and_encodings_are_refused(self, api: Api) -> None:
        for headers in (
            {"Content-Type": "text/plain"},
            {},
            {"Content-Type": "application/json", "Content-Encoding": "br"},
        ):
            answer = await api.http.post("/v1/traces", content=b"{}", headers=headers)
            assert answer.status_code == 415
            assert answer.json()["message"]

    async def test_a_body_that_unpacks_beyond_the_limit_is_refused(self, api: Api) -> None:
        for encoding in ("json", "protobuf"):
            headers = {**to_body(export(), encoding)[1], "Content-Encoding": "gzip"}
            answer = await api.http.post("/v1/traces", content=gzip.compress(b" " * 10**6), headers=headers)
            assert answer.status_code == 413
            assert answer.headers["content-type"] == headers["Content-Type"]

    async def test_no_monitor_may_be_tried_again(self, core: Core) -> None:
        async for without in serving(core, read_settings()):
            answer = await post(without, export(span(0)))
            assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, 14, "5")

    async def test_one_run_too_many_may_be_tried_again_and_then_nothing_is_double(
        self, core: Core, bundle: Path
    ) -> None:
        async for small in serving(core, read_settings(bundle=bundle, max_live_runs=1)):
            spans = [span(number, attributes={"session.id": f"s-{number}"}) for number in range(12)]
            answer = await post(small, export(*spans))
            assert (answer.status_code, answer.json()["code"]) == (429, 8)
            assert int(answer.headers["retry-after"]) > 0
        async for large in serving(core, read_settings(bundle=bundle)):
            assert rejected(await post(large, export(*spans))) == (0, "")
            for number in range(12):
                assert len(await steps(large, f"s-{number}")) == 1

    async def test_a_run_that_has_ended_takes_no_more_and_says_so(self, api: Api) -> None:
        await post(api, export(span(0)))
        await api.http.post(f"/v1/runs/{TRACE}/end")
        count, why = rejected(await post(api, export(span(1), span(2, trace=OTHER_TRACE))))
        assert (count, "has ended" in why) == (1, True)

    async def test_without_the_key_the_answer_is_a_status_too(self, core: Core, bundle: Path) -> None:
        async for guarded in serving(core, read_settings(bundle=bundle, api_key=KEY)):
            for encoding in ("json", "protobuf"):
                answer = await post(guarded, export(span(0)), encoding)
                assert answer.status_code == 401
                assert answer.headers["content-type"] == to_body(export(), encoding)[1]["Content-Type"]
                assert "www-authenticate" in answer.headers
            assert (await post(guarded, export(span(0)), Authorization=f"Bearer {KEY}")).status_code == 200

    async def test_more_spans_than_a_request_may_hold_are_refused(self, core: Core, bundle: Path) -> None:
        async for wide in serving(core, read_settings(bundle=bundle)):
            document = {"resourceSpans": [{"scopeSpans": [{"spans": [{}] * 10_001}]}]}
            assert (await post(wide, document)).status_code == 400


class TestOutcomes:
    async def test_an_evaluation_tells_the_outcome_and_ends_the_run(self, hearing: Api) -> None:
        await post(hearing, export(span(0)))
        verdict = {"gen_ai__evaluation__name": "solved", "gen_ai__evaluation__score__label": "fail"}
        answer = await post(hearing, export_logs(record(1, "gen_ai.evaluation.result", **verdict)))
        assert rejected(answer, "rejectedLogRecords") == (0, "")
        assert (await hearing.http.get(f"/v1/runs/{TRACE}")).json()["state"] == "failed"
        assert len(await steps(hearing)) == 1

    async def test_an_evaluation_may_be_an_event_of_a_span(self, hearing: Api) -> None:
        told = export_logs(record(1, "x", gen_ai__evaluation__name="solved", gen_ai__evaluation__score__value=1.0))
        attributes = told["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"]
        event = {"timeUnixNano": "1", "name": "gen_ai.evaluation.result", "attributes": attributes}
        await post(hearing, export(span(0, events=[event])))
        assert (await hearing.http.get(f"/v1/runs/{TRACE}")).json()["state"] == "succeeded"

    @pytest.mark.parametrize("encoding", ["json", "protobuf"])
    async def test_an_evaluation_of_no_run_or_of_no_verdict_is_rejected(self, hearing: Api, encoding: str) -> None:
        no_run = record(1, "gen_ai.evaluation.result", gen_ai__evaluation__name="solved", session__id="nobody")
        verdict = {"gen_ai__evaluation__name": "solved", "gen_ai__evaluation__score__value": 0.1}
        unknown = record(1, "gen_ai.evaluation.result", session__id="nobody", **verdict)
        count, why = rejected(await post(hearing, export_logs(no_run, unknown), encoding), "rejectedLogRecords")
        assert count == 2
        assert "there is no run nobody" in why
        assert "score.label" in why

    async def test_by_default_nothing_is_an_outcome(self, api: Api) -> None:
        await post(api, export(span(0, parent="", status={"code": 2})))
        verdict = {"gen_ai__evaluation__name": "task_success", "gen_ai__evaluation__score__label": "fail"}
        await post(api, export_logs(record(1, "gen_ai.evaluation.result", **verdict)))
        assert (await api.http.get(f"/v1/runs/{TRACE}")).json()["state"] == "ok"

    async def test_the_status_of_the_root_tells_the_outcome(self, core: Core, bundle: Path) -> None:
        async for one in serving(core, read_settings(bundle=bundle, otlp_outcome="root-status")):
            await post(one, export(span(0), span(1, parent="", status={"code": 2})))
            await post(one, export(span(2, trace=OTHER_TRACE, parent="")))
            states = [(await one.http.get(f"/v1/runs/{run}")).json()["state"] for run in (TRACE, OTHER_TRACE)]
            assert states == ["failed", "succeeded"]
            assert len(await steps(one)) == 2

    async def test_a_root_sent_again_does_not_undo_a_correction(self, core: Core, bundle: Path) -> None:
        async for one in serving(core, read_settings(bundle=bundle, otlp_outcome="root-status")):
            root = export(span(1, parent="", status={"code": 2}))
            await post(one, root)
            await one.http.post(f"/v1/runs/{TRACE}/outcome", json={"success": True})
            await post(one, root)
            assert (await one.http.get(f"/v1/runs/{TRACE}")).json()["state"] == "succeeded"


async def test_what_becomes_of_spans_is_counted(api: Api) -> None:
    await post(api, export(span(0), span(1)))
    await post(api, export(span(0), "bad"))
    await post(api, export_logs(record(0, "other")))
    text = (await api.http.get("/metrics")).text
    for result, count in (("stored", 2), ("duplicate", 1), ("rejected", 1)):
        assert f'forewarn_otlp_items_total{{result="{result}",signal="spans"}} {count}.0' in text
    assert 'forewarn_otlp_items_total{result="passed over",signal="logs"} 1.0' in text


async def test_spans_that_say_nothing_of_agents_may_be_passed_over(core: Core, bundle: Path) -> None:
    async for one in serving(core, read_settings(bundle=bundle, otlp_spans="agents")):
        answer = await post(one, export(span(0, attributes={"http.route": "/"}), span(1, attributes={"llm.x": 1})))
        assert rejected(answer) == (0, "")
        assert [step["name"] for step in await steps(one)] == ["chat 1"]


async def test_secrets_are_masked_in_spans_their_agents_and_their_services(core: Core, bundle: Path) -> None:
    secret = "sk-" + "".join(chr(97 + number * 7 % 26) for number in range(40))
    await core.client.config_set("rdbcompression", "no")
    async for one in serving(core, read_settings(bundle=bundle, redact="secrets")):
        attributes = {"gen_ai.agent.name": secret, "x": [secret], "gen_ai.prompt": f"use {secret}"}
        event = {"name": secret, "attributes": [{"key": "a", "value": {"stringValue": secret}}]}
        await post(one, export(span(0, attributes=attributes, events=[event]), service__name=secret))
        await post(one, export_logs(record(1, "gen_ai.choice", body={"content": secret})))
        named = await post(one, export(span(2, trace=OTHER_TRACE, attributes={"session.id": secret})))
        assert rejected(named)[0] == 1
        assert secret not in named.text
        dumped = b"".join([await core.client.dump(key) async for key in core.client.scan_iter()])
        await tidy(core)
        dumped += b"".join([await core.client.dump(key) async for key in core.client.scan_iter()])
        assert len(await steps(one)) == 2
        assert secret.encode() not in dumped
        assert dumped.count(b"[redacted]") > 10


class ByProject(Authenticator):
    """Takes a project and a scope as a key."""

    def __init__(self) -> None:
        super().__init__("an-operator's-key")

    def authenticate(self, authorization: str | None, origin: str = "") -> Principal:
        project, scope = (authorization or "").split()
        return Principal(project, frozenset({cast(Scope, scope)}))


class TestTenants:
    async def test_a_project_s_spans_join_no_run_of_another_and_a_reading_key_sends_none(
        self, core: Core, bundle: Path
    ) -> None:
        access = Access(ByProject(), Binding(LOOPBACK))
        deps, board, _ = build_deps(read_settings(bundle=bundle), core.client, PARTITIONS, access)
        transport = httpx.ASGITransport(create_app(deps, version="0"))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            one = Api(http, core, "", deps)  # type: ignore[arg-type]
            named = export(span(0, attributes={"gen_ai.conversation.id": "talk", "project": "other"}))
            assert rejected(await post(one, named, Authorization="acme ingest")) == (0, "")
            assert rejected(await post(one, export(span(1)), Authorization="other ingest")) == (0, "")
            verdict = {"gen_ai__evaluation__name": "task_success", "gen_ai__evaluation__score__label": "fail"}
            told = export_logs(record(1, "gen_ai.evaluation.result", session__id="talk", **verdict))
            await post(one, told, Authorization="other ingest")
            refused = await post(one, export(span(2)), "protobuf", Authorization="acme read")
            assert (refused.status_code, refused.content[:2]) == (403, b"\x08\x07")
            await tidy(core)
            runs = [(project, run) for project in ("acme", "other") for run in ("talk", TRACE)]
            found = [await core.reader.read_run(RunRef(*run)) for run in runs]
            assert [record is not None and record.accepted for record in found] == [1, False, False, 1]
            assert found[0] is not None
            assert found[0].success is None
        await board.close()
