"""API, workers and Redis are killed at random under load: no acknowledged step is lost, no score, no alert changes."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from induction.archive.gathering import gather_archive
from induction.archive.selection import Selection
from induction.outcomes import read_outcomes
from induction.reading.gathered import OUTCOMES, RUNS, read_gathered
from monitors.monitor import Monitor
from monitors.stepview import JsonValue
from tests.service.kills.load import PlayedRun, Player
from tests.service.kills.receiver import Receiver, receiving
from tests.service.live import Service, running
from tests.tiny_bundle import TinyBundle

pytestmark = pytest.mark.slow

PLAYERS = 6


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("seed", "for_s"),
    [pytest.param(5, 30, id="30 s"), pytest.param(6, 300, id="5 min", marks=pytest.mark.soak)],
)
def test_kills_at_random_lose_no_acknowledged_step_and_change_no_score_and_no_alert(
    tiny: TinyBundle, tmp_path: Path, seed: int, for_s: int
) -> None:
    settings = {"FOREWARN_WEBHOOK_ALLOW": "127.0.0.1"}
    with (
        receiving(seed) as receiver,
        running(tmp_path, "--bundle", str(tiny.path), "--workers", "2", environment=settings) as service,
    ):
        service.until_ready()
        webhook = service.http.post("/v1/webhooks", json={"url": receiver.url}).json()
        receiver.secret = webhook["secret"]
        players = [Player(number, service.http.base_url, tiny.corpus.runs, seed) for number in range(PLAYERS)]
        for player in players:
            player.start()
        killed = storm(service, random.Random(seed), for_s)
        for player in players:
            player.stop.set()
        for player in players:
            player.join()
            assert player.failure is None, player.failure
        service.until_ready()
        runs = [run for player in players for run in player.played]
        judge = Judge(tiny, service)
        alerts = [alert for run in runs for alert in judge.alerts_of(run)]
        judge.until_delivered(alerts, receiver, webhook["id"])
    assert archived(tmp_path) == {f"default:{run.run_id}": (run.steps, run.success) for run in runs}
    steps = sum(len(run.acknowledged) for run in runs)
    retries = sum(player.retries for player in players)
    print(f"{killed} killed; {len(runs)} runs, {steps} steps acknowledged, {retries} retries, {len(alerts)} alerts")
    assert min(killed.values()) >= 2, killed
    assert retries > 0
    assert alerts


def archived(folder: Path) -> dict[str, tuple[list[JsonValue], bool]]:
    """The archive's runs, put together: their steps and how they ended."""
    gather_archive(folder / "data" / "archive", Selection(), folder / "gathered")
    rows = {row.run: row.success for row in read_outcomes(folder / "gathered" / OUTCOMES)}
    return {str(run.run_id): (run.events, rows[str(run.run_id)]) for run in read_gathered(folder / "gathered" / RUNS)}


def storm(service: Service, rng: random.Random, for_s: float) -> dict[str, int]:
    """Kill one process after the other for so long; how many of each kind were."""
    killed = {"redis": 0, "api": 0, "worker": 0}
    ends = time.monotonic() + for_s
    while time.monotonic() < ends or min(killed.values()) < 2:
        time.sleep(rng.uniform(0.3, 2.0))
        kind = rng.choice(["redis", "api", "worker", "worker"])
        killed[kind] += service.kill(kind, rng)
    return killed


class Judge:
    """Holds what became of runs against the monitor in process."""

    def __init__(self, tiny: TinyBundle, service: Service) -> None:
        self._monitor = Monitor.read(tiny.path)
        self._service = service

    def alerts_of(self, run: PlayedRun) -> list[dict[str, Any]]:
        """The run's alerts. Fails where the run is not what its accepted steps make of it."""
        assert run.faults == []
        assert run.acknowledged == list(range(len(run.steps))), f"{run.run_id}: out of order or lost"
        live = self._service.until_scored(run.run_id, len(run.steps))
        assert (live["steps"], live["scored"], live["parked"]) == (len(run.steps), len(run.steps), 0)
        session = self._monitor.session()
        verdicts = [session.step(raw_step) for raw_step in run.steps]
        assert [score["position"] for score in live["scores"]] == run.acknowledged
        for name in ("score", "risk", "failure_probability"):
            expected = [getattr(verdict, name) for verdict in verdicts]
            np.testing.assert_allclose([score[name] for score in live["scores"]], expected, atol=1e-5, rtol=0)
        assert [score["symbol"] for score in live["scores"]] == [verdict.symbol for verdict in verdicts]
        for position, score in run.scores.items():
            assert score == live["scores"][position]["score"], f"{run.run_id}: another score was told"
        opened = [position for position, verdict in enumerate(verdicts) if verdict.alert]
        alerts: list[dict[str, Any]] = live["alert_list"]
        assert [alert["position"] for alert in alerts] == opened
        assert [alert["episode"] for alert in alerts] == list(range(1, len(opened) + 1))
        return alerts

    def until_delivered(self, alerts: list[dict[str, Any]], receiver: Receiver, webhook_id: str) -> None:
        """Wait until every alert was taken by the receiver or is shown as failed: under one id, and no other alert."""
        expected = {alert["id"] for alert in alerts}
        assert len(expected) == len(alerts)

        def settled() -> bool:
            missing = expected - receiver.taken
            return not missing or missing <= set(self._failed(webhook_id))

        # A sender that was killed leaves a claim of 15 s; an answer 500 a pause of up to some seconds more.
        self._service.until(settled, 120, "every alert delivered, or visible as failed")
        assert receiver.ids.keys() <= expected
        assert all(len(ids) == 1 for ids in receiver.ids.values())
        assert receiver.forged == []

    def _failed(self, webhook_id: str) -> Iterator[str]:
        path = f"/v1/webhooks/{webhook_id}/deliveries"
        for state in ("failed", "expired"):
            listed = self._service.http.get(path, params={"state": state, "limit": 500}).json()["deliveries"]
            yield from (delivery["alert_id"] for delivery in listed)
