"""What operators rely on: health and metrics of every role, metric names, and leaving without losing anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import redis

from service.core.readiness import check_own_workers
from service.records import WorkerReport
from service.redis_log.embedded import EmbeddedRedis, find_server
from tests.service.test_live_service import Service, running
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture
def shared_redis(tmp_path: Path) -> Iterator[str]:
    """A Redis that no service of the test started."""
    embedded = EmbeddedRedis(find_server(), tmp_path / "redis")
    process = embedded.start()
    try:
        embedded.wait_until_ready(process)
        yield embedded.url
    finally:
        process.terminate()
        process.wait(10)


def held_leases(url: str) -> list[bytes]:
    with redis.Redis.from_url(url) as client:
        return list(client.scan_iter("{p*}:lease", count=1000))


class TestOwnWorkers:
    NOW = 1_000_000

    def report(self, worker: str, *, seen_ms: int = NOW, monitors: tuple[str, ...] = ("m",)) -> WorkerReport:
        return WorkerReport(worker, seen_ms, 1, (0, 1), monitors, "cpu")

    def test_all_of_them_alive_with_the_monitor_are_well(self) -> None:
        reports = [self.report("a-0"), self.report("a-1"), self.report("b-0", monitors=())]
        check = check_own_workers(reports, ("a-0", "a-1"), "m", self.NOW, 1000)
        assert check.ok
        assert "all 2" in check.detail

    @pytest.mark.parametrize("age_ms", [1001, None])
    def test_a_silent_or_absent_one_is_named_though_others_are_alive(self, age_ms: int | None) -> None:
        reports = [self.report("a-0"), self.report("b-0")]
        if age_ms is not None:
            reports.append(self.report("a-1", seen_ms=self.NOW - age_ms))
        check = check_own_workers(reports, ("a-0", "a-1"), "m", self.NOW, 1000)
        assert not check.ok
        assert check.detail.endswith("silent: a-1")

    def test_one_with_another_monitor_is_not_ready(self) -> None:
        check = check_own_workers([self.report("a-0", monitors=("old",))], ("a-0",), "m", self.NOW, 1000)
        assert not check.ok
        assert "not loaded yet by a-0" in check.detail


@pytest.mark.slow
class TestRoles:
    @pytest.mark.needs("promtool")
    def test_workers_alone_tell_of_their_health_and_measures_which_prometheus_takes(
        self, tiny: TinyBundle, tmp_path: Path, shared_redis: str, tool_path: Callable[[str], str]
    ) -> None:
        common = ("--redis-url", shared_redis, "--bundle", str(tiny.path))
        with (
            running(tmp_path / "worker", "--role", "worker", "--workers", "2", *common) as worker,
            running(tmp_path / "api", "--role", "api", *common) as api,
        ):
            worker.until(lambda: worker.get("/livez") == 200, 30, "alive")
            worker.until_ready()
            verbose = worker.http.get("/readyz?verbose").json()
            assert {check["name"] for check in verbose["checks"]} >= {"redis", "monitor", "workers", "backlog"}
            assert "all 2 of this role" in worker.http.get("/readyz?verbose").text
            assert worker.get("/v1/runs") == 404
            api.until_ready()
            for raw_step in tiny.corpus.runs[0]:
                assert api.http.post("/v1/runs/r/steps?wait=score&timeout_ms=9000", json=raw_step).status_code == 200
            scored = worker.http.get("/metrics").text
            assert 'forewarn_steps_scored_total{device="cpu"' in scored
            assert 'forewarn_parked_steps{partition="0"} 0.0' in scored
            assert "forewarn_steps_accepted_total 0" not in scored
            for text in (scored, api.http.get("/metrics").text):
                checked = subprocess.run(
                    [tool_path("promtool"), "check", "metrics"],
                    input=text,
                    capture_output=True,
                    text=True,
                    timeout=30,
                    check=False,
                )
                assert (checked.returncode, checked.stderr, checked.stdout) == (0, "", "")
            (stuck, _) = worker.pids("worker")
            os.kill(stuck, signal.SIGSTOP)
            try:
                worker.until(lambda: worker.get("/readyz") == 503, 20, "said to be unready")
            finally:
                os.kill(stuck, signal.SIGCONT)
            worker.until_ready()

    def test_an_address_that_is_taken_is_said_and_the_workers_go_on(
        self, tiny: TinyBundle, tmp_path: Path, shared_redis: str
    ) -> None:
        common = ("--redis-url", shared_redis, "--bundle", str(tiny.path))
        with running(tmp_path / "api", "--role", "api", *common) as api:
            api.until(lambda: api.get("/livez") == 200, 30, "alive")
            port = str(api.http.base_url.port)
            with running(tmp_path / "worker", "--role", "worker", *common, "--port", port) as worker:
                api.until_ready()
                assert "Give this process another --port" in worker.log.read_text()


@pytest.mark.slow
def test_parked_steps_of_a_service_with_its_own_redis_are_found_by_its_data_folder(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.until(lambda: service.get("/livez") == 200, 30, "alive")
        line = [sys.executable, "-m", "forewarn", "parked", "list", "--data-dir", str(tmp_path / "data")]
        listed = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
        assert (listed.returncode, listed.stdout, listed.stderr) == (0, "", "0 parked\n")


@pytest.mark.slow
class TestLeaving:
    def test_an_api_finishes_what_is_under_way_and_takes_no_more(
        self, tiny: TinyBundle, tmp_path: Path, shared_redis: str
    ) -> None:
        """With no worker, eight requests wait for a score that does not come when the service is told to leave."""
        common = ("--redis-url", shared_redis, "--bundle", str(tiny.path))
        with running(tmp_path / "api", "--role", "api", *common) as api, ThreadPoolExecutor(8) as pool:
            api.until(lambda: api.get("/livez") == 200, 30, "alive")

            def wait(number: int) -> httpx.Response:
                url = f"{api.http.base_url}/v1/runs/w{number}/steps?wait=score&timeout_ms=4000"
                return httpx.post(url, json={"role": "user", "content": "x"}, timeout=20)

            waiting = [pool.submit(wait, number) for number in range(8)]
            api.until(lambda: api.http.get("/v1/runs").text.count('"run_id"') == 8, 10, "stored")
            began = time.monotonic()
            api.process.send_signal(signal.SIGTERM)
            api.until(lambda: api.get("/livez") == 0, 3, "closed to new requests")
            answers = [one.result() for one in waiting]
            assert [answer.status_code for answer in answers] == [202] * 8
            assert all(answer.json()["steps"] == [{"position": 0, "scored": False}] for answer in answers)
            assert api.process.wait(15) == 0
            assert time.monotonic() - began < 12

    @pytest.mark.timeout(180)
    def test_a_worker_commits_releases_its_leases_and_leaves_nothing_undone(
        self, tiny: TinyBundle, tmp_path: Path, shared_redis: str
    ) -> None:
        common = ("--redis-url", shared_redis, "--bundle", str(tiny.path))
        accepted: dict[str, int] = {}
        enough = threading.Event()
        with running(tmp_path / "api", "--role", "api", *common) as api:
            with running(tmp_path / "w1", "--role", "worker", *common) as worker:
                api.until_ready()

                def load(run_id: str) -> None:
                    with httpx.Client(base_url=api.http.base_url, timeout=20) as http:
                        while not enough.is_set() and accepted.get(run_id, 0) < 3000:
                            steps = tiny.corpus.runs[0] * 2
                            answer = http.post(f"/v1/runs/{run_id}/steps", json=steps)
                            if answer.status_code == 202:
                                accepted[run_id] = accepted.get(run_id, 0) + answer.json()["accepted"]

                loads = [threading.Thread(target=load, args=(f"load-{number}",)) for number in range(4)]
                for one in loads:
                    one.start()
                api.until(lambda: sum(accepted.values()) > 300, 30, "under load")
                assert held_leases(shared_redis)
                began = time.monotonic()
                worker.process.send_signal(signal.SIGTERM)
                assert worker.process.wait(15) == 0
                took_s = time.monotonic() - began
                assert held_leases(shared_redis) == []
                assert "drained" in worker.log.read_text()
                assert took_s < 10
                enough.set()
                for one in loads:
                    one.join()
            with running(tmp_path / "w2", "--role", "worker", *common):
                check_all_scored(api, accepted)


def check_all_scored(api: Service, accepted: dict[str, int]) -> None:
    for run_id, steps in accepted.items():
        run = api.until_scored(run_id, steps)
        assert (run["steps"], run["scored"], run["parked"]) == (steps, steps, 0)
