"""The whole service as `forewarn serve` starts it: real processes, a real bundle, real kills."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitors.adapter.coverage import Coverage
from monitors.monitor import Monitor
from monitors.stepview import JsonValue
from service.redis_log.embedded import EmbeddedRedis, find_server
from tests.ports import free_port
from tests.service.live import Service, running
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def service(tiny: TinyBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that no test kills."""
    with running(tmp_path_factory.mktemp("service"), "--bundle", str(tiny.path)) as one:
        one.until_ready()
        yield one


def assert_same_scores(run: dict[str, Any], tiny: TinyBundle, raw_steps: list[JsonValue]) -> None:
    session = Monitor.read(tiny.path).session()
    verdicts = [session.step(raw_step) for raw_step in raw_steps]
    for name in ("score", "risk", "failure_probability"):
        live = [step[name] for step in run["scores"]]
        np.testing.assert_allclose(live, [getattr(verdict, name) for verdict in verdicts], atol=1e-5, rtol=0)
    assert [step["symbol"] for step in run["scores"]] == [verdict.symbol for verdict in verdicts]


def test_the_live_scores_are_those_of_the_monitor_in_process(service: Service, tiny: TinyBundle) -> None:
    for index, raw_steps in enumerate(tiny.corpus.runs[:5]):
        for raw_step in raw_steps:
            assert service.http.post(f"/v1/runs/same-{index}/steps", json=raw_step).status_code == 202
        assert_same_scores(service.until_scored(f"same-{index}", len(raw_steps)), tiny, raw_steps)


def test_waiting_for_a_score_works_across_processes(service: Service, tiny: TinyBundle) -> None:
    session = Monitor.read(tiny.path).session()
    for raw_step in tiny.corpus.runs[0]:
        answer = service.http.post("/v1/runs/waiting/steps?wait=score&timeout_ms=5000", json=raw_step)
        assert answer.status_code == 200
        assert answer.json()["steps"][0]["score"] == pytest.approx(session.step(raw_step).score, abs=1e-5)


def test_metrics_of_all_processes_come_together(service: Service) -> None:
    service.http.post("/v1/runs/measured/steps?wait=score", json={"role": "user", "content": "x"})
    text = service.http.get("/metrics").text
    assert "forewarn_steps_accepted_total" in text
    assert "forewarn_event_to_score_seconds_bucket" in text
    assert 'forewarn_steps_scored_total{device="cpu"' in text


def test_the_coverage_counters_are_those_of_the_adapter_over_the_same_steps(service: Service, tiny: TinyBundle) -> None:
    strange = [{"kind": "nothing that the adapter knows"}, {"role": "user", "content": "x" * 50_000}]
    raw_steps = [*tiny.corpus.runs[1], *strange]
    coverage, adapter = Coverage(), Monitor.read(tiny.path).adapter
    for raw_step in raw_steps:
        coverage.add_reading(adapter.read(raw_step))
    before = adapter_counters(service)
    for raw_step in raw_steps:
        service.http.post("/v1/runs/covered/steps?wait=score", json=raw_step)
    after = adapter_counters(service)
    expected = {
        (name, label): count
        for name, counts in coverage.to_counters().items()
        for label, count in (counts if isinstance(counts, dict) else {"": counts}).items()
    }
    assert {key: count - before.get(key, 0) for key, count in after.items()} == dict.fromkeys(after, 0) | expected
    assert coverage.unknown == coverage.truncated == 1


def adapter_counters(service: Service) -> dict[tuple[str, str], float]:
    """The exported counters of the one adapter, by name and by the label beside the monitor's."""
    return {
        (sample.name, sample.labels.get("case") or sample.labels.get("field") or ""): sample.value
        for family in text_string_to_metric_families(service.http.get("/metrics").text)
        for sample in family.samples
        if sample.name.startswith("forewarn_adapter_") and sample.name.endswith("_total")
    }


