"""The API over a real Redis, with a worker in the test's own loop."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import httpx
import orjson
import pytest
from fastapi import FastAPI

from monitors.bundle import read_monitor_id
from service.api.application import create_app
from service.api.front import LOOPBACK_HOSTS
from service.app.api import build_deps
from service.redis_log.connection import build_client
from service.settings import Settings, read_settings
from tests.service.conftest import PARTITIONS, Core
from tests.service.fakes import FakeMonitor, offline_scores
from tests.tiny_bundle import shared_tiny_bundle

KEY = "a-test-key-of-some-length"


@dataclass
class Api:
    """A client of the API, and the log under it."""

    http: httpx.AsyncClient
    core: Core
    monitor_id: str
    app: FastAPI

    def working(self) -> Any:
        return self.core.working(monitor=FakeMonitor(self.monitor_id))


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real bundle."""
    return shared_tiny_bundle(tmp_path_factory.getbasetemp()).path


async def serving(core: Core, settings: Settings) -> AsyncIterator[Api]:
    deps, board, _ = build_deps(settings, core.client, PARTITIONS)
    allowed = None if deps.authenticator.required else LOOPBACK_HOSTS
    app = create_app(deps, version="0", allowed_hosts=allowed)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield Api(http, core, deps.catalogue.active_id, app)
    await board.close()


@pytest.fixture
async def api(core: Core, bundle: Path) -> AsyncIterator[Api]:
    async for one in serving(core, read_settings(bundle=bundle, max_body_bytes=4096, max_step_bytes=2048)):
        yield one


@pytest.fixture
async def guarded(core: Core, bundle: Path) -> AsyncIterator[Api]:
    async for one in serving(core, read_settings(bundle=bundle, api_key=KEY)):
        yield one


@pytest.fixture
async def without_bundle(core: Core) -> AsyncIterator[Api]:
    async for one in serving(core, read_settings()):
        yield one


