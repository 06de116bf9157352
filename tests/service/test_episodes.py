"""What becomes of an alert episode: the whole table, and the same seen through the API."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from monitors.decision import DecisionRule, Standing
from service.core.alerting import alert_id
from service.core.episodes import alert_state
from service.core.runs import run_state
from service.records import Cutoffs, RunRecord, RunRef, RunSummary
from service.settings import read_settings
from tests.service.conftest import Core
from tests.service.test_api import Api, check_problem, serving
from tests.tiny_bundle import shared_tiny_bundle

REF = RunRef("default", "r")


def run(
    *, warning: bool, alerts: int, ended: bool = False, success: bool | None = None, seen: bool = False
) -> RunRecord:
    summary = RunSummary(steps=5, warning=warning, alerts=alerts)
    return RunRecord(REF, 0, 0, 5, 9 if ended else None, success, summary=summary, acknowledged=seen)


# Each line: the run is in an episode, how many it has had, it is over; then the states of its first and second
# episode, each unacknowledged and acknowledged.
TABLE = [
    (True, 1, False, ("warning", "acknowledged"), None),
    (False, 1, False, ("recovered", "recovered"), None),
    (True, 2, False, ("recovered", "recovered"), ("warning", "acknowledged")),
    (False, 2, False, ("recovered", "recovered"), ("recovered", "recovered")),
    (True, 1, True, ("closed", "closed"), None),
    (False, 1, True, ("closed", "closed"), None),
    (True, 2, True, ("closed", "closed"), ("closed", "closed")),
    (False, 2, True, ("closed", "closed"), ("closed", "closed")),
]


@pytest.mark.parametrize(("warning", "alerts", "over", "first", "second"), TABLE)
@pytest.mark.parametrize("way", ["ended", "succeeded", "failed"])
def test_the_state_of_every_episode_in_every_state_of_its_run(
    warning: bool, alerts: int, over: bool, first: tuple[str, str], second: tuple[str, str] | None, way: str
) -> None:
    success = {"ended": None, "succeeded": True, "failed": False}[way] if over else None
    record = run(warning=warning, alerts=alerts, ended=over and way == "ended", success=success)
    for episode, expected in ((1, first), (2, second)):
        if expected is not None:
            found = tuple(alert_state(record, episode, acknowledged=seen) for seen in (False, True))
            assert found == expected


def test_an_alert_whose_run_is_forgotten_is_closed() -> None:
    assert {alert_state(None, 1, acknowledged=seen) for seen in (False, True)} == {"closed"}


def test_nothing_leads_back_to_warning_but_a_new_episode() -> None:
    """Every path of four events through the decision rule, an acknowledgement and an end: an episode's states only go
    forward."""
    order = ["warning", "acknowledged", "recovered", "closed"]
    rule = DecisionRule(2.0, 1.0)
    for events in itertools.product(["rise", "fall", "stay", "acknowledge", "end"], repeat=4):
        standing, _ = rule.next_standing(Standing(), 1, 3.0, 0.5)
        seen, ended, states = False, False, ["warning"]
        for event in events:
            if event in {"rise", "fall", "stay"} and not ended:
                standing, _ = rule.next_standing(standing, 1, {"rise": 3.0, "fall": 0.5, "stay": 1.5}[event], 0.5)
            seen, ended = seen or event == "acknowledge", ended or event == "end"
            record = run(warning=standing.warning, alerts=standing.episodes, ended=ended)
            states.append(alert_state(record, 1, acknowledged=seen))
        ranks = [order.index(state) for state in states]
        assert ranks == sorted(ranks), (events, states)


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (run(warning=False, alerts=0), "ok"),
        (run(warning=True, alerts=1), "warning"),
        (run(warning=True, alerts=1, seen=True), "acknowledged"),
        (run(warning=False, alerts=1), "recovered"),
        (run(warning=True, alerts=1, ended=True), "ended"),
        (run(warning=True, alerts=1, success=False), "failed"),
        (run(warning=False, alerts=1, ended=True, success=True), "succeeded"),
    ],
)
def test_the_run_s_own_state_follows(record: RunRecord, state: str) -> None:
    assert run_state(record) == state


@pytest.mark.parametrize(
    ("scores", "episodes"),
    [
        ([3.0, 1.5, 3.0], 1),  # between release and threshold it is the same episode
        ([3.0, 1.0, 3.0], 2),
        ([2.0], 0),  # strictly above
    ],
)
def test_hysteresis_keeps_one_alert_an_episode(scores: list[float], episodes: int) -> None:
    standing = Standing()
    for score in scores:
        standing, _ = DecisionRule(2.0, 1.0).next_standing(standing, 1, score, 0.5)
    assert standing.episodes == episodes


def test_no_episode_opens_before_the_minimum_of_turns() -> None:
    rule, standing, opened = DecisionRule(2.0, 1.0, min_turns=3), Standing(), []
    for turn in range(1, 5):
        standing, opens = rule.next_standing(standing, turn, 3.0, 0.5)
        opened.append(opens)
    assert opened == [False, False, True, False]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp()).path


@pytest.fixture
async def api(core: Core, bundle: Path) -> AsyncIterator[Api]:
    async for one in serving(core, read_settings(bundle=bundle)):
        yield one


async def post(api: Api, run_id: str, *raw_steps: dict[str, Any]) -> None:
    answer = await api.http.post(f"/v1/runs/{run_id}/steps?wait=score", json=list(raw_steps))
    assert answer.status_code == 200, answer.text


async def only_alert(api: Api, **query: str) -> dict[str, Any]:
    (alert,) = (await api.http.get("/v1/alerts", params=query)).json()["alerts"]
    return dict(alert)


async def runs_in(api: Api, state: str) -> list[str]:
    return [one["run_id"] for one in (await api.http.get("/v1/runs", params={"state": state})).json()["runs"]]


class TestThroughTheApi:
    async def test_an_episode_is_opened_acknowledged_left_and_closed(self, api: Api) -> None:
        async with api.working():
            await post(api, "r", {"bad": 3})
            alert = await only_alert(api, state="warning")
            assert (alert["acknowledgement"], (await api.http.get("/v1/runs/r")).json()["state"]) == (None, "warning")

            said = await api.http.post(f"/v1/alerts/{alert['id']}/acknowledge", json={"by": "ann", "note": "on it"})
            assert said.status_code == 200
            assert said.json()["state"] == (await api.http.get("/v1/runs/r")).json()["state"] == "acknowledged"
            assert (said.json()["acknowledgement"]["by"], said.json()["acknowledgement"]["note"]) == ("ann", "on it")
            assert (await only_alert(api, state="acknowledged"))["id"] == alert["id"]
            assert await runs_in(api, "acknowledged") == ["r"]

            await post(api, "r", {"bad": -3})
            assert (await only_alert(api, state="recovered"))["id"] == alert["id"]
            assert await runs_in(api, "recovered") == ["r"]
        await api.http.post("/v1/runs/r/end")
        closed = await only_alert(api, state="closed")
        assert (closed["id"], closed["acknowledgement"]["by"]) == (alert["id"], "ann")

    async def test_saying_it_again_answers_the_same_and_counts_once(self, api: Api) -> None:
        async with api.working():
            await post(api, "r", {"bad": 3})
        path = f"/v1/alerts/{(await only_alert(api))['id']}/acknowledge"
        first = await api.http.post(path, json={"by": "ann"})
        again = await api.http.post(path, json={"by": "bob", "note": "me too"})
        without_body = await api.http.post(path)
        assert first.json() == again.json() == without_body.json()
        assert "forewarn_alerts_acknowledged_total 1.0" in (await api.http.get("/metrics")).text

    async def test_a_new_episode_of_an_acknowledged_run_is_a_new_warning(self, api: Api) -> None:
        async with api.working():
            await post(api, "r", {"bad": 3})
            await api.http.post(f"/v1/alerts/{(await only_alert(api))['id']}/acknowledge")
            await post(api, "r", {"bad": -3}, {"bad": 3})
        listed = (await api.http.get("/v1/runs/r")).json()["alert_list"]
        assert [(one["episode"], one["state"]) for one in listed] == [(1, "recovered"), (2, "warning")]
        assert (await api.http.get("/v1/runs/r")).json()["state"] == "warning"

    async def test_an_unknown_alert_is_not_found(self, api: Api) -> None:
        async with api.working():
            await post(api, "r", {"bad": 3})
        known = (await only_alert(api))["id"]
        foreign = alert_id(RunRef("another", "r"), 1, api.monitor_id)
        for name in ("nonsense", "alert_", foreign, alert_id(api.core.ref("r"), 2, api.monitor_id), known + "A"):
            check_problem(await api.http.get(f"/v1/alerts/{name}"), 404, "not-found")
            check_problem(await api.http.post(f"/v1/alerts/{name}/acknowledge"), 404, "not-found")
        assert (await api.http.get(f"/v1/alerts/{known}")).json()["acknowledgement"] is None

    async def test_a_body_that_does_not_fit_is_refused(self, api: Api) -> None:
        answer = await api.http.post("/v1/alerts/x/acknowledge", json={"by": "a" * 201, "who": 1})
        assert {one["pointer"] for one in check_problem(answer, 422, "invalid")["errors"]} == {"/by", "/who"}

    async def test_alerts_are_filtered_by_severity(self, api: Api) -> None:
        async with api.working():
            await post(api, "mild", {"bad": 2.1})
            await post(api, "wild", {"bad": 9})
        # The fake's failure probability at the threshold is 0.88: critical by the defaults.
        found = (await api.http.get("/v1/alerts?severity=critical")).json()["alerts"]
        assert {one["run_id"] for one in found} == {"mild", "wild"}
        assert (await api.http.get("/v1/alerts?severity=info")).json()["alerts"] == []
        check_problem(await api.http.get("/v1/alerts?severity=grave"), 422, "invalid")

    async def test_filtered_alerts_come_page_by_page(self, api: Api) -> None:
        async with api.working():
            for number in range(6):
                await post(api, f"r{number}", {"bad": 3})
        for number in (1, 4):
            await api.http.post(f"/v1/runs/r{number}/end")
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            query = {"limit": "1", "state": "warning", **({"after": after} if after else {})}
            page = (await api.http.get("/v1/alerts", params=query)).json()
            seen += [one["run_id"] for one in page["alerts"]]
            after = page["next"]
        assert sorted(seen) == ["r0", "r2", "r3", "r5"]

    async def test_what_is_answered_is_what_the_document_describes(self, api: Api) -> None:
        from service.api.alert_views import AlertPage
        from service.api.run_views import RunDetail

        async with api.working():
            await post(api, "r", {"bad": 3, "text": "\x1b]0;title\x07 odd"})
        page = (await api.http.get("/v1/alerts")).json()
        AlertPage.model_validate(page)
        RunDetail.model_validate((await api.http.get("/v1/runs/r")).json())
        assert "\x1b" not in str(page)
        document = (await api.http.get("/openapi.json")).json()
        assert "/v1/alerts/{alert_id}/acknowledge" in document["paths"]
        assert orjson.dumps(document)

    async def test_an_acknowledgement_goes_with_its_run(self, api: Api) -> None:
        async with api.working():
            await post(api, "r", {"bad": 3})
        await api.http.post(f"/v1/alerts/{(await only_alert(api))['id']}/acknowledge")
        lease = await api.core.partitions.acquire(api.core.keys.partition_of(api.core.ref("r")), "w1")
        assert lease is not None
        assert await api.core.partitions.sweep(lease, Cutoffs.same(2**52)) == 1
        assert [key for key in await api.core.client.keys() if key.endswith(b":default:r")] == []
        assert await api.core.client.zcard(api.core.keys.of_run(api.core.ref("r")).alerts) == 0
