"""A long load through a small Redis: it stays small, and every step is scored and archived."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest

from service.archive.files import read_archive
from tests.ports import free_port
from tests.service.live import Service, running
from tests.service.servers import Server
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle

LIMIT_MB = 256
STEPS_A_RUN = 40
RUNS_A_REQUEST = 64
NDJSON = {"Content-Type": "application/x-ndjson"}
PADDED_BYTES = 2048


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    """A small real bundle."""
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


def lines(tiny: TinyBundle, first_run: int, step: int) -> list[bytes]:
    """The same step of many runs, as lines of NDJSON."""
    raw_step = tiny.corpus.runs[0][step % len(tiny.corpus.runs[0])]
    raw = orjson.dumps({**raw_step, "padding": "x" * (PADDED_BYTES - len(orjson.dumps(raw_step)))})
    return [b'{"run_id":"r%d","step":%s}\n' % (run, raw) for run in range(first_run, first_run + RUNS_A_REQUEST)]


def post(service: Service, left: list[bytes]) -> None:
    """Post until every line is taken, waiting as refusals ask."""
    for _ in range(1000):
        answer = service.http.post("/v1/steps", content=b"".join(left), headers=NDJSON, timeout=60)
        if answer.status_code == 202:
            left = [left[one["index"]] for one in answer.json()["rejected"]]
            if not left:
                return
        assert answer.status_code in {202, 429, 503}, answer.text[:500]
        time.sleep(int(answer.headers["Retry-After"]))
    pytest.fail("still refused after 1000 tries")


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(20_000, marks=pytest.mark.slow, id="20 thousand steps"),
        pytest.param(1_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)], id="a million steps"),
    ],
)
def test_a_redis_of_256_mb_takes_all_that_comes(tiny: TinyBundle, tmp_path: Path, steps: int) -> None:
    port = free_port()
    redis = Server(tmp_path / "redis", port, ("--maxmemory", f"{LIMIT_MB}mb", "--auto-aof-rewrite-min-size", "512mb"))
    redis.start()
    redis.until(lambda server: server.ask("PING"), "up")
    settings = {
        "FOREWARN_REDIS_URL": redis.url,
        "FOREWARN_ARCHIVE_DIR": str(tmp_path / "archive"),
        "FOREWARN_PARTITIONS": "8",
    }
    used: list[int] = []
    sent = 0
    try:
        with running(tmp_path / "service", "--bundle", str(tiny.path), environment=settings) as service:
            service.until_ready()
            first_run = 0
            while sent < steps:
                for step in range(STEPS_A_RUN):
                    post(service, lines(tiny, first_run, step))
                    sent += RUNS_A_REQUEST
                used.append(int(redis.ask("INFO", "memory")["used_memory"]))
                first_run += RUNS_A_REQUEST

            def drained() -> bool:
                return all(redis.ask("XLEN", f"{{p{partition:02d}}}:steps") == 0 for partition in range(8))

            service.until(drained, 120, "archived")
            scored = sum(int(redis.ask("HGET", f"{{p{partition:02d}}}:counts", "scored")) for partition in range(8))
            assert scored == sent
            assert max(used) < LIMIT_MB * 2**20
    finally:
        redis.stop()
    assert sum(1 for _ in read_archive(tmp_path / "archive")) == sent
