"""A run's steps read back from a real service: archived and trimmed, after a restart, and never once it is deleted."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import redis

from service.archive.files import read_archive
from tests.service.live import Service, running
from tests.tiny_bundle import shared_tiny_bundle

pytestmark = pytest.mark.slow
RUN = "/v1/runs/kept"


def until_archived(service: Service, data: Path) -> None:
    (socket,) = data.rglob("redis.sock")
    with contextlib.closing(redis.Redis(unix_socket_path=str(socket))) as client:

        def empty() -> bool:
            return not any(client.xlen(key) for key in client.scan_iter(match="{p*}:steps"))

        service.until(empty, 20, "archived and trimmed")


def test_a_runs_steps_are_read_back_after_archiving_and_restart_until_it_is_deleted(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tiny = shared_tiny_bundle(tmp_path_factory.getbasetemp())
    raw_steps = tiny.corpus.runs[0]
    data = tmp_path / "data"
    with running(tmp_path, "--bundle", str(tiny.path)) as service:
        service.until_ready()
        service.http.post(f"{RUN}/steps", json=list(raw_steps))
        service.until_scored("kept", len(raw_steps))
        until_archived(service, data)
        before = service.http.get(f"{RUN}/steps?limit=200", timeout=60).json()
        assert [step["raw"] for step in before["steps"]] == list(raw_steps)
        assert all(step["moved"] is not None for step in before["steps"])
    with running(tmp_path, "--bundle", str(tiny.path)) as service:
        service.until_ready()
        assert service.http.get(f"{RUN}/steps?limit=200", timeout=60).json() == before
        deletion = service.http.delete(RUN).json()
        address = f"/v1/deletions/{deletion['id']}"
        service.until(lambda: service.http.get(address).json()["state"] == "done", 30, "deleted")
        assert service.get(f"{RUN}/steps") == 404
        # A new run of the same name has its own steps, and none of the old one's.
        service.http.post(f"{RUN}/steps", json={"role": "user", "content": "anew"})
        service.until_scored("kept", 1)
        until_archived(service, data)
        (step,) = service.http.get(f"{RUN}/steps", timeout=60).json()["steps"]
        assert step["raw"] == {"role": "user", "content": "anew"}
    assert [one.step for one in read_archive(data / "archive")] == [step["raw"]]
