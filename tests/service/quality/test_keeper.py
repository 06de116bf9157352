"""Looks at runs that ended, over a real Redis, and what the API and /metrics tell of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitors.bundle.manifest import Manifest
from service.core.outcomes import Outcome, say_outcome
from service.core.quality.flagged import FlagNews
from service.core.quality.keeper import QualityKeeper
from service.errors import LogUnavailable
from service.redis_log.quality import RedisQualityStore
from service.settings import read_settings
from tests.service.conftest import Core
from tests.service.fakes import FakeMonitor
from tests.service.quality.made import manifest
from tests.service.test_api import Api, serving
from tests.tiny_bundle import shared_tiny_bundle

GOOD, BAD = b'{"bad": 0}', b'{"bad": 3}'


def keeper_of(core: Core, made: Manifest | None) -> QualityKeeper:
    store = RedisQualityStore(core.client, core.keys, core.reader)
    return QualityKeeper(store, lambda _: made, 0.01, settled_ms=-1000)


async def played(core: Core, run_id: str, *steps: bytes) -> None:
    await core.post(run_id, *steps)
    await core.until_scored(run_id, len(steps))


async def test_a_report_follows_outcomes_as_they_come_and_are_corrected(core: Core) -> None:
    keeper = keeper_of(core, manifest([0.0] * 20))
    async with core.working(is_control=lambda ref: ref.run_id == "r3"):
        for number, steps in enumerate([(GOOD,), (GOOD, BAD), (BAD,), (BAD,)]):
            await played(core, f"r{number}", *steps)
        for run_id, success in (("r0", True), ("r1", True), ("r2", False), ("r3", False)):
            await say_outcome(core.log, core.ref(run_id), Outcome(success))
    report = (await keeper.reports(0))["default", "m-fake"]
    assert report["counts"] == {"successes": 2, "failures": 2, "intervened": 0, "unlabelled": 0, "control": 1}
    assert (report["all"]["precision"]["hits"], report["all"]["precision"]["of"]) == (2, 3)
    assert report["all"]["control"]["recall"]["value"] == 1.0
    assert report["all"]["false_alarms"]["value"] == 0.5
    assert report["recent"]["calibration"]["runs"] == 4
    await say_outcome(core.log, core.ref("r1"), Outcome(False, True))
    report = (await keeper.reports(-1))["default", "m-fake"]
    assert report["counts"]["intervened"] == 1
    assert report["recent"]["false_alarms"] == report["all"]["false_alarms"]
    assert report["all"]["false_alarms"]["value"] == 0.0
    assert report["recent"]["calibration"]["runs"] == 3


async def test_each_run_that_ended_is_looked_at_once_by_whoever_looks(core: Core) -> None:
    made = manifest([0.0] * 20)
    store = RedisQualityStore(core.client, core.keys, core.reader)
    one, other = keeper_of(core, made), keeper_of(core, made)
    async with core.working():
        for number in range(9):
            await played(core, f"r{number}", GOOD, BAD)
            await core.log.end(core.ref(f"r{number}"))
    runs, cursors, more = await store.read_ended({}, 2**53, 4)
    assert more
    left, _, _ = await store.read_ended(cursors, 2**53, 100)
    assert len(runs) + len(left) == 9
    while await one.look():
        pass
    kept = await store.read_kept()
    await other.look()
    assert await store.read_kept() == kept
    assert not await store.write_kept(b"stale", {"x": b"y"})


@pytest.mark.parametrize("crowded", [0, 1, 3])
async def test_the_newest_outcomes_are_found_wherever_they_are(core: Core, crowded: int) -> None:
    """Every fourth outcome, or all of them in one partition but for a few."""
    for number in range(200):
        partition = number % 4 if not crowded or number < 10 else crowded
        await core.client.zadd(core.keys[partition].labelled, {f"default:r{number}": number})
    store = RedisQualityStore(core.client, core.keys, core.reader)
    for count in (1, 60, 150, 500):
        newest = {f"default:r{number}": number for number in range(max(0, 200 - count), 200)}
        assert await store.newest_labelled(count) == newest


async def test_runs_that_ended_in_one_moment_are_looked_at_together_and_named_nowhere(core: Core) -> None:
    async with core.working():
        for number in range(6):
            await played(core, f"secret-{number}", GOOD)
            await core.log.end(core.ref(f"secret-{number}"))
    for keys in (core.keys[partition] for partition in range(core.keys.count)):
        for name in await core.client.zrange(keys.ended, 0, -1):
            await core.client.zadd(keys.ended, {name: 1_000})
    store = RedisQualityStore(core.client, core.keys, core.reader)
    runs, cursors, _ = await store.read_ended({}, 2**53, 1)
    assert len(runs) == 6
    assert await store.read_ended(cursors, 2**53, 1) == ([], cursors, False)
    keeper = keeper_of(core, manifest([0.0] * 20))
    await keeper.look()
    kept = await store.read_kept()
    assert b"secret" not in kept["cursors"]


async def test_a_flag_is_kept_and_then_told_once(core: Core) -> None:
    told: list[FlagNews] = []

    async def tell(news: FlagNews) -> None:
        told.append(news)
        if len(told) == 1:
            raise LogUnavailable("the first try fails")

    store = RedisQualityStore(core.client, core.keys, core.reader)
    made = manifest([float(number) for number in range(100)])
    keepers = [QualityKeeper(store, lambda _: made, 0.01, settled_ms=-1000, tell=tell) for _ in range(2)]
    await core.client.hset(core.keys[0].tally, mapping={"default:m:0:1000": 900, "default:m:0:1010": 600})
    await keepers[0].look()
    assert not told, "what is told can be looked up"
    report = (await keepers[0].reports(-1))["default", "m"]
    assert [(flag["test"], "told" in flag) for flag in report["flags"]] == [("promise", False)]
    with pytest.raises(LogUnavailable):
        await keepers[1].look()
    for keeper in (*keepers, *keepers):
        await keeper.look()
    assert len(told) == 2, "once, and the try that failed"
    assert told[0] == told[1]
    assert (told[1].project, told[1].monitor_id, told[1].test, told[1].flag.runs) == ("default", "m", "promise", 1500)
    assert told[1].figures is not None
    assert told[1].figures["false_alarms"]["hits"] == 600


async def test_a_project_that_is_forgotten_leaves_no_count(core: Core) -> None:
    keeper = keeper_of(core, manifest([0.0] * 20))
    async with core.working():
        await played(core, "r", GOOD)
        await say_outcome(core.log, core.ref("r"), Outcome(True))
    await keeper.look()
    assert await keeper.reports(-1)
    store = RedisQualityStore(core.client, core.keys, core.reader)
    await store.forget("default")
    assert await keeper.reports(-1) == {}
    assert set(await store.read_kept()) <= {"cursors"}


@pytest.fixture
async def api(core: Core, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    bundle: Path = shared_tiny_bundle(tmp_path_factory.getbasetemp()).path
    async for one in serving(core, read_settings(bundle=bundle)):
        yield one


async def test_of_a_monitor_without_runs_nothing_is_said_but_what_its_bundle_says(api: Api) -> None:
    blank = (await api.http.get("/v1/monitors/active/quality")).json()
    assert (blank["monitor_id"], blank["all"]["precision"]["value"]) == (api.monitor_id, None)
    assert blank["coverage"]["reference_runs"] > 9
    assert (await api.http.get("/v1/monitors/m-nowhere/quality")).status_code == 404


async def test_quality_is_told_by_the_api_and_as_metrics(api: Api) -> None:
    async with api.working():
        await api.http.post("/v1/runs/r1/steps?wait=score", json=[{"n": 0}, {"n": 1, "bad": 3}])
    said = await api.http.post("/v1/runs/r1/outcome", json={"success": False})
    assert said.json() == {"run_id": "r1", "success": False, "intervened": None, "changed": True}
    run = (await api.http.get("/v1/runs/r1")).json()
    assert (run["control"], run["hidden_alerts"]) == (False, 0)
    (report,) = (await api.http.get("/v1/quality")).json()["monitors"]
    assert report["all"]["recall"] | {"low": 0, "high": 0} == {"hits": 1, "of": 1, "value": 1.0, "low": 0, "high": 0}
    assert sum(one["share"] for one in report["recent"]["calibration"]["bins"] if one) == pytest.approx(1)
    page = (await api.http.get(f"/monitors/{api.monitor_id}")).text
    assert "live runs: 1 runs" in page
    assert '<g class="live">' in page
    text = (await api.http.get("/metrics")).text
    assert f'forewarn_recall_ratio{{monitor="{api.monitor_id}",project="default",runs="all"}} 1.0' in text
    assert "forewarn_promised_false_alarms_ratio" in text


async def test_the_share_of_control_runs_is_set_by_the_project(api: Api) -> None:
    assert (await api.http.get("/v1/feedback")).json() == {"control_ratio": 0.0}
    assert (await api.http.put("/v1/feedback", json={"control_ratio": 0.2})).json() == {"control_ratio": 0.2}
    assert (await api.http.get("/v1/feedback")).json() == {"control_ratio": 0.2}
    assert (await api.http.put("/v1/feedback", json={"control_ratio": 1.5})).status_code == 422


async def test_nothing_that_the_api_says_of_a_control_run_tells_of_its_alert(api: Api) -> None:
    async with api.core.working(monitor=FakeMonitor(api.monitor_id), is_control=lambda _: True):
        answer = await api.http.post("/v1/runs/r1/steps?wait=score", json=[{"n": 0}, {"n": 1, "bad": 3}])
    steps = answer.json()["steps"]
    assert [(step["state"], step["alert"]) for step in steps] == [("ok", False), ("ok", False)]
    run = (await api.http.get("/v1/runs/r1")).json()
    assert (run["state"], run["alerts"], run["alert_list"]) == ("ok", 0, [])
    assert (run["control"], run["hidden_alerts"]) == (None, None)
    assert {(score["state"], score["alert"]) for score in run["scores"]} == {("ok", False)}
    assert (await api.http.get("/v1/alerts")).json()["alerts"] == []
    await api.http.post("/v1/runs/r1/outcome", json={"success": False})
    run = (await api.http.get("/v1/runs/r1")).json()
    assert (run["state"], run["control"], run["hidden_alerts"], run["alerts"]) == ("failed", True, 1, 0)