def check_problem(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["type"] == f"urn:forewarn:problem:{name}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return dict(document)


class TestSteps:
    async def test_a_single_step_is_taken_as_the_agent_emits_it(self, api: Api) -> None:
        answer = await api.http.post("/v1/runs/r1/steps", json={"role": "user", "content": "hi"})
        assert answer.status_code == 202
        assert answer.json() == {
            "run_id": "r1",
            "accepted": 1,
            "duplicates": 0,
            "rejected": [],
            "steps": [{"position": 0}],
        }

    async def test_a_text_step_and_an_array_are_taken_too(self, api: Api) -> None:
        await api.http.post("/v1/runs/r1/steps", json="Action: search")
        answer = await api.http.post("/v1/runs/r1/steps", json=[{"a": 1}, "text", {"b": 2}])
        assert [step["position"] for step in answer.json()["steps"]] == [1, 2, 3]

    async def test_envelopes_carry_ids_and_sequence_numbers(self, api: Api) -> None:
        items = [{"step": {"a": 1}, "id": "x"}, {"step": {"a": 2}, "seq": 0}]
        first = await api.http.post("/v1/runs/r1/steps?envelope=true", json=items)
        again = await api.http.post("/v1/runs/r1/steps?envelope=true", json=items)
        assert (first.json()["accepted"], first.json()["duplicates"]) == (2, 0)
        assert (again.json()["accepted"], again.json()["duplicates"]) == (0, 2)
        assert again.json()["steps"] == [{"position": 0, "duplicate": True}, {"position": 1, "duplicate": True}]

    async def test_an_object_that_looks_like_an_envelope_is_a_raw_step_without_the_parameter(self, api: Api) -> None:
        await api.http.post("/v1/runs/r1/steps", json={"step": {"a": 1}, "id": "x"})
        again = await api.http.post("/v1/runs/r1/steps", json={"step": {"a": 1}, "id": "x"})
        assert again.json()["duplicates"] == 0

    async def test_the_idempotency_key_names_a_single_step(self, api: Api) -> None:
        headers = {"Idempotency-Key": "k1"}
        await api.http.post("/v1/runs/r1/steps", json={"a": 1}, headers=headers)
        again = await api.http.post("/v1/runs/r1/steps", json={"a": 1}, headers=headers)
        assert again.json()["duplicates"] == 1
        several = await api.http.post("/v1/runs/r1/steps", json=[{"a": 1}], headers=headers)
        check_problem(several, 400, "step-refused")

    async def test_waiting_for_the_score_answers_with_it(self, api: Api) -> None:
        steps = [{"n": 0}, {"n": 1, "bad": 3}]
        async with api.working():
            answer = await api.http.post("/v1/runs/r1/steps?wait=score", json=steps)
        assert answer.status_code == 200
        scored = answer.json()["steps"]
        assert [step["score"] for step in scored] == offline_scores(steps)
        assert [step["alert"] for step in scored] == [False, True]
        assert [step["state"] for step in scored] == ["ok", "warning"]
        assert scored[1]["turn"] == 2
        assert 0 <= scored[1]["risk"] <= 1

    async def test_a_score_that_does_not_come_in_time_is_said_not_to_be_there(self, api: Api) -> None:
        answer = await api.http.post("/v1/runs/r1/steps?wait=score&timeout_ms=50", json={"n": 0})
        assert answer.status_code == 202
        assert answer.json()["steps"] == [{"position": 0, "scored": False}]

    async def test_a_duplicate_is_answered_with_the_score_it_has(self, api: Api) -> None:
        async with api.working():
            first = await api.http.post("/v1/runs/r1/steps?wait=score", json={"n": 0}, headers={"Idempotency-Key": "k"})
        again = await api.http.post(
            "/v1/runs/r1/steps?wait=score&timeout_ms=1", json={"n": 0}, headers={"Idempotency-Key": "k"}
        )
        assert again.json()["steps"][0]["score"] == first.json()["steps"][0]["score"]

    @pytest.mark.parametrize("closing", ["end", "outcome"])
    async def test_steps_after_the_end_or_the_outcome_are_a_conflict(self, api: Api, closing: str) -> None:
        await api.http.post("/v1/runs/r1/steps", json={"n": 0})
        assert (await api.http.post(f"/v1/runs/r1/{closing}", json={"success": True})).status_code == 200
        problem = check_problem(await api.http.post("/v1/runs/r1/steps", json={"n": 1}), 409, "run-closed")
        assert "r1" in problem["detail"]


def lines(*items: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(item) + b"\n" for item in items)


class TestLines:
    headers: ClassVar = {"Content-Type": "application/x-ndjson"}

    async def post(self, api: Api, body: bytes, **headers: str) -> httpx.Response:
        return await api.http.post("/v1/steps", content=body, headers={**self.headers, **headers})

    async def test_each_line_goes_to_its_own_run_in_the_order_given(self, api: Api) -> None:
        body = lines(
            {"run_id": "a", "step": {"n": 0}}, {"run_id": "b", "step": "text"}, {"run_id": "a", "step": {"n": 1}}
        )
        answer = await self.post(api, body)
        assert answer.status_code == 202
        assert answer.json() == {
            "accepted": 3,
            "duplicates": 0,
            "rejected": [],
            "steps": [{"position": 0}, {"position": 0}, {"position": 1}],
        }

    async def test_every_line_is_answered_for_itself(self, api: Api) -> None:
        await api.http.post("/v1/runs/over/steps", json={"a": 1})
        await api.http.post("/v1/runs/over/end")
        await self.post(api, lines({"run_id": "a", "step": {"n": 0}, "id": "x"}))
        body = (
            lines({"run_id": "a", "step": {"n": 0}, "id": "x"}, {"run_id": "over", "step": {}})
            + b"{not json\n\n"
            + lines({"run_id": "-", "step": {}}, {"run_id": "b", "step": 7}, {"step": {}})
            + lines({"run_id": "b", "step": {}, "seq": 1})
        )
        told = (await self.post(api, body)).json()
        assert (told["accepted"], told["duplicates"]) == (1, 1)
        assert told["steps"][0] == {"position": 0, "duplicate": True}
        assert told["steps"][6] == {"position": None, "early": True}
        assert [(one["index"], one["status"], one["type"].rpartition(":")[2]) for one in told["rejected"]] == [
            (1, 409, "run-closed"),
            (2, 400, "step-refused"),
            (3, 400, "name-refused"),
            (4, 400, "step-refused"),
            (5, 400, "step-refused"),
        ]

    async def test_where_nothing_was_taken_the_answer_is_a_problem_with_every_reason(self, api: Api) -> None:
        answer = await self.post(api, lines({"run_id": "a", "step": 1}, {"run_id": "a", "step": 2}))
        problem = check_problem(answer, 400, "step-refused")
        assert [one["pointer"] for one in problem["rejected"]] == ["/0/step", "/1/step"]

    async def test_gzip_is_unpacked_and_bounded_by_what_it_unpacks_to(self, api: Api) -> None:
        body = lines({"run_id": "a", "step": {"text": "x" * 100}})
        assert (await self.post(api, gzip.compress(body), **{"Content-Encoding": "gzip"})).json()["accepted"] == 1
        bomb = await self.post(api, gzip.compress(b" " * 10_000_000), **{"Content-Encoding": "gzip"})
        check_problem(bomb, 413, "body-too-large")
        for broken in (b"no gzip", gzip.compress(body)[:-9]):
            check_problem(await self.post(api, broken, **{"Content-Encoding": "gzip"}), 400, "step-refused")

    async def test_waiting_answers_with_the_scores_of_every_run(self, api: Api) -> None:
        async with api.working():
            body = lines(
                {"run_id": "a", "step": {"n": 0}}, {"run_id": "b", "step": {"n": 1}}, {"run_id": "b", "step": 5}
            )
            answer = await api.http.post("/v1/steps?wait=score", content=body, headers=self.headers)
        assert answer.status_code == 200
        assert [step.get("scored") for step in answer.json()["steps"]] == [True, True, None]

    async def test_another_kind_of_body_is_refused_by_name(self, api: Api) -> None:
        answer = await api.http.post("/v1/steps", json={"run_id": "a", "step": {}})
        assert "x-ndjson" in check_problem(answer, 415, "unsupported-media-type")["detail"]

    async def test_an_empty_body_is_refused_saying_what_to_send(self, api: Api) -> None:
        assert "run_id" in check_problem(await self.post(api, b"\n \n"), 400, "step-refused")["detail"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            (b"", ""),
            (b"{", ""),
            (b'{"x": NaN}', ""),
            (b'{"x": 1e999}', ""),
            (b'{"x": "\\ud800"}', ""),
            (b'"\xff"', ""),
            (b"null", ""),
            (b"17", ""),
            (b"[5, [{}]]", "/0"),
            (b'{"x": ' + b"[" * 70 + b"]" * 70 + b"}", ""),
            (b'[{"x": ' + b"[" * 70 + b"]" * 70 + b"}]", "/0"),
            (b"[" * 2000 + b"]" * 2000, ""),
            (b'{"x": "' + b"y" * 3000 + b'"}', ""),
        ],
    )
    async def test_what_is_no_step_is_refused_with_the_place_and_stored_nowhere(
        self, api: Api, body: bytes, pointer: str
    ) -> None:
        headers = {"Content-Type": "application/json"}
        answer = await api.http.post("/v1/runs/r1/steps", content=body, headers=headers)
        problem = check_problem(answer, 400, "step-refused")
        assert problem["errors"][0]["pointer"] == pointer
        assert await api.core.reader.read_run(api.core.ref("r1")) is None

    async def test_a_refused_step_keeps_no_other_of_its_request_out(self, api: Api) -> None:
        answer = await api.http.post("/v1/runs/r1/steps", json=[{"a": 1}, 5, {"b": 2}, [{"c": 3}]])
        assert answer.status_code == 202
        told = answer.json()
        assert (told["accepted"], told["duplicates"]) == (2, 0)
        assert told["steps"] == [{"position": 0}, {"rejected": True}, {"position": 1}, {"rejected": True}]
        assert [(one["index"], one["status"], one["pointer"]) for one in told["rejected"]] == [
            (1, 400, "/1"),
            (3, 400, "/3"),
        ]

    @pytest.mark.parametrize(
        ("item", "pointer"),
        [
            ({"id": "x"}, "/0"),
            ({"step": {}, "id": 5}, "/0/id"),
            ({"step": {}, "id": ""}, "/0/id"),
            ({"step": {}, "id": "x" * 300}, "/0/id"),
            ({"step": {}, "seq": -1}, "/0/seq"),
            ({"step": {}, "seq": True}, "/0/seq"),
            ({"step": {}, "sequence": 1}, "/0/sequence"),
            ({"step": 3}, "/0/step"),
        ],
    )
    async def test_a_wrong_envelope_is_named_by_its_field(self, api: Api, item: Any, pointer: str) -> None:
        answer = await api.http.post("/v1/runs/r1/steps?envelope=true", json=[item])
        assert check_problem(answer, 400, "step-refused")["errors"][0]["pointer"] == pointer

    async def test_a_body_over_the_limit_is_too_large_whatever_its_length_was_said_to_be(self, api: Api) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(10):
                yield b"x" * 1000

        headers = {"Content-Type": "application/json"}
        check_problem(
            await api.http.post("/v1/runs/r1/steps", content=b"x" * 5000, headers=headers), 413, "body-too-large"
        )
        check_problem(
            await api.http.post("/v1/runs/r1/steps", content=chunks(), headers=headers), 413, "body-too-large"
        )

    async def test_another_media_type_is_refused_by_name(self, api: Api) -> None:
        answer = await api.http.post("/v1/runs/r1/steps", content=b"{}", headers={"Content-Type": "text/plain"})
        assert "text/plain" in check_problem(answer, 415, "unsupported-media-type")["detail"]

    @pytest.mark.parametrize("run_id", ["-x", "a%20b", "x" * 201, "a%00b", "%C3%A4", ".."])
    async def test_run_ids_that_are_not_allowed_are_refused(self, api: Api, run_id: str) -> None:
        answer = await api.http.post(f"/v1/runs/{run_id}/steps", json={})
        assert answer.status_code in {400, 404, 415}  # `..` is taken out of the address by the client
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_a_wrong_field_is_pointed_at(self, api: Api) -> None:
        answer = await api.http.put("/v1/runs/r1", json={"agent": 5, "colour": "blue"})
        problem = check_problem(answer, 422, "invalid")
        assert {fault["pointer"] for fault in problem["errors"]} == {"/agent", "/colour"}

    async def test_a_wrong_parameter_is_named(self, api: Api) -> None:
        problem = check_problem(await api.http.get("/v1/runs?limit=0"), 422, "invalid")
        assert problem["errors"][0]["parameter"] == "limit"

    async def test_a_body_that_is_no_json_is_said_to_be_none(self, api: Api) -> None:
        headers = {"Content-Type": "application/json"}
        answer = await api.http.put("/v1/runs/r1", content=b"{", headers=headers)
        check_problem(answer, 400, "not-json")

    async def test_unknown_addresses_and_methods_are_problems_too(self, api: Api) -> None:
        check_problem(await api.http.get("/nowhere"), 404, "not-found")
        check_problem(await api.http.delete("/v1/runs"), 405, "method-not-allowed")
        check_problem(await api.http.get("/v1/runs/unheard-of"), 404, "not-found")
        check_problem(await api.http.post("/v1/runs/unheard-of/end"), 404, "not-found")
        check_problem(await api.http.get("/v1/monitors/unheard-of"), 404, "not-found")
        check_problem(await api.http.get("/v1/runs?after=%2B%2B"), 400, "name-refused")

    async def test_without_redis_writes_are_unavailable_with_a_time_to_retry(self, core: Core, bundle: Path) -> None:
        nowhere = dataclasses.replace(core, client=build_client("unix:///nowhere.sock"))
        async for api in serving(nowhere, read_settings(bundle=bundle)):
            answer = await api.http.post("/v1/runs/r1/steps", json={})
            check_problem(answer, 503, "log-unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            check_problem(await api.http.get("/v1/runs"), 503, "log-unavailable")
            assert (await api.http.get("/readyz")).status_code == 503
            assert (await api.http.get("/livez")).status_code == 200
            assert (await api.http.get("/metrics")).status_code == 200


class TestWithoutBundle:
    async def test_steps_are_refused_with_what_to_do(self, without_bundle: Api) -> None:
        for answer in (
            await without_bundle.http.post("/v1/runs/r1/steps", json={}),
            await without_bundle.http.put("/v1/runs/r1", json={}),
        ):
            problem = check_problem(answer, 503, "no-monitor")
            assert "--bundle" in problem["detail"]
            assert answer.headers["retry-after"]

    async def test_readiness_says_what_to_do(self, without_bundle: Api) -> None:
        answer = await without_bundle.http.get("/readyz")
        assert answer.status_code == 503
        assert "--bundle" in answer.text


class TestRuns:
    async def test_a_run_is_described_scored_and_judged(self, api: Api) -> None:
        assert (await api.http.put("/v1/runs/r1", json={"agent": "bot", "tags": {"env": "x"}})).status_code == 201
        assert (await api.http.put("/v1/runs/r1", json={"task": "t1"})).status_code == 200
        steps = [{"n": 0}, {"n": 1, "bad": 3}, {"n": 2, "explode": True}]
        async with api.working():
            await api.http.post("/v1/runs/r1/steps?wait=score", json=steps)
        outcome = {"success": False, "intervened": True}
        assert (await api.http.post("/v1/runs/r1/outcome", json=outcome)).status_code == 200
        run = (await api.http.get("/v1/runs/r1")).json()
        assert (run["agent"], run["task"], run["tags"]) == ("bot", "t1", {"env": "x"})
        assert (run["state"], run["success"], run["intervened"]) == ("failed", False, True)
        assert (run["steps"], run["scored"], run["parked"], run["alerts"]) == (3, 3, 1, 1)
        assert run["monitor_id"] == api.monitor_id
        assert [score["position"] for score in run["scores"]] == [0, 1, 2]
        assert [score["parked"] for score in run["scores"]] == [False, False, True]
        assert [score["score"] for score in run["scores"][:2]] == offline_scores(steps[:2])
        (alert,) = run["alert_list"]
        assert (alert["position"], alert["episode"]) == (1, 1)

    async def test_scores_can_be_read_from_a_position_on(self, api: Api) -> None:
        async with api.working():
            await api.http.post("/v1/runs/r1/steps?wait=score", json=[{"n": n} for n in range(10)])
        run = (await api.http.get("/v1/runs/r1?first=3&limit=4")).json()
        assert [score["position"] for score in run["scores"]] == [3, 4, 5, 6]

    async def test_pages_hold_every_run_once_newest_first(self, api: Api) -> None:
        names = [f"r{n}" for n in range(23)]
        # All at once: many runs of one millisecond must not be lost between pages.
        await asyncio.gather(*(api.http.post(f"/v1/runs/{name}/steps", json={}) for name in names))
        seen: list[str] = []
        created: list[int] = []
        after: str | None = ""
        while after is not None:
            page = (await api.http.get("/v1/runs", params={"limit": 5, **({"after": after} if after else {})})).json()
            seen += [run["run_id"] for run in page["runs"]]
            created += [run["created_ms"] for run in page["runs"]]
            after = page["next"]
        assert sorted(seen) == sorted(names)
        assert created == sorted(created, reverse=True)

    async def test_runs_are_filtered_by_state_and_agent(self, api: Api) -> None:
        for name, agent in (("r1", "x"), ("r2", "y"), ("r3", "x")):
            await api.http.put(f"/v1/runs/{name}", json={"agent": agent})
        await api.http.post("/v1/runs/r3/outcome", json={"success": True})
        by_agent = (await api.http.get("/v1/runs?agent=x")).json()["runs"]
        assert {run["run_id"] for run in by_agent} == {"r1", "r3"}
        by_state = (await api.http.get("/v1/runs?state=succeeded")).json()["runs"]
        assert [run["run_id"] for run in by_state] == ["r3"]

    async def test_runs_are_filtered_by_time_of_creation_over_pages(self, api: Api) -> None:
        created: list[int] = []
        for name in "abcdef":
            await api.http.put(f"/v1/runs/{name}", json={})
            created.append((await api.http.get(f"/v1/runs/{name}")).json()["created_ms"])
            await asyncio.sleep(0.003)
        query: dict[str, Any] = {"since_ms": created[1], "until_ms": created[4], "limit": 2}
        first = (await api.http.get("/v1/runs", params=query)).json()
        second = (await api.http.get("/v1/runs", params=query | {"after": first["next"]})).json()
        assert [run["run_id"] for run in first["runs"] + second["runs"]] == ["d", "c", "b"]
        assert second["next"] is None

    async def test_runs_are_filtered_by_monitor_and_latest_risk(self, api: Api) -> None:
        async with api.working():
            await api.http.post("/v1/runs/calm/steps?wait=score", json={"bad": -2})
            await api.http.post("/v1/runs/risky/steps?wait=score", json={"bad": 3})
            await api.http.post("/v1/runs/over/steps?wait=score", json=[{"bad": 3}, {"bad": -5}])
        await api.http.put("/v1/runs/new", json={})
        risky = (await api.http.get("/v1/runs?min_risk=0.5")).json()["runs"]
        assert [run["run_id"] for run in risky] == ["risky"]
        scored = (await api.http.get("/v1/runs?min_risk=0")).json()["runs"]
        assert {run["run_id"] for run in scored} == {"calm", "risky", "over"}
        assert len((await api.http.get(f"/v1/runs?monitor={api.monitor_id}")).json()["runs"]) == 4
        assert (await api.http.get("/v1/runs?monitor=m-other")).json()["runs"] == []
        for wrong in ("min_risk=nan", "min_risk=2", "since_ms=-1"):
            check_problem(await api.http.get(f"/v1/runs?{wrong}"), 422, "invalid")

    async def test_alerts_are_listed_newest_first_and_by_run(self, api: Api) -> None:
        async with api.working():
            for name in ("r1", "r2", "r3"):
                await api.http.post(f"/v1/runs/{name}/steps?wait=score", json={"bad": 3})
                await asyncio.sleep(0.003)
        listed = (await api.http.get("/v1/alerts?limit=2")).json()
        assert [alert["run_id"] for alert in listed["alerts"]] == ["r3", "r2"]
        rest = (await api.http.get("/v1/alerts", params={"after": listed["next"]})).json()
        assert [alert["run_id"] for alert in rest["alerts"]] == ["r1"]
        of_one = (await api.http.get("/v1/alerts?run_id=r2")).json()["alerts"]
        assert [alert["run_id"] for alert in of_one] == ["r2"]


class TestMonitors:
    async def test_the_monitor_is_the_bundle_s(self, api: Api, bundle: Path) -> None:
        assert api.monitor_id == read_monitor_id(bundle)
        (listed,) = (await api.http.get("/v1/monitors")).json()["monitors"]
        assert (listed["monitor_id"], listed["active"]) == (api.monitor_id, True)
        detail = (await api.http.get(f"/v1/monitors/{api.monitor_id}")).json()
        assert detail["manifest"]["alpha"] == 0.25
        assert detail["event_unit"] == "json"
        assert 1 <= len(detail["examples"]) <= 3

    async def test_a_preview_shows_the_step_view_and_stores_nothing(self, api: Api) -> None:
        step = {"role": "assistant", "content": "Let me see."}
        answer = (await api.http.post("/v1/monitors/active/preview", json=step)).json()
        assert answer["known"]
        assert (answer["view"]["action"], answer["view"]["actions"]) == ("Let me see.", 1)
        odd = (await api.http.post("/v1/monitors/active/preview", json={"role": "martian"})).json()
        assert not odd["known"]
        assert await api.core.client.keys("*run:*") == []


class TestGuards:
    async def test_with_a_key_nothing_under_v1_answers_without_it(self, guarded: Api) -> None:
        document = (await guarded.http.get("/openapi.json")).json()
        assert len(document["paths"]) > 10
        for path, methods in document["paths"].items():
            for method in methods:
                answer = await guarded.http.request(method, path.replace("{", "").replace("}", ""))
                if path in {"/v1/traces", "/v1/logs"}:
                    # In OpenTelemetry's words; see test_otlp.
                    assert answer.status_code == 401
                elif path.startswith("/v1"):
                    check_problem(answer, 401, "unauthenticated")
                if path.startswith("/v1"):
                    assert answer.headers["www-authenticate"].startswith("Bearer")
                else:
                    assert answer.status_code != 401

    @pytest.mark.parametrize(
        "header", ["Bearer wrong", "Basic " + KEY, KEY, "Bearer", "bearer " + KEY + "x", "Bearer \xff"]
    )
    async def test_wrong_credentials_are_refused(self, guarded: Api, header: str) -> None:
        answer = await guarded.http.post(
            "/v1/runs/r1/steps", json={}, headers=[(b"Authorization", header.encode("latin-1"))]
        )
        check_problem(answer, 401, "unauthenticated")

    async def test_the_key_opens(self, guarded: Api) -> None:
        headers = {"Authorization": f"Bearer {KEY}"}
        assert (await guarded.http.post("/v1/runs/r1/steps", json={}, headers=headers)).status_code == 202
        assert (await guarded.http.get("/v1/runs", headers=headers)).status_code == 200

    async def test_without_a_key_other_host_names_are_not_answered(self, api: Api) -> None:
        for host in ("evil.example", "127.0.0.1.evil.example", ""):
            check_problem(await api.http.get("/v1/runs", headers={"Host": host}), 421, "misdirected")
        for host in ("localhost:8080", "127.0.0.1", "[::1]:8080"):
            assert (await api.http.get("/v1/runs", headers={"Host": host})).status_code == 200

    async def test_answers_carry_security_headers(self, api: Api) -> None:
        for path in ("/livez", "/nowhere", "/v1/runs"):
            headers = (await api.http.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in headers["content-security-policy"]


class TestOperations:
    async def test_readiness_follows_the_workers(self, api: Api) -> None:
        assert (await api.http.get("/readyz")).status_code == 503
        async with api.working() as leases:
            async with asyncio.timeout(5):
                while len(leases.held) < PARTITIONS:  # noqa: ASYNC110 - another loop changes it
                    await asyncio.sleep(0.01)
            await leases.tick()
            answer = await api.http.get("/readyz?verbose")
            assert answer.status_code == 200, answer.text
            checks = {check["name"]: check for check in answer.json()["checks"]}
            assert checks["persistence"]["detail"] == "appendfsync always"
            assert checks["eviction"]["detail"] == "maxmemory-policy noeviction"
            assert "4 of 4 partitions" in checks["workers"]["detail"]
        assert (await api.http.get("/readyz")).status_code == 503

    async def test_metrics_count_what_was_done(self, api: Api) -> None:
        await api.http.post("/v1/runs/r1/steps?envelope=true", json=[{"step": {}, "id": "x"}, {"step": {}, "id": "x"}])
        await api.http.post("/v1/runs/r1/steps", json=5)
        text = (await api.http.get("/metrics")).text
        assert "forewarn_steps_accepted_total 1.0" in text
        assert "forewarn_steps_duplicate_total 1.0" in text
        assert 'forewarn_step_requests_refused_total{problem="RawStepRefused"} 1.0' in text
        assert text.count("forewarn_backlog_steps{") == PARTITIONS

    async def test_the_openapi_document_lists_the_routes(self, api: Api) -> None:
        document = (await api.http.get("/openapi.json")).json()
        for path in ("/v1/runs/{run_id}/steps", "/v1/runs/{run_id}/outcome", "/v1/alerts", "/v1/webhooks", "/readyz"):
            assert path in document["paths"]
        assert orjson.dumps(document)

    async def test_a_body_that_is_no_text_is_told_in_words(self, api: Api) -> None:
        answer = await api.http.post("/v1/keys", content=b"\xff{", headers={"Content-Type": "application/json"})
        check_problem(answer, 400, "bad-request")
        assert answer.json()["title"] == "The request cannot be read"

    @pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
    async def test_no_page_shows_that_document_since_it_would_load_scripts_from_elsewhere(
        self, api: Api, path: str
    ) -> None:
        answer = await api.http.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 404
        assert "/openapi.json" in answer.json()["detail"]

    async def test_that_document_is_json_with_which_a_browser_may_do_nothing(self, api: Api) -> None:
        answer = await api.http.get("/openapi.json")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"

    async def test_webhook_errors_are_problems(self, api: Api) -> None:
        answer = await api.http.post("/v1/webhooks", json={"url": "http://10.0.0.1/x"})
        check_problem(answer, 422, "target-refused")