def test_no_process_of_the_service_holds_torch_and_the_api_no_numba(service: Service) -> None:
    for kind, absent in (("api", ("torch", "numba", "onnxruntime")), ("worker", ("torch",))):
        (pid,) = service.pids(kind)
        mapped = Path(f"/proc/{pid}/maps").read_text()
        for name in absent:
            assert f"/site-packages/{name}/" not in mapped, (kind, name)


def test_a_second_service_on_the_same_folder_is_refused(service: Service, tiny: TinyBundle) -> None:
    folder = service.log.parent / "data"
    command = [sys.executable, "-m", "forewarn", "serve", "--data-dir", str(folder), "--port", str(free_port())]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode != 0
    assert "another forewarn service runs on" in second.stderr
    assert "Traceback" not in second.stderr


def test_another_partition_count_is_refused_and_the_data_stay(tiny: TinyBundle, tmp_path: Path) -> None:
    with running(tmp_path, "--bundle", str(tiny.path)) as service:
        service.until_ready()
        service.post("kept", tiny.corpus.runs[0][0], "0")
        service.until_scored("kept", 1)
    with running(tmp_path, environment={"FOREWARN_PARTITIONS": "5"}) as service:
        assert service.process.wait(30) != 0
        assert "started with 8 partitions, and 5 were asked for" in service.log.read_text()
    with running(tmp_path, "--bundle", str(tiny.path)) as service:
        service.until_ready()
        assert service.http.get("/v1/runs/kept").json()["scored"] == 1


def test_it_stops_on_sigterm_with_everything_scored_kept_and_no_process_left(tiny: TinyBundle, tmp_path: Path) -> None:
    raw_steps = tiny.corpus.runs[0]
    with running(tmp_path, "--bundle", str(tiny.path), "--workers", "2") as service:
        service.until_ready()
        for number, raw_step in enumerate(raw_steps):
            service.post("r", raw_step, str(number))
        pids = [pid for kind in ("redis", "api", "worker") for pid in service.pids(kind)]
        assert len(pids) == 4
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with running(tmp_path, "--bundle", str(tiny.path)) as service:
        service.until_ready()
        assert_same_scores(service.until_scored("r", len(raw_steps)), tiny, raw_steps)


def test_children_do_not_outlive_a_killed_supervisor(tiny: TinyBundle, tmp_path: Path) -> None:
    with running(tmp_path, "--bundle", str(tiny.path)) as service:
        service.until_ready()
        pids = [pid for kind in ("redis", "api", "worker") for pid in service.pids(kind)]
        service.process.kill()
        service.process.wait()
        deadline = time.monotonic() + 30
        while any(is_running(pid) for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with running(tmp_path, "--bundle", str(tiny.path)) as service:
        service.until_ready()


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_without_a_bundle_it_starts_and_says_what_to_do(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.until(lambda: service.get("/livez") == 200, 30, "alive")
        answer = service.http.post("/v1/runs/r/steps", json={})
        assert answer.status_code == 503
        assert "--bundle" in answer.json()["detail"]


def test_roles_apart_over_a_shared_redis_work_as_one_service(tiny: TinyBundle, tmp_path: Path) -> None:
    embedded = EmbeddedRedis(find_server(), tmp_path / "redis")
    redis = embedded.start()
    try:
        embedded.wait_until_ready(redis)
        common = ("--redis-url", embedded.url, "--bundle", str(tiny.path))
        with (
            running(tmp_path / "api", "--role", "api", *common) as api,
            running(tmp_path / "w1", "--role", "worker", *common),
            running(tmp_path / "w2", "--role", "worker", *common),
        ):
            api.until_ready()
            api.until(lambda: "2 alive, 64 of 64" in api.http.get("/readyz?verbose").text, 30, "shared out")
            session = Monitor.read(tiny.path).session()
            for raw_step in tiny.corpus.runs[0]:
                answer = api.http.post("/v1/runs/apart/steps?wait=score&timeout_ms=5000", json=raw_step)
                assert answer.json()["steps"][0]["score"] == pytest.approx(session.step(raw_step).score, abs=1e-5)
    finally:
        redis.terminate()
        redis.wait(10)
