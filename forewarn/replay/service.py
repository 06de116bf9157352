"""What a replay asks of a service: typed requests over one connection, with overload waited out."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from forewarn.replay.connection import Answer, Connection, Origin, RefusedError
from forewarn.replay.figures import Promise
from monitors.errors import ForewarnError

PATIENCE_S = 60.0


class NoMonitorError(ForewarnError):
    """The service has no monitor that runs could be scored by."""


@dataclass(frozen=True, slots=True)
class ActiveMonitor:
    """The monitor that scores a replay. `adapter` is its spec as JSON, None where the service does not show it."""

    monitor_id: str
    promise: Promise
    adapter: Any
    group_by: str | None = None
    """The field of the outcomes that names a run's agent, where thresholds are by group."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What a service knows of a run: steps scored, the turn that it has come to, and that of its first alert, if
    any."""

    scored: int
    last_turn: int
    alert_turn: int | None


class ServiceConnection:
    """One agent's connection to a service."""

    def __init__(self, origin: Origin) -> None:
        self._connection = Connection(origin)
        self.waited_s = 0.0
        """How long this connection has waited because the service asked for it (429, 503)."""

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    async def get(self, path: str) -> Any:
        """The JSON at a path."""
        return orjson.loads((await self._ask("GET", path, what=f"GET {path}")).body)

    async def start_run(self, run_id: str, agent: str, task: str, tags: dict[str, str]) -> None:
        """Says what is known of a run before its first step."""
        await self._ask("PUT", f"/v1/runs/{run_id}", {"agent": agent, "task": task, "tags": tags}, what=f"run {run_id}")

    async def post_step(self, run_id: str, position: int, step: bytes, wait_ms: int = 0) -> bool:
        """Posts one raw step (its JSON), and returns True if the answer held its score. With `wait_ms`, asks for
        the score.

        The step's position is its idempotency key, so a step sent again because a connection broke is stored once.
        """
        path = f"/v1/runs/{run_id}/steps" + (f"?wait=score&timeout_ms={wait_ms}" if wait_ms else "")
        key = f"Idempotency-Key: {position}\r\n"
        answer = await self._ask("POST", path, step, what=f"step {position} of run {run_id}", extra_head=key)
        first = orjson.loads(answer.body)["steps"][0]
        if first["position"] != position:
            detail = f"it got position {first['position']}"
            raise RefusedError(answer.status, detail, what=f"step {position} of run {run_id}")
        return first.get("risk") is not None

    async def post_outcome(self, run_id: str, *, success: bool, intervened: bool | None = None) -> bool:
        """Says how a run ended; False if the service knew it just so."""
        path = f"/v1/runs/{quote(run_id, safe='')}/outcome"
        body = {"success": success} if intervened is None else {"success": success, "intervened": intervened}
        answer = await self._ask("POST", path, body, what=f"the outcome of run {run_id}")
        return bool(orjson.loads(answer.body).get("changed", True))

    async def read_run(self, run_id: str) -> RecordedRun:
        """What the service knows of a run."""
        record = await self.get(f"/v1/runs/{run_id}?limit=1")
        turns = [int(alert["turn"]) for alert in record["alert_list"]]
        return RecordedRun(int(record["scored"]), int(record["turn"]), min(turns, default=None))

    async def read_monitor(self) -> ActiveMonitor:
        """The monitor that new runs begin with. Raises `NoMonitorError` if the service has none."""
        listed = (await self.get("/v1/monitors"))["monitors"]
        active = next((one["monitor_id"] for one in listed if one["active"]), None)
        if active is None:
            raise NoMonitorError("the service has no active monitor: start it with `forewarn serve --bundle BUNDLE`")
        detail = await self.get(f"/v1/monitors/{active}")
        manifest = detail["manifest"]
        promise = Promise(manifest["alpha"], manifest["calibration"]["successes"], manifest.get("confidence"))
        group_by = (manifest.get("groups") or {}).get("by")
        return ActiveMonitor(active, promise, detail.get("adapter"), group_by)

    async def _ask(self, method: str, path: str, body: Any = b"", *, what: str, extra_head: str = "") -> Answer:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = await self._connection.request(method, path, data, extra_head)
            if answer.status < 300:
                return answer
            if answer.status not in {429, 503} or time.monotonic() > deadline:
                raise RefusedError(answer.status, _detail(answer.body), what=what, path=path)
            pause_s = answer.retry_after_s if answer.retry_after_s is not None else 0.2
            self.waited_s += pause_s
            await asyncio.sleep(pause_s)


def _detail(body: bytes) -> str:
    try:
        problem = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:200].decode("utf-8", "replace")
    return str(problem.get("detail") or problem.get("title") or problem) if isinstance(problem, dict) else str(problem)
