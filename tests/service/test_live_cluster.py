"""The whole service over a Redis Cluster: real processes, three real masters, real kills."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.service.live import Service, running
from tests.service.servers import Cluster, running_cluster
from tests.service.test_live_service import assert_same_scores
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

NODE_TIMEOUT_MS = 2000


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@contextmanager
def playing(service: Service, tiny: TinyBundle) -> Iterator[None]:
    """Six agents post while the block lasts; then every acknowledged step is there, in order, with its score."""
    acknowledged: dict[str, list[int]] = {}
    runs = {f"run-{index}": tiny.corpus.runs[index] * 12 for index in range(6)}
    stop = threading.Event()

    def play(run_id: str) -> None:
        positions = acknowledged.setdefault(run_id, [])
        for number, raw_step in enumerate(runs[run_id]):
            if stop.is_set():
                return
            positions.append(service.post(run_id, raw_step, f"s{number}"))
            time.sleep(0.05)

    players = [threading.Thread(target=play, args=(run_id,)) for run_id in runs]
    for player in players:
        player.start()
    try:
        yield
    finally:
        stop.set()
        for player in players:
            player.join(60)
    assert len(acknowledged) == len(runs)
    for run_id, positions in acknowledged.items():
        assert positions == list(range(len(positions)))
        assert len(positions) > 10
        run = service.until_scored(run_id, len(positions))
        assert run["steps"] == len(positions)
        assert run["parked"] == 0
        assert_same_scores(run, tiny, runs[run_id][: len(positions)])


def start(folder: Path, cluster: Cluster, tiny: TinyBundle, **environment: str) -> Iterator[Service]:
    options = ("--redis-url", cluster.url, "--bundle", str(tiny.path), "--workers", "2")
    return running(folder, *options, environment=environment)


def test_a_master_killed_and_started_again_costs_no_acknowledged_step(tiny: TinyBundle, tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path / "redis", node_timeout_ms=NODE_TIMEOUT_MS) as cluster,
        start(tmp_path / "service", cluster, tiny) as service,
    ):
        service.until_ready()
        assert "on 3 masters" in service.http.get("/readyz?verbose").text
        with playing(service, tiny):
            time.sleep(1)
            # Back before its absence is noticed, and long after; the URL's own node among them.
            for server, away_s in ((cluster.masters[1], 0.2), (cluster.masters[0], 2 * NODE_TIMEOUT_MS / 1000)):
                server.kill()
                time.sleep(away_s)
                server.start()
                server.until(lambda one: "cluster_state:ok" in str(one.ask("CLUSTER", "INFO")), "back")
                time.sleep(1)
        service.until_ready()


@pytest.mark.soak
def test_a_failover_keeps_every_step_that_replicas_were_waited_for(tiny: TinyBundle, tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path / "redis", replicas=1, node_timeout_ms=NODE_TIMEOUT_MS) as cluster,
        start(tmp_path / "service", cluster, tiny, FOREWARN_WAIT_REPLICAS="1") as service,
    ):
        service.until_ready()
        with playing(service, tiny):
            time.sleep(1)
            cluster.masters[0].kill()
            cluster.replicas[0].until(lambda one: one.ask("INFO", "replication")["role"] == "master", "promoted")
            # As the replica of the one that took its place.
            cluster.masters[0].start()
            cluster.masters[0].until(lambda one: one.ask("ROLE")[0] == "slave", "a replica")
            time.sleep(2)
        service.until_ready()
