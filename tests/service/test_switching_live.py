"""The whole service under load while monitors are switched: every step scored once, each run on one monitor
throughout, with exactly the scores that this monitor gives in process."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from monitors import Monitor
from monitors.bundle import read_monitor_id
from tests.service.live import Service, running
from tests.service.other_bundle import write_twin
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STEPS = 20
PER_REQUEST = 5
RUNS_PER_WAVE = 100
WAVES = 16
WAVE_S = 1.0
SEQUENCES = 10


class Load(threading.Thread):
    """Sends waves of new runs, 2,000 steps a second; each wave is still under way when the next begins."""

    def __init__(self, url: str, sequences: list[list[Any]]) -> None:
        super().__init__()
        self._url = url
        self._sequences = sequences
        self.sent = 0
        self.failure = ""
        self.took_s = 0.0

    def run(self) -> None:
        began = time.monotonic()
        parts = STEPS // PER_REQUEST
        try:
            with httpx.Client(base_url=self._url, timeout=30) as http:
                for tick in range(WAVES * parts + parts):
                    for wave in range(max(0, tick // parts - 1), min(WAVES, tick // parts + 1)):
                        # A wave takes two waves' time: half a wave's steps go out a tick of each of two waves.
                        at = tick - wave * parts
                        if at % 2 == wave % 2 and at // 2 < parts:
                            self._send(http, wave, at // 2)
                    time.sleep(max(0.0, began + (tick + 1) * WAVE_S / parts - time.monotonic()))
        except Exception as error:  # noqa: BLE001 - told by the test
            self.failure = repr(error)
        self.took_s = time.monotonic() - began

    def _send(self, http: httpx.Client, wave: int, part: int) -> None:
        places = range(part * PER_REQUEST, (part + 1) * PER_REQUEST)
        lines = [
            {"run_id": f"r{number}", "step": self._sequences[number % SEQUENCES][place], "id": f"{number}-{place}"}
            for place in places
            for number in range(wave * RUNS_PER_WAVE, (wave + 1) * RUNS_PER_WAVE)
        ]
        body = b"\n".join(orjson.dumps(line) for line in lines)
        for _ in range(60):
            answer = http.post("/v1/steps", content=body, headers={"Content-Type": "application/x-ndjson"})
            if answer.status_code == 202 and not answer.json()["rejected"]:
                self.sent += len(lines)
                return
            assert answer.status_code in (202, 429, 503), answer.text
            time.sleep(0.5)
        raise AssertionError(answer.text[:1000])


def expected(bundle: Path, sequences: list[list[Any]]) -> list[list[float]]:
    monitor = Monitor.read(bundle, device="cpu")
    probabilities = []
    for steps in sequences:
        session = monitor.session()
        probabilities.append([session.step(step).failure_probability for step in steps])
    return probabilities


def sequences_of(tiny: TinyBundle) -> list[list[Any]]:
    flat = [step for run in tiny.corpus.runs for step in run]
    return [flat[first * STEPS : (first + 1) * STEPS] for first in range(SEQUENCES)]


def act(service: Service, method: str, path: str) -> dict[str, Any]:
    answer = service.http.request(method, f"/v1/monitors{path}", timeout=90)
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def run_command(*arguments: str) -> str:
    """What `forewarn monitors …` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "forewarn", "monitors", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_switching_under_load_loses_nothing_and_scores_nothing_twice(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tiny = shared_tiny_bundle(tmp_path_factory.getbasetemp())
    twin = write_twin(tiny.path, tmp_path / "twin")
    first, second = read_monitor_id(tiny.path), read_monitor_id(twin)
    sequences = sequences_of(tiny)
    scores = {first: expected(tiny.path, sequences), second: expected(twin, sequences)}
    assert scores[first] != scores[second]
    with running(tmp_path / "service", "--bundle", str(tiny.path), "--device", "cpu") as service:
        service.until_ready()
        url = f"--url={service.http.base_url}"
        run_command("add", str(twin), url)
        assert f"{first}\tready\tactive" in run_command("list", url)
        load = Load(str(service.http.base_url), sequences)
        load.start()
        time.sleep(2.5)
        act(service, "POST", f"/{second}/activate")
        time.sleep(2)
        act(service, "POST", f"/{first}/shadow")
        time.sleep(2)
        assert run_command("rollback", url) == f"active: {first}\n"
        act(service, "DELETE", f"/{first}/shadow")
        time.sleep(1)
        # The next activation waits for the worker that is being started again.
        assert service.kill("worker") == 1
        assert run_command("activate", second, url) == f"active: {second}\n"
        load.join(120)
        assert not load.failure, load.failure
        assert load.sent == WAVES * RUNS_PER_WAVE * STEPS
        shadowed = check_runs(service, scores)
        counts = act(service, "GET", f"/{first}")["as_shadow"]
        assert (counts["runs"], counts["steps"], counts["dropped"]) == (shadowed, shadowed * STEPS, 0)


def check_runs(service: Service, scores: dict[str, list[list[float]]]) -> int:
    """Each run has every step's score once, all of the one monitor that it is on; how many had a shadow."""
    on, shadowed = Counter[str](), 0
    for number in range(WAVES * RUNS_PER_WAVE):
        run = service.until_scored(f"r{number}", STEPS)
        assert (run["steps"], run["scored"], run["parked"]) == (STEPS, STEPS, 0)
        assert [score["position"] for score in run["scores"]] == list(range(STEPS))
        own = scores[run["monitor_id"]][number % SEQUENCES]
        told = [score["failure_probability"] for score in run["scores"]]
        assert told == pytest.approx(own, abs=2e-6), f"run {number} is not on {run['monitor_id']} throughout"
        on[run["monitor_id"]] += 1
        if run["shadow"]:
            assert (run["shadow"]["steps"], run["shadow"]["dropped"]) == (STEPS, None)
            shadowed += 1
    assert min(on.values()) >= RUNS_PER_WAVE
    assert shadowed > 0
    return shadowed
