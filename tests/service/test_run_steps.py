"""A page of a run's steps: out of the stream or the archive, as the monitor reads them, and what moved the score."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from monitors import Monitor
from service.archive.files import FileArchive
from service.core.moving import explain_steps
from service.core.run_steps import RunStep
from service.records import RunRef, ScoreRecord
from service.redis_log.waiting_steps import RedisWaitingSteps
from service.settings import read_settings
from tests.service.conftest import Core
from tests.service.fakes import FakeMonitor
from tests.service.test_api import Api, bundle, check_problem, serving

__all__ = ["bundle"]
KINDS = ("embedded",)
STEPS: list[dict[str, Any]] = [{"role": "user", "content": f"Where is order {n}? It failed again."} for n in range(5)]


@pytest.fixture
async def api(core: Core, bundle: Path, tmp_path: Path) -> AsyncIterator[Api]:
    async for one in serving(core, read_settings(bundle=bundle, data_dir=tmp_path)):
        yield one


async def page(api: Api, query: str = "", run_id: str = "r1") -> dict[str, Any]:
    answer = await api.http.get(f"/v1/runs/{run_id}/steps{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def score(api: Api, folder: Path | None, bundle: Path) -> None:
    """Post the steps, and let a real monitor score them; with a folder, until they are archived and trimmed."""
    api.core.archived = True
    await api.http.post("/v1/runs/r1/steps", json=STEPS)
    archive = None if folder is None else FileArchive(folder, "w1")
    async with api.core.working(monitor=Monitor.read(bundle, device="cpu", verify=False), archive=archive):
        await api.core.until_scored("r1", len(STEPS))
        keys = api.core.keys.of_run(api.core.ref("r1"))
        for _ in range(500):
            if archive is None or not await api.core.client.xlen(keys.steps):
                break
            await asyncio.sleep(0.02)
    if archive is not None:
        archive.close()


class TestSteps:
    @pytest.mark.parametrize("archived", [False, True])
    async def test_are_read_back_equal_from_the_stream_and_from_the_archive(
        self, api: Api, bundle: Path, tmp_path: Path, archived: bool
    ) -> None:
        await score(api, tmp_path / "archive" if archived else None, bundle)
        shown = await page(api)
        assert [step["raw"] for step in shown["steps"]] == STEPS
        assert [step["position"] for step in shown["steps"]] == list(range(5))
        assert {step["raw_missing"] for step in shown["steps"]} == {None}
        scores = (await api.http.get("/v1/runs/r1")).json()["scores"]
        for name in ("turn", "risk", "failure_probability", "symbol"):
            assert [step[name] for step in shown["steps"]] == [one[name] for one in scores]
        assert shown["next"] is None

    async def test_come_with_their_fields_and_with_what_moved_the_score(
        self, api: Api, bundle: Path, tmp_path: Path
    ) -> None:
        await score(api, tmp_path / "archive", bundle)
        whole = (await page(api))["steps"]
        preview = await api.http.post("/v1/monitors/active/preview", json=STEPS[2])
        assert whole[2]["view"] == preview.json()["view"]
        assert all(step["moved"] is not None for step in whole)
        parts = [part for step in whole for part in step["moved"]]
        assert parts
        assert all(set(part) == {"field", "text", "weight"} for part in parts)
        # A page in the middle tells the same, although what came before has to be scored again for it.
        assert (await page(api, "?first=2&limit=2"))["steps"] == whole[2:4]
        assert {step["moved"] for step in (await page(api, "?moved=false"))["steps"]} == {None}

    async def test_go_on_where_next_says(self, api: Api, bundle: Path, tmp_path: Path) -> None:
        await score(api, tmp_path / "archive", bundle)
        seen, first = [], 0
        while first is not None:
            shown = await page(api, f"?first={first}&limit=2")
            seen += [step["raw"] for step in shown["steps"]]
            first = shown["next"]
        assert seen == STEPS
        assert await page(api, "?first=5") == {"steps": [], "next": None}

    async def test_not_scored_yet_have_no_figures(self, api: Api) -> None:
        await api.http.post("/v1/runs/r1/steps", json=STEPS)
        (step, *_) = (await page(api))["steps"]
        assert (step["raw"], step["risk"], step["turn"], step["symbol"]) == (STEPS[0], None, None, None)
        assert step["moved"] is None

    async def test_say_that_this_machine_keeps_none(self, api: Api, bundle: Path, tmp_path: Path) -> None:
        await score(api, tmp_path / "elsewhere", bundle)
        steps = (await page(api))["steps"]
        assert {(step["raw"], step["raw_missing"], step["view"], step["moved"]) for step in steps} == {
            (None, "not kept here", None, None)
        }
        assert all(step["risk"] is not None for step in steps)

    async def test_say_that_the_archive_has_them_not(self, api: Api, bundle: Path, tmp_path: Path) -> None:
        (tmp_path / "archive").mkdir()
        await score(api, tmp_path / "elsewhere", bundle)
        assert {step["raw_missing"] for step in (await page(api))["steps"]} == {"not in the archive"}

    async def test_that_are_parked_say_so_and_hide_no_others(self, api: Api, tmp_path: Path) -> None:
        api.core.archived = True
        await api.http.post("/v1/runs/r1/steps", json=[{"n": 0}, {"explode": True}, {"n": 2}])
        with closing(FileArchive(tmp_path / "archive", "w1")) as archive:
            async with api.core.working(monitor=FakeMonitor(api.monitor_id), archive=archive):
                await api.core.until_scored("r1", 3)
        steps = (await page(api))["steps"]
        assert [step["raw"] for step in steps][::2] == [{"n": 0}, {"n": 2}]
        # The bundle gives other scores than the test's own monitor: nothing is claimed of what moved those.
        assert {step["moved"] for step in steps} == {None}

    async def test_of_a_run_that_is_not_there_are_not_found(self, api: Api) -> None:
        check_problem(await api.http.get("/v1/runs/none/steps"), 404, "not-found")

    @pytest.mark.parametrize("query", ["?limit=0", "?limit=201", "?first=-1", "?first=x"])
    async def test_asked_for_beyond_the_limits_are_refused(self, api: Api, query: str) -> None:
        assert (await api.http.get(f"/v1/runs/r1/steps{query}")).status_code in {400, 422}


async def test_a_project_that_keeps_no_content_shows_no_word_even_of_what_was_archived(
    core: Core, bundle: Path, tmp_path: Path
) -> None:
    async for api in serving(core, read_settings(bundle=bundle, data_dir=tmp_path, content="none")):
        await score(api, tmp_path / "archive", bundle)
        shown = await page(api)
        assert {step["raw_missing"] for step in shown["steps"]} == {"no-content"}
        assert {step["moved"] for step in shown["steps"]} == {None}
        assert "order" not in orjson.dumps(shown).decode()


async def test_of_a_long_stream_only_so_much_is_looked_through(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.redis_log.waiting_steps.LOOKED_AT", 64)
    await core.post("r1", *[orjson.dumps({"n": n}) for n in range(100)])
    waiting = RedisWaitingSteps(core.client, core.keys)
    assert sorted(await waiting.read(RunRef("default", "r1"), range(100), 0)) == list(range(64))
    assert await waiting.read(RunRef("other", "r1"), range(100), 0) == {}


def test_nothing_is_claimed_from_the_first_step_on_that_scores_otherwise_than_it_did() -> None:
    monitor = FakeMonitor()
    state, steps = monitor.initial_state(), []
    for position in range(4):
        raw = {"n": position}
        ((state, verdict),) = monitor.advance([state], [raw])
        score = verdict.score + (1.0 if position == 2 else 0.0)
        record = ScoreRecord(verdict.turn, verdict.risk, verdict.risk, score, verdict.symbol, 0)
        steps.append(RunStep(position, record, orjson.dumps(raw), None))
    assert sorted(explain_steps(monitor, steps, 0)) == [0, 1]
    assert sorted(explain_steps(monitor, steps, 1)) == [1]
