"""A load of runs with a ledger of what was acknowledged. An answer that did not come is asked for again, by its ids."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from monitors.stepview import JsonValue

GIVE_UP_S = 90.0
# What a careful client tries again: the service is away, or has too much to do.
TRY_AGAIN = {429, 503}


@dataclass
class PlayedRun:
    """What one run sent, and what it was told."""

    run_id: str
    steps: list[JsonValue]
    acknowledged: list[int] = field(default_factory=list)
    """The position told of each step, by its number in the run."""
    scores: dict[int, float] = field(default_factory=dict)
    """The scores told with `?wait=score`, by position."""
    faults: list[str] = field(default_factory=list)
    success: bool | None = None
    """The outcome that was acknowledged last."""


class Player(threading.Thread):
    """Plays one run after the other until told to stop; the last one is played to its end."""

    def __init__(self, number: int, base_url: httpx.URL, corpus: list[list[JsonValue]], seed: int) -> None:
        super().__init__(name=f"player {number}")
        self.number = number
        self.played: list[PlayedRun] = []
        self.failure: BaseException | None = None
        self.retries = 0
        self.stop = threading.Event()
        self._base_url = base_url
        self._corpus = corpus
        self._rng = random.Random(f"{seed} {number}")

    def run(self) -> None:
        """See threading."""
        try:
            with httpx.Client(base_url=self._base_url, timeout=10) as http:
                while not self.stop.is_set():
                    steps = self._rng.choice(self._corpus)
                    run = PlayedRun(f"kill-{self.number}-{len(self.played)}", steps)
                    self.played.append(run)
                    self._play(http, run)
        except BaseException as error:  # noqa: BLE001 - the test is told, whatever it was
            self.failure = error

    def _play(self, http: httpx.Client, run: PlayedRun) -> None:
        sent = 0
        while sent < len(run.steps):
            count = min(self._rng.choice([1, 1, 1, 2, 5]), len(run.steps) - sent)
            # Some senders repeat what was acknowledged already: theirs is the same answer.
            first = self._rng.randint(max(0, sent - 3), sent) if self._rng.random() < 0.2 else sent
            numbers = list(range(first, sent + count))
            items = [{"step": run.steps[number], "id": f"id-{number}"} for number in numbers]
            wait = self._rng.random() < 0.2
            answer = self._post(http, run.run_id, items, wait=wait)
            for number, told in zip(numbers, answer["steps"], strict=True):
                if number < len(run.acknowledged):
                    if told["position"] != run.acknowledged[number]:
                        run.faults.append(f"step {number} was at {run.acknowledged[number]}, now at {told['position']}")
                else:
                    run.acknowledged.append(told["position"])
                if told.get("scored"):
                    run.scores[told["position"]] = told["score"]
            sent += count
            time.sleep(self._rng.uniform(0, 0.03))
        # Some outcomes are corrected: the last one holds.
        for success in [self._rng.random() < 0.5 for _ in range(self._rng.choice([1, 2]))]:
            self._ask(http, run.run_id, "outcome", {"success": success})
            run.success = success

    def _post(self, http: httpx.Client, run_id: str, items: list[dict[str, Any]], *, wait: bool) -> dict[str, Any]:
        query = "envelope=true&wait=score&timeout_ms=500" if wait else "envelope=true"
        return self._ask(http, run_id, f"steps?{query}", items)

    def _ask(self, http: httpx.Client, run_id: str, path: str, body: Any) -> dict[str, Any]:
        deadline = time.monotonic() + GIVE_UP_S
        while True:
            said = "nothing"
            try:
                answer = http.post(f"/v1/runs/{run_id}/{path}", json=body)
                if answer.is_success:
                    return dict(answer.json())
                said = f"{answer.status_code} {answer.text[:500]}"
                assert answer.status_code in TRY_AGAIN, said
                assert int(answer.headers["retry-after"]) >= 1, "no Retry-After"
            except httpx.TransportError as error:
                # Whether the steps were stored is unknown: their ids make sending them again safe.
                said = repr(error)
            assert time.monotonic() < deadline, f"{run_id} was not answered in {GIVE_UP_S:.0f} s, at last: {said}"
            self.retries += 1
            time.sleep(0.1)
