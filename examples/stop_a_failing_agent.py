"""Shows: an agent that posts each step, waits for its score, and stops when forewarn warns. Plain Python and `httpx`.

    python examples/stop_a_failing_agent.py

The agents are scripted ones of the simulated help desk, so the monitor should be one for it: `make demo KEEP=1` serves
one. Reads FOREWARN_URL (http://127.0.0.1:8080) and, where the service has keys, FOREWARN_API_KEY.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from typing import Any

import httpx

from induction.helpdesk import simulate
from induction.helpdesk.chat import to_chat

URL = os.environ.get("FOREWARN_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("FOREWARN_API_KEY")
AGENTS = 12
WAIT_FOR_SCORE_MS = 2000
TRIES = 4
LONGEST_PAUSE_S = 5.0


class Watch:
    """Tells forewarn of one run's steps.

    It fails open, and that is a choice: where forewarn cannot be reached or is too busy, the agent goes on unwatched
    rather than standing still. An agent that must never act unwatched would raise here instead.
    """

    def __init__(self, http: httpx.Client, run_id: str) -> None:
        self.http, self.run_id, self.sent, self.unscored = http, run_id, 0, 0

    def warns(self, step: dict[str, Any]) -> bool:
        """Post a step; whether it opened an alert."""
        # The id makes it safe to post again when an answer was lost: the step is stored once.
        envelope = {"step": step, "id": f"step-{self.sent}"}
        self.sent += 1
        answer = self._post([envelope])
        if answer is None or not answer["steps"][0].get("scored"):
            self.unscored += 1
            return False
        return bool(answer["steps"][0]["alert"])

    def _post(self, envelopes: list[dict[str, Any]]) -> dict[str, Any] | None:
        address = f"/v1/runs/{self.run_id}/steps"
        params: dict[str, str | int] = {"envelope": "true", "wait": "score", "timeout_ms": WAIT_FOR_SCORE_MS}
        for attempt in range(TRIES):
            pause_s = 0.2 * 2**attempt
            try:
                answer = self.http.post(address, params=params, json=envelopes)
            except httpx.TransportError:  # not there, or too slow
                time.sleep(pause_s)
                continue
            if answer.status_code in {429, 503}:  # too much just now; it says when to come back
                time.sleep(min(float(answer.headers.get("Retry-After", pause_s)), LONGEST_PAUSE_S))
                continue
            answer.raise_for_status()  # 400, 401, 403 …: our own mistake, which no retry mends
            return dict(answer.json())
        return None


def main() -> None:
    """Let the agents work, one after the other."""
    headers = {"Authorization": f"Bearer {KEY}"} if KEY else {}
    with httpx.Client(base_url=URL, headers=headers, timeout=5) as http:
        require_service(http)
        batch, stopped, saved = uuid.uuid4().hex[:8], 0, 0
        for number, run in enumerate(simulate(AGENTS, seed=77)):
            steps = to_chat(run)["messages"]
            watch = Watch(http, f"stop-{batch}-{number}")
            # What a real agent would do next is taken from the script: it ends where the warning comes.
            done = next((taken for taken, step in enumerate(steps, 1) if watch.warns(step)), None)
            unscored = f", {watch.unscored} steps unscored" if watch.unscored else ""
            if done is None:
                ended = "succeeded" if run.success else "failed"
                print(f"agent {number:2}: no warning in {len(steps)} steps; it {ended}{unscored}")
                http.post(f"/v1/runs/{watch.run_id}/outcome", json={"success": run.success})
                continue
            would = "would have succeeded" if run.success else "fails"
            stopped, saved = stopped + 1, saved + len(steps) - done
            print(f"agent {number:2}: STOPPED at step {done} of {len(steps)}; left alone it {would}{unscored}")
            # No outcome: nobody knows how a stopped run would have gone. (Here the script does; your agent will not.)
            http.post(f"/v1/runs/{watch.run_id}/end")
        print(f"{stopped} of {AGENTS} agents stopped, {saved} steps saved")


def require_service(http: httpx.Client) -> None:
    """Begin only where a service is ready."""
    try:
        http.get("/readyz").raise_for_status()
    except httpx.HTTPError as error:
        start = "start one with `make demo KEEP=1`, or name it: FOREWARN_URL=http://host:port"
        sys.exit(f"no forewarn service is ready at {URL} ({error}): {start}")


if __name__ == "__main__":
    main()
